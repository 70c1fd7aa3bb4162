"""Writes the golden files in the folder of this script, from PyTorch's layers in double precision.

Run with any PyTorch (Debian: python3-torch):  python3 make_golden.py
"""
import functools
import json
import pathlib
import struct

import numpy
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

HERE = pathlib.Path(__file__).parent
I, H, T, B = 3, 4, 5, 3


def write(name, tensors):
    header, data = {}, b""
    for key in sorted(tensors):
        value = tensors[key].detach().contiguous()
        kind = {torch.float64: "F64", torch.int64: "I64"}[value.dtype]
        raw = value.numpy().tobytes()
        header[key] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (HERE / name).write_bytes(struct.pack("<Q", len(text)) + text + data)


def recurrent(kind, case, options, lengths=None, state=False):
    layer = getattr(nn, kind)(I, H, **options).double()
    rows = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    x = torch.randn(T, B, I, dtype=torch.float64)
    if lengths is not None:
        for b, n in enumerate(lengths):
            x[n:, b] = 0
    x.requires_grad_()
    names = ["h", "c"] if kind == "LSTM" else ["h"]
    initial = [torch.randn(rows, B, H, dtype=torch.float64, requires_grad=True) for _ in names] if state else None
    hx = None if not state else (tuple(initial) if kind == "LSTM" else initial[0])
    if lengths is None:
        out, final = layer(x, hx)
    else:
        out, final = layer(pack_padded_sequence(x, lengths, enforce_sorted=False), hx)
        out, _ = pad_packed_sequence(out, total_length=T)
    final = list(final) if kind == "LSTM" else [final]
    seeds = [torch.randn_like(out)] + [torch.randn_like(f) for f in final]
    torch.autograd.backward([out] + final, seeds)
    found = {"x": x, "output": out, "seed.output": seeds[0], "grad.x": x.grad}
    for name, f, s in zip(names, final, seeds[1:]):
        found[f"final.{name}"], found[f"seed.{name}"] = f, s
    for name, s in zip(names, initial or []):
        found[f"initial.{name}"], found[f"grad.initial.{name}"] = s, s.grad
    for name, p in layer.named_parameters():
        found[name], found[f"grad.{name}"] = p, p.grad
    if lengths is not None:
        found["lengths"] = torch.tensor(lengths)
    return {f"{case}.{key}": value for key, value in found.items()}


def all_recurrent():
    for kind, name, extra in (("RNN", "rnn", {}), ("RNN", "rnn_relu", {"nonlinearity": "relu"}), ("LSTM", "lstm", {}), ("GRU", "gru", {})):
        cases = {}
        for case, options, more in (
            ("plain", {}, {}),
            ("stacked", {"num_layers": 2}, {}),
            ("bidirectional", {"bidirectional": True}, {}),
            ("deep", {"num_layers": 2, "bidirectional": True}, {"state": True}),
            ("lengths", {"num_layers": 2, "bidirectional": True}, {"lengths": [3, 5, 2]}),
            ("state", {}, {"state": True}),
        ):
            cases.update(recurrent(kind, case, {**options, **extra}, **more))
        write(f"{name}.safetensors", cases)


def functions():
    f, found = torch.nn.functional, {}

    def case(name, function, *inputs, fixed=()):
        inputs = [torch.as_tensor(i, dtype=torch.float64).clone().requires_grad_() for i in inputs]
        y = function(*inputs)
        seed = torch.randn_like(y)
        y.backward(seed)
        found[f"{name}.y"], found[f"{name}.seed"] = y, seed
        for k, i in enumerate(inputs):
            found[f"{name}.x{k}"], found[f"{name}.grad{k}"] = i, i.grad
        for key, value in fixed:
            found[f"{name}.{key}"] = value

    x = torch.randn(4, 6, dtype=torch.float64) * 2
    target = torch.tensor([2, -100, 0, 5])
    case("cross_entropy", lambda a: f.cross_entropy(a, target), x, fixed=[("target", target)])
    case("smoothed", lambda a: f.cross_entropy(a, target, label_smoothing=0.1), x, fixed=[("target", target)])
    case("binary_cross_entropy", lambda a: f.binary_cross_entropy_with_logits(a, torch.sigmoid(x.flip(0))), x, fixed=[("y_true", torch.sigmoid(x.flip(0)))])
    case("huber", lambda a, b: f.huber_loss(a, b, delta=0.7), x, x.flip(1))
    case("mean_squared_error", f.mse_loss, x, x.flip(1))
    case("layer_norm", lambda a, g, b: f.layer_norm(a, (6,), g, b), x, torch.randn(6), torch.randn(6))
    case("softmax", lambda a: f.softmax(a, -1), x)
    case("softmax0", lambda a: f.softmax(a, 0), x)
    case("log_softmax", lambda a: f.log_softmax(a, -1), x)
    case("logsumexp", lambda a: torch.logsumexp(a, 1), x)
    for name in ("gelu", "silu", "elu", "softplus", "sigmoid", "tanh", "relu", "leaky_relu"):
        case(name, getattr(f, name) if hasattr(f, name) else getattr(torch, name), x)
    write("functions.safetensors", found)


