"""Writes scans.safetensors: values and gradients of the cells of nn/scans, from their formulas in NumPy.

Gradients are complex steps: for an analytic f, Im f(x + i h) / h is f'(x) to full precision for a tiny h.
Complex states are pairs of real arrays, so that numbers are complex only for this purpose.
"""
import json
import pathlib
import struct

import numpy as np

HERE = pathlib.Path(__file__).parent
I, H, T, B = 3, 4, 5, 2
STEP = 1e-40

sigmoid = lambda x: 1 / (1 + np.exp(-x))
softplus = lambda x: np.log(1 + np.exp(x))
silu = lambda x: x * sigmoid(x)
positive = lambda x: np.where(x.real > 0, x, 0 * x)
larger = lambda a, b: np.where(a.real > b.real, a, b)
size = lambda x: np.where(x.real < 0, -x, x)
halves = lambda x, n: np.split(x, n, axis=-1)


def affine(p, name, x):
    y = x @ p[name + ".weight"].T
    return y + p[name + ".bias"] if name + ".bias" in p else y


# A cell: the shapes of its parameters and states, and one step(parameters, x [B, I], states) -> states, h first.
def linear(name, inputs, outputs, bias=True):
    return {f"{name}.weight": (outputs, inputs), **({f"{name}.bias": (outputs,)} if bias else {})}


def min_gru(p, x, s):
    z, n = halves(affine(p, "gates", x), 2)
    return [(1 - sigmoid(z)) * s[0] + sigmoid(z) * n]


def min_lstm(p, x, s):
    f, i, n = halves(affine(p, "gates", x), 3)
    f, i = sigmoid(f), sigmoid(i)
    return [f / (f + i) * s[0] + i / (f + i) * n]


def sru(highway_bias):
    alpha = np.sqrt(1 + 2 * np.exp(highway_bias))

    def step(p, x, s):
        (f, r), v = halves(affine(p, "gates", x), 2), p["peephole"]
        f, r = sigmoid(f + v[0] * s[1]), sigmoid(r + v[1] * s[1])
        c = f * s[1] + (1 - f) * affine(p, "candidate", x)
        skip = affine(p, "skip", x) if "skip.weight" in p else x
        return [r * c + (1 - r) * alpha * skip, c]

    return step


def qrnn(window):
    """The third state: for each of the window - 1 inputs before, oldest first, its products with later taps."""
    def step(p, x, s):
        taps = affine(p, "taps", x).reshape(B, window, 3 * H)
        past = s[2].reshape(B, window - 1, window - 1, 3 * H)
        a = taps[:, 0] + p["bias"] + sum(past[:, -lag, lag - 1] for lag in range(1, window))
        z, f, o = halves(a, 3)
        c = sigmoid(f) * s[1] + (1 - sigmoid(f)) * np.tanh(z)
        after = np.concatenate([past[:, 1:], taps[:, None, 1:]], axis=1)
        return [sigmoid(o) * c, c, after.reshape(B, -1)]

    return step


def ind_rnn(activation):
    return lambda p, x, s: [activation(affine(p, "input", x) + p["recurrent"] * s[0])]


def state_space(coefficients):
    def step(p, x, s):
        a, ai, b, bi = coefficients(p)
        u, ui = halves(affine(p, "input_matrix", x), 2)
        re = a * s[1] - ai * s[2] + b * u - bi * ui
        im = a * s[2] + ai * s[1] + b * ui + bi * u
        return [affine(p, "output_matrix", np.concatenate([re, im], -1)) + affine(p, "skip", x), re, im]

    return step


def lru(p):
    decay, angle = np.exp(p["nu"]), np.exp(p["theta"])
    modulus = np.exp(-decay)
    return modulus * np.cos(angle), modulus * np.sin(angle), np.sqrt(1 - modulus**2), 0


def s5(p):
    """(e^(step A) - 1) / A for A = x + i y, by real arithmetic."""
    x, y, step = -np.exp(p["log_real"]), p["imaginary"], np.exp(p["log_step"])
    a, ai = np.exp(step * x) * np.cos(step * y), np.exp(step * x) * np.sin(step * y)
    return a, ai, ((a - 1) * x + ai * y) / (x * x + y * y), (ai * x - (a - 1) * y) / (x * x + y * y)


