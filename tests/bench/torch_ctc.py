"""Runs training steps of PyTorch's CTC loss for bench_ctc.

Reads lines "STEPS BATCH SYMBOLS TARGET THREADS", does one step from logits to their gradient, and
answers with its seconds.
"""

import sys
import time

try:
    import torch
except ImportError:
    sys.exit()

cases = {}
for line in sys.stdin:
    steps, batch, symbols, target, threads = map(int, line.split())
    key = steps, batch, symbols, target
    if key not in cases:
        torch.manual_seed(1)
        cases[key] = (torch.randn(steps, batch, symbols, requires_grad=True),
                      torch.randint(1, symbols, (batch, target)),
                      torch.full((batch,), steps), torch.full((batch,), target))
    x, targets, lengths, target_lengths = cases[key]
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    x.grad = None
    start = time.perf_counter()
    loss = torch.nn.functional.ctc_loss(x.log_softmax(-1), targets, lengths, target_lengths)
    loss.backward()
    print(time.perf_counter() - start, flush=True)
