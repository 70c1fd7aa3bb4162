"""Runs training steps of PyTorch's Transformer layers for bench_transformer.

Reads lines "WIDTH HEADS LAYERS STEPS BATCH THREADS", does one step of a causal stack with the gradient of
its input, and answers with its seconds.
"""

import sys
import time

try:
    import torch
except ImportError:
    sys.exit()

stacks = {}
for line in sys.stdin:
    *key, threads = map(int, line.split())
    width, heads, layers, steps, batch = key
    if tuple(key) not in stacks:
        torch.manual_seed(1)
        layer = torch.nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0, activation="gelu",
                                                 norm_first=True)
        mask = torch.full((steps, steps), float("-inf")).triu(1)
        x = torch.randn(steps, batch, width, requires_grad=True)
        stacks[tuple(key)] = torch.nn.TransformerEncoder(layer, layers), x, mask, torch.ones(steps, batch, width)
    stack, x, mask, seed = stacks[tuple(key)]
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    start = time.perf_counter()
    stack.zero_grad(set_to_none=True)
    x.grad = None
    stack(x, mask).backward(seed)
    print(time.perf_counter() - start, flush=True)
