"""Runs training steps of PyTorch's recurrent layers for bench_recurrent.

Reads lines "CELL INPUT HIDDEN STEPS BATCH THREADS", does one step with the gradient of the input, and
answers with its seconds.
"""

import sys
import time

try:
    import torch
except ImportError:
    sys.exit()

layers = {}
for line in sys.stdin:
    cell, *numbers = line.split()
    inputs, hidden, steps, batch, threads = map(int, numbers)
    key = cell, inputs, hidden, steps, batch
    if key not in layers:
        torch.manual_seed(1)
        layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[cell]
        x = torch.randn(steps, batch, inputs, requires_grad=True)
        layers[key] = layer(inputs, hidden), x, torch.ones(steps, batch, hidden)
    layer, x, seed = layers[key]
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    start = time.perf_counter()
    layer.zero_grad(set_to_none=True)
    x.grad = None
    layer(x)[0].backward(seed)
    print(time.perf_counter() - start, flush=True)
