"""Runs training steps of PyTorch's conv2d for bench_convolution.

Reads lines "BATCH INPUT OUTPUT SIDE KERNEL STRIDE THREADS", does one step with the gradient of the
input, and answers with its seconds.
"""

import sys
import time

try:
    import torch
except ImportError:
    sys.exit()

layers = {}
for line in sys.stdin:
    *sizes, threads = map(int, line.split())
    batch, inputs, outputs, side, kernel, stride = sizes
    if tuple(sizes) not in layers:
        torch.manual_seed(1)
        layer = torch.nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
        x = torch.randn(batch, inputs, side, side, requires_grad=True)
        layers[tuple(sizes)] = layer, x, torch.ones_like(layer(x))
    layer, x, seed = layers[tuple(sizes)]
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    start = time.perf_counter()
    layer.zero_grad(set_to_none=True)
    x.grad = None
    layer(x).backward(seed)
    print(time.perf_counter() - start, flush=True)