def attention():
    E, heads, queries, keys = 6, 3, 4, 5
    seen = torch.ones(B, keys, dtype=torch.bool)
    for b, n in enumerate((5, 2, 4)):
        seen[b, n:] = False
    pairs = torch.rand(queries, keys) < 0.7
    pairs[:, 0] = True
    causal = torch.ones(keys, keys).tril().bool()
    found = {}
    for case, own, key_mask, mask, bias, M in (
        ("plain", False, None, None, True, E),
        ("padded", False, seen, None, True, E),
        ("masked", False, seen, pairs, False, E),
        ("self", True, None, None, True, E),
        ("causal", True, seen, causal, True, E),
        ("widths", False, seen, None, True, 4),
    ):
        layer = nn.MultiheadAttention(E, heads, bias=bias, kdim=M, vdim=M).double()
        for p in layer.parameters():
            nn.init.uniform_(p, -0.8, 0.8)
        q = torch.randn(keys if own else queries, B, E, dtype=torch.float64, requires_grad=True)
        k, v = (q, q) if own else (torch.randn(keys, B, M, dtype=torch.float64, requires_grad=True) for _ in range(2))
        out, weights = layer(
            q, k, v, average_attn_weights=False,
            key_padding_mask=None if key_mask is None else ~key_mask, attn_mask=None if mask is None else ~mask,
        )
        seeds = [torch.randn_like(out), torch.randn_like(weights)]
        torch.autograd.backward([out, weights], seeds)
        more = {"q": q, "grad.q": q.grad, "output": out, "weights": weights, "seed.output": seeds[0], "seed.weights": seeds[1]}
        if not own:
            more.update({"k": k, "v": v, "grad.k": k.grad, "grad.v": v.grad})
        for name, p in layer.named_parameters():
            more[name], more[f"grad.{name}"] = p, p.grad
        if key_mask is not None:
            more["keys"] = key_mask.long()
        if mask is not None:
            more["pairs"] = mask.long()
        found.update({f"{case}.{key}": value for key, value in more.items()})
    q, k, v = (torch.randn(B, n, 2, dtype=torch.float64, requires_grad=True) for n in (queries, keys, keys))
    out, weights = nn.functional._scaled_dot_product_attention(q, k, v, attn_mask=pairs)
    seed = torch.randn_like(out)
    out.backward(seed)
    case = {"q": q, "k": k, "v": v, "grad.q": q.grad, "grad.k": k.grad, "grad.v": v.grad, "pairs": pairs.long(), "output": out, "weights": weights, "seed.output": seed}
    found.update({f"scaled_dot.{key}": value for key, value in case.items()})
    write("attention.safetensors", found)


