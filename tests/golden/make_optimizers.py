"""Writes optimizers.safetensors: weights after steps of every optimiser, learning rates of every schedule and
iterates of L-BFGS, in double precision, by the published formulas as PyTorch applies them.

Needs only NumPy:  python3 make_optimizers.py
With `--torch`, also compares them with PyTorch (2.9 or later) and prints the differences.
"""
import json
import math
import pathlib
import struct
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent
STEPS = 20


def write(path, tensors):
    header, data = {}, b""
    for key in sorted(tensors):
        value = np.ascontiguousarray(tensors[key], dtype="<f8")
        header[key] = {"dtype": "F64", "shape": list(value.shape), "data_offsets": [len(data), len(data) + value.nbytes]}
        data += value.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


# ---- optimisers: f(w, g, t, s) returns the new weights; s is a dictionary of state, initially empty ----


def decayed(w, g, lr, decay, decoupled):
    """The weights and the gradient with weight decay."""
    return (w * (1 - lr * decay), g) if decoupled else (w, g + decay * w)


def moments(g, s, b1, b2):
    s["m"] = b1 * s.get("m", 0 * g) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0 * g) + (1 - b2) * g * g
    return s["m"], s["v"]


def sgd(w, g, t, s, lr=1e-2, momentum=0, nesterov=False, decay=0):
    w, g = decayed(w, g, lr, decay, False)
    s["v"] = momentum * s.get("v", 0 * g) + g
    return w - lr * (g + momentum * s["v"] if nesterov else s["v"])


def adagrad(w, g, t, s, lr=1e-2, eps=1e-10):
    s["s"] = s.get("s", 0 * g) + g * g
    return w - lr * g / (np.sqrt(s["s"]) + eps)


def adadelta(w, g, t, s, lr=1.0, rho=0.9, eps=1e-6, decay=0):
    w, g = decayed(w, g, lr, decay, False)
    s["s"] = rho * s.get("s", 0 * g) + (1 - rho) * g * g
    u = np.sqrt(s.get("d", 0 * g) + eps) / np.sqrt(s["s"] + eps) * g
    s["d"] = rho * s.get("d", 0 * g) + (1 - rho) * u * u
    return w - lr * u


def rmsprop(w, g, t, s, lr=1e-2, alpha=0.99, eps=1e-8, momentum=0, centered=False):
    s["s"] = alpha * s.get("s", 0 * g) + (1 - alpha) * g * g
    s["m"] = alpha * s.get("m", 0 * g) + (1 - alpha) * g
    root = np.sqrt(s["s"] - s["m"] ** 2 if centered else s["s"]) + eps
    s["v"] = momentum * s.get("v", 0 * g) + g / root
    return w - lr * s["v"]


def adam(w, g, t, s, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8, decay=0, decoupled=False, amsgrad=False):
    w, g = decayed(w, g, lr, decay, decoupled)
    m, v = moments(g, s, b1, b2)
    if amsgrad:
        v = s["most"] = np.maximum(s.get("most", 0 * g), v)
    return w - lr * m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps)


def nadam(w, g, t, s, lr=2e-3, b1=0.9, b2=0.999, eps=1e-8, momentum_decay=4e-3, decay=0, decoupled=False):
    w, g = decayed(w, g, lr, decay, decoupled)
    m, v = moments(g, s, b1, b2)
    mu, following = (b1 * (1 - 0.5 * 0.96 ** (i * momentum_decay)) for i in (t, t + 1))
    s["product"] = s.get("product", 1.0) * mu
    root = np.sqrt(v / (1 - b2**t)) + eps
    return w - lr * ((1 - mu) / (1 - s["product"]) * g + following / (1 - s["product"] * following) * m) / root


def radam(w, g, t, s, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8, decay=0, decoupled=False):
    w, g = decayed(w, g, lr, decay, decoupled)
    m, v = moments(g, s, b1, b2)
    most = 2 / (1 - b2) - 1
    r = most - 2 * t * b2**t / (1 - b2**t)
    step = lr * m / (1 - b1**t)
    if r > 5:
        step = step * math.sqrt((r - 4) * (r - 2) * most / ((most - 4) * (most - 2) * r)) * math.sqrt(1 - b2**t)
        step = step / (np.sqrt(v) + eps)
    return w - step


def adamax(w, g, t, s, lr=2e-3, b1=0.9, b2=0.999, eps=1e-8, decay=0):
    w, g = decayed(w, g, lr, decay, False)
    s["m"] = b1 * s.get("m", 0 * g) + (1 - b1) * g
    s["u"] = np.maximum(b2 * s.get("u", 0 * g), np.abs(g) + eps)
    return w - lr * s["m"] / ((1 - b1**t) * s["u"])


