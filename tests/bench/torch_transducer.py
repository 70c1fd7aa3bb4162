"""Runs training steps of a transducer loss in PyTorch, which has none for processors, for bench_transducer: a loop
over the diagonals of the lattice, each of whose steps computes all sequences and states at once.

Reads lines "BATCH FRAMES TARGET SYMBOLS THREADS", does one step from logits to their gradient, and
answers with its seconds.
"""

import sys
import time

try:
    import torch
except ImportError:
    sys.exit()

IMPOSSIBLE = -1e30  # logaddexp of two infinities has no derivative


def skew(x, diagonals):
    """[B, T, U] -> [B, diagonals, U]: element (t, u) moves to (t + u, u)."""
    steps, states = x.shape[1:]
    u = torch.arange(states)
    t = torch.arange(diagonals)[:, None] - u
    return x[:, t.clamp(0, steps - 1), u].masked_fill((t < 0) | (t >= steps), IMPOSSIBLE)


def transducer_loss(logits, targets):
    batch, steps, states, _ = logits.shape
    p = logits.log_softmax(-1)
    diagonals = steps + states - 1
    blank = skew(p[..., 0], diagonals)
    index = targets[:, None, :, None].expand(batch, steps, states - 1, 1)
    symbol = skew(p[:, :, :-1].gather(-1, index)[..., 0], diagonals)
    alpha = torch.full((batch, states), IMPOSSIBLE)
    alpha[:, 0] = 0
    first = torch.full((batch, 1), IMPOSSIBLE)
    for d in range(diagonals):
        grown = torch.cat((first, alpha[:, :-1] + symbol[:, d]), 1)
        alpha = torch.logaddexp(alpha + blank[:, d], grown)
    return -(alpha[:, -1] / max(states - 1, 1)).mean()


cases = {}
for line in sys.stdin:
    batch, steps, target, symbols, threads = map(int, line.split())
    key = batch, steps, target, symbols
    if key not in cases:
        torch.manual_seed(1)
        cases[key] = (torch.randn(batch, steps, target + 1, symbols, requires_grad=True),
                      torch.randint(1, symbols, (batch, target)))
    x, targets = cases[key]
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    x.grad = None
    start = time.perf_counter()
    transducer_loss(x, targets).backward()
    print(time.perf_counter() - start, flush=True)