def ctc():
    """Losses and their gradients with respect to logits, some of which are padding."""
    generator = torch.Generator().manual_seed(5)
    T, B, V, L = 12, 4, 5, 4
    for_each = {"lengths": torch.tensor([12, 9, 10, 3]), "target_lengths": torch.tensor([4, 3, 0, 3])}
    targets = torch.tensor([[1, 2, 2, 3], [4, 1, 4, 1], [1, 1, 1, 1], [2, 3, 4, 4]])
    found = {**for_each, "targets": targets}
    for blank in (0, 4):
        shifted = torch.where(targets <= blank, targets - 1, targets) if blank else targets
        logits = torch.randn(T, B, V, dtype=torch.float64, generator=generator)
        for reduction in ("none", "sum", "mean"):
            x = logits.clone().requires_grad_()
            loss = nn.functional.ctc_loss(
                x.log_softmax(-1), shifted, for_each["lengths"], for_each["target_lengths"], blank=blank, reduction=reduction)
            seed = torch.randn(loss.shape, dtype=torch.float64, generator=generator)
            loss.backward(seed)
            found.update({f"{blank}.{reduction}.{key}": value for key, value in
                          {"loss": loss, "seed": seed, "grad": x.grad}.items()})
        found.update({f"{blank}.logits": logits, f"{blank}.targets": shifted})
    write("ctc.safetensors", found)