def lion(w, g, t, s, lr=1e-4, b1=0.9, b2=0.99, decay=0):
    w, g = decayed(w, g, lr, decay, True)
    m = s.get("m", 0 * g)
    s["m"] = b2 * m + (1 - b2) * g
    return w - lr * np.sign(b1 * m + (1 - b1) * g)


def adafactor(w, g, t, s, lr=1e-2, beta2_decay=-0.8, eps1=np.finfo("f8").eps, eps2=1e-3, clip=1.0, decay=0):
    def rms(x):
        return math.sqrt(np.mean(x * x))

    k = float(t) ** beta2_decay
    step = min(lr, 1 / math.sqrt(t)) * max(eps2, rms(w))
    w, g = decayed(w, g, lr, decay, True)

    def average(name, value):
        s[name] = s.get(name, 0 * value) + k * (value - s.get(name, 0 * value))
        return s[name]

    if g.ndim > 1:
        rows, columns = average("r", (g * g).mean(-1, keepdims=True)), average("c", (g * g).mean(-2, keepdims=True))
        v = rows * columns / np.maximum(rows.mean(-2, keepdims=True), eps1)
    else:
        v = average("v", g * g)
    u = g / np.sqrt(np.maximum(v, eps1 * eps1))
    return w - step * u / max(1.0, rms(u) / clip)


# name: (formula, its options, PyTorch's class, its options)
OPTIMIZERS = {
    "sgd": (sgd, dict(lr=0.1, momentum=0.9, decay=0.01), "SGD", dict(lr=0.1, momentum=0.9, weight_decay=0.01)),
    "nesterov": (sgd, dict(lr=0.1, momentum=0.9, nesterov=True), "SGD", dict(lr=0.1, momentum=0.9, nesterov=True)),
    "adagrad": (adagrad, dict(lr=0.1), "Adagrad", dict(lr=0.1)),
    "adadelta": (adadelta, dict(decay=0.01), "Adadelta", dict(weight_decay=0.01)),
    "rmsprop": (rmsprop, dict(lr=0.1, momentum=0.5), "RMSprop", dict(lr=0.1, momentum=0.5)),
    "rmsprop_centered": (rmsprop, dict(lr=0.1, momentum=0.5, centered=True), "RMSprop",
                         dict(lr=0.1, momentum=0.5, centered=True)),
    "adam": (adam, dict(lr=0.1, decay=0.01), "Adam", dict(lr=0.1, weight_decay=0.01)),
    "adam_amsgrad": (adam, dict(lr=0.1, b2=0.6, amsgrad=True), "Adam", dict(lr=0.1, betas=(0.9, 0.6), amsgrad=True)),
    "adamw": (adam, dict(lr=0.1, decay=0.01, decoupled=True), "AdamW", dict(lr=0.1)),
    "adamw_amsgrad": (adam, dict(lr=0.1, b2=0.6, decay=0.01, decoupled=True, amsgrad=True), "AdamW",
                      dict(lr=0.1, betas=(0.9, 0.6), amsgrad=True)),
    "nadam": (nadam, dict(lr=0.1, decay=0.01), "NAdam", dict(lr=0.1, weight_decay=0.01)),
    "nadam_decoupled": (nadam, dict(lr=0.1, momentum_decay=0.5, decay=0.01, decoupled=True), "NAdam",
                        dict(lr=0.1, momentum_decay=0.5, weight_decay=0.01, decoupled_weight_decay=True)),
    "radam": (radam, dict(lr=0.1, decay=0.01), "RAdam", dict(lr=0.1, weight_decay=0.01)),
    "radam_decoupled": (radam, dict(lr=0.1, b2=0.99, decay=0.01, decoupled=True), "RAdam",
                        dict(lr=0.1, betas=(0.9, 0.99), weight_decay=0.01, decoupled_weight_decay=True)),
    "adamax": (adamax, dict(lr=0.1, decay=0.01), "Adamax", dict(lr=0.1, weight_decay=0.01)),
    "lion": (lion, dict(lr=0.01, decay=0.1), None, None),
    "adafactor": (adafactor, dict(lr=0.1, decay=0.01), "Adafactor", dict(lr=0.1, weight_decay=0.01)),
}