def rg_lru(p, x, s):
    u = affine(p, "input", x)
    r, i = halves(sigmoid(affine(p, "gates", u)), 2)
    a = np.exp(-8 * softplus(p["decay"]) * r)
    return [a * s[0] + np.sqrt(1 - a * a) * i * u]


def mamba(states, window, width, rank):
    def step(p, x, s):
        u, gate = halves(affine(p, "input", x), 2)
        seen = np.concatenate([s[2].reshape(B, window - 1, width), u[:, None]], axis=1)
        v = silu((seen * p["taps"]).sum(1) + p["taps_bias"])
        selected = affine(p, "selection", v)
        delta = softplus(affine(p, "step_size", selected[:, :rank]))[:, :, None]
        b, c = halves(selected[:, None, rank:], 2)
        after = np.exp(-delta * np.exp(p["log_decay"])) * s[1].reshape(B, width, states) + delta * b * v[:, :, None]
        h = affine(p, "output", ((after * c).sum(-1) + p["direct"] * v) * silu(gate))
        return [h, after.reshape(B, -1), seen[:, 1:].reshape(B, -1)]

    return step


def slstm(p, x, s):
    gates = x @ p["weight_ih"].T + p["bias_ih"] + s[0] @ p["weight_hh"].T + p["bias_hh"]
    i, f, z, o = halves(gates, 4)
    decay = s[3] - softplus(-f)
    empty = (s[1].real == 0) & (s[2].real == 0)
    m = np.where(empty, i, larger(decay, i))
    keep, write = np.exp(decay - m), np.exp(i - m)
    c, n = keep * s[1] + write * np.tanh(z), keep * s[2] + write
    return [sigmoid(o) * c / n, c, n, m]


def mlstm(heads):
    d = H // heads

    def step(p, x, s):
        a = affine(p, "gates", x)
        q, k, v, o = (part.reshape(B, heads, d) for part in halves(a[:, : 4 * H], 4))
        i, f = halves(a[:, 4 * H :], 2)
        k = k / np.sqrt(d)
        decay = s[3] - softplus(-f)
        m = larger(decay, i)
        keep, write = np.exp(decay - m)[..., None], np.exp(i - m)[..., None]
        n = keep * s[2].reshape(B, heads, d) + write * k
        memory = keep[..., None] * s[1].reshape(B, heads, d, d) + write[..., None] * v[..., :, None] * k[..., None, :]
        read, total = (memory * q[..., None, :]).sum(-1), (n * q).sum(-1, keepdims=True)
        h = sigmoid(o) * read / larger(size(total), np.exp(-m)[..., None])
        return [h.reshape(B, H), memory.reshape(B, -1), n.reshape(B, -1), m]

    return step


def of_space(own, width):
    return {**own, **linear("input_matrix", I, 2 * width, False), **linear("output_matrix", 2 * width, H, False),
            **linear("skip", I, H, False)}


# name: parameters, widths of the states, step
CELLS = {
    "min_gru": (linear("gates", I, 2 * H), [H], min_gru),
    "min_lstm": (linear("gates", I, 3 * H), [H], min_lstm),
    "sru": ({**linear("gates", I, 2 * H), **linear("candidate", I, H, False), "peephole": (2, H), **linear("skip", I, H, False)},
            [H, H], sru(-1)),
    "qrnn": ({**linear("taps", I, 9 * H, False), "bias": (3 * H,)}, [H, H, 4 * 3 * H], qrnn(3)),
    "ind_rnn": ({**linear("input", I, H), "recurrent": (H,)}, [H], ind_rnn(positive)),
    "ind_rnn_tanh": ({**linear("input", I, H), "recurrent": (H,)}, [H], ind_rnn(np.tanh)),
    "lru": (of_space({"nu": (5,), "theta": (5,)}, 5), [H, 5, 5], state_space(lru)),
    "rg_lru": ({**linear("gates", H, 2 * H), "decay": (H,), **linear("input", I, H)}, [H], rg_lru),
    "s5": (of_space({"log_real": (5,), "imaginary": (5,), "log_step": (5,)}, 5), [H, 5, 5], state_space(s5)),
    "mamba": ({**linear("input", I, 2 * H, False), "taps": (3, H), "taps_bias": (H,), **linear("selection", H, 2 + 2 * 3, False),
               **linear("step_size", 2, H), "log_decay": (H, 3), "direct": (H,), **linear("output", H, H, False)},
              [H, H * 3, 2 * H], mamba(3, 3, H, 2)),
    "slstm": ({"weight_ih": (4 * H, I), "weight_hh": (4 * H, H), "bias_ih": (4 * H,), "bias_hh": (4 * H,)}, [H] * 4, slstm),
    "mlstm": (linear("gates", I, 4 * H + 2 * 2), [H, H * 2, H, 2], mlstm(2)),
}