def filterbank():
    """Log-mel energies, their slopes and the normalised features, by the formulas, in NumPy."""
    rate, length, step, size, filters, lowest = 8000, 200, 80, 256, 24, 60
    t = numpy.arange(2000) / rate
    x = 0.3 * numpy.sin(2 * numpy.pi * (300 + 900 * t) * t) + 0.02 * numpy.random.RandomState(1).randn(2000)
    x[:300] = 0
    x = x.astype(numpy.float32).astype(numpy.float64)
    emphasised = x - 0.97 * numpy.concatenate([[0], x[:-1]])
    starts = range(0, len(x) - length + 1, step)
    frames = numpy.stack([emphasised[i:i + length] * numpy.hanning(length) for i in starts])
    power = numpy.abs(numpy.fft.rfft(frames, size)) ** 2
    mel = lambda f: 2595 * numpy.log10(1 + f / 700)
    edges = 700 * (10 ** (numpy.linspace(mel(lowest), mel(rate / 2), filters + 2) / 2595) - 1)
    bins = numpy.arange(size // 2 + 1) * rate / size
    weights = numpy.stack([numpy.interp(bins, edges[m:m + 3], [0, 1, 0], 0, 0) for m in range(filters)])
    energies = numpy.log(numpy.maximum(power @ weights.T, 1e-10))

    def slopes(y):
        padded = numpy.pad(y, ((2, 2), (0, 0)), "edge")
        return (padded[3:-1] - padded[1:-3] + 2 * (padded[4:] - padded[:-4])) / 10

    parts = energies, slopes(energies), slopes(slopes(energies))
    whole = numpy.concatenate([(y - y.mean()) / numpy.sqrt(y.var() + 1e-5) for y in parts], 1)
    write("filterbank.safetensors", {key: torch.from_numpy(value) for key, value in
                                     {"samples": x, "energies": energies, "features": whole}.items()})


def second_order(found, name, function, *shapes):
    """Adds values, first and second derivatives of a function of random inputs."""
    inputs = [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    y = function(*inputs)
    seed = torch.randn_like(y)
    # Second order: the gradient of a random sum of the gradients.
    first = torch.autograd.grad(y, inputs, seed, create_graph=True)
    across = [torch.randn_like(g) for g in first]
    bent = sum((a * g * g).sum() for a, g in zip(across, first))
    second = torch.autograd.grad(bent, inputs, allow_unused=True) if bent.requires_grad else [None] * len(inputs)
    found[f"{name}.y"], found[f"{name}.seed"] = y, seed
    for k, (i, g, a, s) in enumerate(zip(inputs, first, across, second)):
        found[f"{name}.x{k}"], found[f"{name}.grad{k}"], found[f"{name}.across{k}"] = i, g, a
        found[f"{name}.second{k}"] = torch.zeros_like(i) if s is None else s


def convolutions():
    f, found = torch.nn.functional, {}
    case = functools.partial(second_order, found)

    case("plain", f.conv2d, (2, 3, 6, 5), (4, 3, 3, 2), (4,))
    case("strided", lambda x, w, b: f.conv2d(x, w, b, stride=(2, 3), padding=(1, 2), dilation=(2, 1)), (2, 3, 9, 8), (4, 3, 3, 2), (4,))
    case("groups", lambda x, w, b: f.conv2d(x, w, b, padding=1, groups=2), (3, 4, 5, 5), (6, 2, 3, 3), (6,))
    case("depthwise", lambda x, w, b: f.conv2d(x, w, b, stride=2, padding=1, groups=4), (2, 4, 6, 6), (4, 1, 3, 3), (4,))
    case("sequence", lambda x, w, b: f.conv1d(x, w, b, stride=2, padding=3, dilation=2), (2, 3, 11), (5, 3, 4), (5,))
    case("max", lambda x: f.max_pool2d(x, 2), (2, 3, 7, 6))
    case("max_overlapping", lambda x: f.max_pool2d(x, (3, 2), stride=(2, 1), padding=1), (2, 3, 6, 5))
    case("max_sequence", lambda x: f.max_pool1d(x, 3, stride=2, padding=1), (2, 3, 9))
    case("average", lambda x: f.avg_pool2d(x, 2), (2, 3, 7, 6))
    case("average_overlapping", lambda x: f.avg_pool2d(x, (3, 2), stride=(2, 1), padding=1), (2, 3, 6, 5))
    case("average_sequence", lambda x: f.avg_pool1d(x, 3, stride=2, padding=1), (2, 3, 9))
    case("batch_norm", lambda x, g, b: f.batch_norm(x, None, None, g, b, training=True), (4, 3, 2, 5), (3,), (3,))
    case("batch_norm_flat", lambda x, g, b: f.batch_norm(x, None, None, g, b, training=True), (6, 3), (3,), (3,))
    layer = nn.BatchNorm2d(3).double()
    nn.init.uniform_(layer.weight), nn.init.uniform_(layer.bias)
    x = torch.randn(3, 4, 3, 2, 5, dtype=torch.float64)
    found["running.x"], found["running.y"] = x, torch.stack([layer(batch) for batch in x])
    found["running.eval"] = layer.eval()(x[0])
    found.update({f"running.{name}": value for name, value in layer.state_dict().items()})
    write("convolution.safetensors", found)


def transformers():
    E, heads, hidden, S = 6, 2, 10, 4
    read, written = torch.ones(B, S, dtype=torch.bool), torch.ones(T, T).tril().bool()
    for b, n in enumerate((4, 2, 3)):
        read[b, n:] = False
    found = {}

    def case(name, layer, run, inputs):
        layer = layer.double()
        for p in layer.parameters():
            nn.init.uniform_(p, -0.6, 0.6)
        inputs = {key: torch.randn(*shape, dtype=torch.float64, requires_grad=True) for key, shape in inputs.items()}
        out = run(layer, *inputs.values())
        seed = torch.randn_like(out)
        if out.shape[0] == S:
            seed = seed * read.T[:, :, None]
        out.backward(seed)
        more = {"output": out, "seed.output": seed, "keys": read.long()}
        for key, value in [*inputs.items(), *layer.named_parameters()]:
            more[key], more[f"grad.{key}"] = value, value.grad
        found.update({f"{name}.{key}": value for key, value in more.items()})

    for kind, options in (("post", {"norm_first": False, "activation": "relu"}), ("pre", {"norm_first": True, "activation": "gelu"})):
        options = {"d_model": E, "nhead": heads, "dim_feedforward": hidden, "dropout": 0.0, **options}
        case(f"encoder_{kind}", nn.TransformerEncoderLayer(**options),
             lambda layer, x: layer(x, src_key_padding_mask=~read), {"x": (S, B, E)})
        case(f"causal_{kind}", nn.TransformerEncoderLayer(**options),
             lambda layer, x: layer(x, src_mask=~written), {"x": (T, B, E)})
        case(f"decoder_{kind}", nn.TransformerDecoderLayer(**options),
             lambda layer, x, memory: layer(x, memory, tgt_mask=~written, memory_key_padding_mask=~read),
             {"x": (T, B, E), "memory": (S, B, E)})
        case(f"both_{kind}", nn.Transformer(num_encoder_layers=2, num_decoder_layers=2, **options),
             lambda layer, memory, x: layer(memory, x, tgt_mask=~written, src_key_padding_mask=~read, memory_key_padding_mask=~read),
             {"memory": (S, B, E), "x": (T, B, E)})
    write("transformer.safetensors", found)


if __name__ == "__main__":
    torch.manual_seed(0)
    all_recurrent()
    functions()
    attention()
    ctc()
    filterbank()
    convolutions()
    transformers()