# name: (learning rate of step t, of PyTorch: base learning rate, class, options)
SCHEDULES = {
    "one_cycle": (lambda t: one_cycle(t, 0.3, 25, 1e4, False), 1, "OneCycleLR", dict(max_lr=0.5, total_steps=40)),
    "one_cycle_linear": (lambda t: one_cycle(t, 0.2, 10, 100, True), 1, "OneCycleLR",
                         dict(max_lr=0.5, total_steps=40, pct_start=0.2, div_factor=10, final_div_factor=100,
                              anneal_strategy="linear")),
    "cosine_restarts": (lambda t: restarts(t, 7, 1), 0.5, "CosineAnnealingWarmRestarts", dict(T_0=7, eta_min=0.1)),
    "cosine_restarts_longer": (lambda t: restarts(t, 5, 2), 0.5, "CosineAnnealingWarmRestarts",
                               dict(T_0=5, T_mult=2, eta_min=0.1)),
    "cyclic": (lambda t: cyclic(t, 4, 7, lambda cycle: 1), 1, "CyclicLR",
               dict(base_lr=0.1, max_lr=0.5, step_size_up=4, step_size_down=7)),
    "cyclic_halved": (lambda t: cyclic(t, 4, 4, lambda cycle: 0.5**cycle), 1, "CyclicLR",
                      dict(base_lr=0.1, max_lr=0.5, step_size_up=4, mode="triangular2")),
    "cyclic_exponential": (lambda t: cyclic(t, 4, 4, lambda cycle: 0.9**t), 1, "CyclicLR",
                           dict(base_lr=0.1, max_lr=0.5, step_size_up=4, mode="exp_range", gamma=0.9)),
    "polynomial": (lambda t: 0.5 * (1 - min(t, 30) / 30) ** 2.5, 0.5, "PolynomialLR", dict(total_iters=30, power=2.5)),
    "multi_step": (lambda t: 0.5 * 0.1 ** sum(t >= m for m in (3, 10, 11, 25)), 0.5, "MultiStepLR",
                   dict(milestones=[3, 10, 11, 25], gamma=0.1)),
}


def cosine(first, last, done):
    return last + (first - last) / 2 * (math.cos(math.pi * done) + 1)


def one_cycle(t, warm_up, first_factor, last_factor, linear, most=0.5, total=40):
    first = most / first_factor
    peak, end = warm_up * total - 1, total - 1
    between = (lambda a, b, x: a + (b - a) * x) if linear else cosine
    return between(first, most, t / peak) if t <= peak else between(most, first / last_factor, (t - peak) / (end - peak))


def restarts(t, period, factor):
    while t >= period:
        t, period = t - period, period * factor
    return cosine(0.5, 0.1, t / period)


def cyclic(t, up, down, scale):
    cycle, at = divmod(t, up + down)
    return 0.1 + 0.4 * (at / up if at <= up else 1 - (at - up) / down) * scale(cycle)


# ---- L-BFGS: loss and gradient of functions, and the weights after each iteration ----


def rosenbrock(x):
    a, b = 1 - x[0], x[1] - x[0] ** 2
    return a * a + 100 * b * b, np.array([-2 * a - 400 * x[0] * b, 200 * b])


def quartic(x):
    i = np.arange(1, len(x) + 1)
    return np.sum(i * (x - 1) ** 2) + np.sum(x) ** 4 / 16, 2 * i * (x - 1) + np.sum(x) ** 3 / 4


LBFGS = {"rosenbrock": (rosenbrock, [-1.2, 1.0], 100, 30), "quartic": (quartic, [3.0, -2.0, 1.5, 0.25, -4.0, 2.0], 3, 12)}


def interpolated(x1, f1, g1, x2, f2, g2, bounds=None):
    low, high = bounds or (min(x1, x2), max(x1, x2))
    if x1 > x2:
        x1, f1, g1, x2, f2, g2 = x2, f2, g2, x1, f1, g1
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1 * d1 - g1 * g2
    if square < 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    return min(max(x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2)), low), high)