def scan(step, p, x, states, lengths, backwards):
    """Outputs, 0 after the end of a sequence, and final states."""
    out = np.zeros((T, B, H), np.result_type(x, *p.values(), *states))
    for k in range(T):
        rows = [n - 1 - k if backwards and k < n else k for n in lengths]
        new = step(p, x[rows, range(B)], states)
        runs = np.array([k < n for n in lengths])[:, None]
        states = [np.where(runs, a, b) for a, b in zip(new, states)]
        for b in range(B):
            if k < lengths[b]:
                out[rows[b], b] = new[0][b]
    return out, states


def run(step, inputs, lengths, directions):
    outs, finals = [], []
    for d, suffix in enumerate(["_l0", "_l0_reverse"][:directions]):
        p = {key.removesuffix(suffix): value for key, value in inputs.items() if key.endswith(suffix)}
        states = [inputs[f"initial.{s}"][d] for s in range(sum(key.startswith("initial.") for key in inputs))]
        out, final = scan(step, p, inputs["x"], states, lengths, d == 1)
        outs.append(out)
        finals.append(final)
    return {"output": np.concatenate(outs, -1), **{f"final.{s}": np.stack(each) for s, each in enumerate(zip(*finals))}}


def case(name, random, lengths, directions):
    shapes, widths, step = CELLS[name]
    inputs = {"x": random.standard_normal((T, B, I))}
    for suffix in ["_l0", "_l0_reverse"][:directions]:
        inputs.update({key + suffix: 0.7 * random.standard_normal(shape) for key, shape in shapes.items()})
    starts_empty = directions == 2
    for s, width in enumerate(widths):
        inputs[f"initial.{s}"] = (0 if starts_empty else 1) * random.standard_normal((directions, B, width))
    if name == "slstm":
        inputs["initial.2"] = inputs["initial.2"] ** 2 + (0 if starts_empty else 1)
    found = run(step, inputs, lengths, directions)
    seeds = {key: random.standard_normal(value.shape) for key, value in found.items()}
    tensors = {**inputs, **found, **{f"seed.{key}": seed for key, seed in seeds.items()}, "lengths": np.array(lengths)}
    for key, value in inputs.items():
        gradient = np.zeros(value.shape)
        for at in np.ndindex(value.shape):
            moved = {**inputs, key: value.astype(complex)}
            moved[key][at] += 1j * STEP
            found = run(step, moved, lengths, directions)
            gradient[at] = sum((found[k] * seeds[k]).sum().imag for k in seeds) / STEP
        tensors[f"grad.{key}"] = gradient
    return tensors


def write(name, tensors):
    header, data = {}, b""
    for key in sorted(tensors):
        raw = np.ascontiguousarray(tensors[key]).tobytes()
        kind = {"float64": "F64", "int64": "I64"}[str(tensors[key].dtype)]
        header[key] = {"dtype": kind, "shape": list(tensors[key].shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (HERE / name).write_bytes(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    found = {}
    for name in CELLS:
        random = np.random.default_rng(7)
        for what, arguments in (("plain", ([T, T], 1)), ("both", ([T, 2], 2))):
            found.update({f"{name}.{what}.{key}": value for key, value in case(name, random, *arguments).items()})
    write("scans.safetensors", found)