def wolfe(f, start, slope, t, width):
    """Points are (step, loss, slope, gradient)."""
    before, now, trials = (0.0, start[0], slope, start[1]), f(t), 0
    while trials < 25:
        if now[1] > start[0] + 1e-4 * now[0] * slope or (trials > 1 and now[1] >= before[1]):
            break
        if abs(now[2]) <= -0.9 * slope:
            return now
        if now[2] >= 0:
            break
        following = interpolated(*before[:3], *now[:3], (now[0] + 0.01 * (now[0] - before[0]), 10 * now[0]))
        before, now, trials = now, f(following), trials + 1
    low, high = (before, now) if before[1] <= now[1] else (now, before)
    slow = False
    while trials < 25 and abs(high[0] - low[0]) >= width:
        left, right = sorted((low[0], high[0]))
        t, margin = interpolated(*low[:3], *high[:3]), 0.1 * (right - left)
        if min(right - t, t - left) < margin:
            if slow or t >= right or t <= left:
                t, slow = (right - margin if abs(t - right) < abs(t - left) else left + margin), False
            else:
                slow = True
        else:
            slow = False
        trial, trials = f(t), trials + 1
        if trial[1] > start[0] + 1e-4 * t * slope or trial[1] >= low[1]:
            low, high = sorted((low, trial), key=lambda p: p[1])
            continue
        if abs(trial[2]) <= -0.9 * slope:
            return trial
        low, high = trial, (low if trial[2] * (high[0] - low[0]) >= 0 else high)
    return low


def lbfgs(function, x, memory, iterations):
    x, pairs, found = np.array(x), [], []
    loss, g = function(x)
    for _ in range(iterations):
        d, factors = -g, []
        for s, y in reversed(pairs):
            factors.append(s @ d / (y @ s))
            d = d - factors[-1] * y
        if pairs:
            s, y = pairs[-1]
            d = d * (y @ s / (y @ y))
        for (s, y), a in zip(pairs, reversed(factors)):
            d = d + (a - y @ d / (y @ s)) * s

        def along(t):
            value, gradient = function(x + t * d)
            return t, value, gradient @ d, gradient

        first = 1.0 if pairs else min(1.0, 1 / np.abs(g).sum())
        t, loss, _, following = wolfe(along, (loss, g), g @ d, first, 1e-9 / np.abs(d).max())
        pairs = (pairs + [(t * d, following - g)])[-memory:]
        x, g = x + t * d, following
        found.append(x)
    return np.stack(found)


def compare(found):
    import torch

    torch.set_default_dtype(torch.float64)  # of the product of momenta that NAdam stores

    def show(name, x, y):
        print(f"{name:28} {np.abs(np.asarray(x) - np.asarray(y)).max():.1e}")

    for name, (_, _, kind, options) in OPTIMIZERS.items():
        if kind is None:
            continue
        for part in ("matrix", "vector"):
            w = torch.tensor(found[f"start.{part}"], requires_grad=True)
            optimizer = getattr(torch.optim, kind)([w], **options)
            steps = []
            for g in found[f"gradients.{part}"]:
                w.grad = torch.tensor(g)
                optimizer.step()
                steps.append(w.detach().clone().numpy())
            show(f"{name}.{part}", np.stack(steps), found[f"{name}.{part}"])
    for name, (_, base, kind, options) in SCHEDULES.items():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base, momentum=0.9)
        schedule = getattr(torch.optim.lr_scheduler, kind)(optimizer, **options)
        rates = []
        for _ in range(40):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if len(rates) < 40:
                schedule.step()
        show(name, rates, found[name])
    for name, (function, start, memory, iterations) in LBFGS.items():
        x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        steps = []
        optimizer = torch.optim.LBFGS([x], max_iter=1, max_eval=100, history_size=memory, line_search_fn="strong_wolfe")

        def closure():
            value, gradient = function(x.detach().numpy())
            x.grad = torch.tensor(gradient)
            return torch.tensor(value)

        for _ in range(iterations):
            optimizer.step(closure)
            steps.append(x.detach().clone().numpy())
        show(f"lbfgs.{name}", np.stack(steps), found[f"lbfgs.{name}"])


def main():
    random, found = np.random.default_rng(1), {}
    for part, shape in (("matrix", (3, 4)), ("vector", (5,))):
        # Exact in float, so that float and double take the same steps.
        start = found[f"start.{part}"] = random.standard_normal(shape).astype("f4").astype("f8")
        gradients = found[f"gradients.{part}"] = random.standard_normal((STEPS, *shape)).astype("f4").astype("f8")
        for name, (formula, options, _, _) in OPTIMIZERS.items():
            w, state, steps = start, {}, []
            for t, g in enumerate(gradients, 1):
                w = formula(w, g, t, state, **options)
                steps.append(w)
            found[f"{name}.{part}"] = np.stack(steps)
    for name, (formula, *_) in SCHEDULES.items():
        found[name] = np.array([formula(t) for t in range(40)])
    for name, case in LBFGS.items():
        found[f"lbfgs.{name}"] = lbfgs(*case)
    write(HERE / "optimizers.safetensors", found)
    if "--torch" in sys.argv[1:]:
        compare(found)


if __name__ == "__main__":
    main()
