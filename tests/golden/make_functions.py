"""Writes functions.txt: values and first and second derivatives of the functions of
ops/fuse/function_list.hpp to 40 digits, by mpmath (Debian: python3-mpmath).

A line is: name, x as a hexadecimal float, f, f', f'', and the scale of the errors of each of the
three: the magnitude of the exact value or, near a zero that is not at x = 0, of the values around
it, since no rounded x is exactly at the zero.
"""
import random
import struct

from mpmath import mp, mpf

mp.dps = 60

# Beyond +-1e5 the values are constant in double.
CUT = lambda x: max(min(x, mpf(10) ** 5), -mpf(10) ** 5)
EXP = lambda x: mp.exp(CUT(x))
ERFC = lambda x: mp.erfc(max(min(x, mpf(1000)), mpf(-1000)))
PDF = lambda x: EXP(-x * x / 2) / mp.sqrt(2 * mp.pi)
CDF = lambda x: ERFC(-x / mp.sqrt(2)) / 2
SIGMOID = lambda x: 1 / (1 + EXP(-x))
SLOPE = lambda x: SIGMOID(x) * SIGMOID(-x)
T = lambda x: mp.tanh(CUT(x) / 2)
SECH = lambda x: mp.sech(CUT(x))
BELL = lambda x: 2 / mp.sqrt(mp.pi) * EXP(-x * x)
ONE = mpf(1)
WITHIN = (-1, 1)
POSITIVE = (0, mp.inf)
SINH = lambda x: mp.sinh(CUT(x))
COSH = lambda x: mp.cosh(CUT(x))
SOFTPLUS = lambda x: mp.log1p(EXP(x)) if x < 1e4 else x
SELU, ALPHA = mpf(1.0507009873554805), mpf(1.6732632423543772)
STEP = (lambda x: mpf(0), lambda x: mpf(0))


def mish(order):
    """tanh(softplus) and its derivatives, by their formulas."""
    def at(x):
        t, s = mp.tanh(SOFTPLUS(x)), SIGMOID(x)
        slope = mp.sech(min(SOFTPLUS(x), mpf(10) ** 5)) ** 2
        if order == 0:
            return x * t
        if order == 1:
            return t + x * slope * s
        return slope * s * (2 + x * (SIGMOID(-x) - 2 * t * s))

    return at



# name: f, f', f'', zeros of f, f', f'' away from 0, and the domain
FUNCTIONS = {
    "exp": (EXP, EXP, EXP),
    "expm1": (lambda x: mp.expm1(CUT(x)), EXP, EXP),
    "log": (mp.log, lambda x: 1 / x, lambda x: -1 / x**2, [1], [], [], (0, mp.inf)),
    "log1p": (mp.log1p, lambda x: 1 / (1 + x), lambda x: -1 / (1 + x) ** 2, [], [], [], (-1, mp.inf)),
    "sqrt": (mp.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), lambda x: -1 / (4 * x * mp.sqrt(x)), [], [], [], (0, mp.inf)),
    "square": (lambda x: x * x, lambda x: 2 * x, lambda x: mpf(2)),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2, lambda x: 2 / x**3, [], [], [], (0, mp.inf)),
    "sin": (mp.sin, mp.cos, lambda x: -mp.sin(x)),
    "cos": (mp.cos, lambda x: -mp.sin(x), lambda x: -mp.cos(x)),
    "erf": (lambda x: mp.erf(max(min(x, mpf(1000)), mpf(-1000))), BELL, lambda x: -2 * x * BELL(x)),
    "erfc": (ERFC, lambda x: -BELL(x), lambda x: 2 * x * BELL(x)),
    "tanh": (lambda x: T(2 * x), lambda x: SECH(x) ** 2, lambda x: -2 * T(2 * x) * SECH(x) ** 2),
    "sigmoid": (SIGMOID, SLOPE, lambda x: -SLOPE(x) * T(x)),
    "log_sigmoid": (lambda x: -mp.log1p(EXP(-x)) if x > -1e4 else x, lambda x: SIGMOID(-x), lambda x: -SLOPE(x)),
    "elu": (lambda x: x if x > 0 else mp.expm1(CUT(x)), lambda x: ONE if x > 0 else EXP(x),
            lambda x: mpf(0) if x > 0 else EXP(x)),
    "silu": (lambda x: x * SIGMOID(x), lambda x: SIGMOID(x) + x * SLOPE(x),
             lambda x: SLOPE(x) * (2 - x * T(x)), [], ["-1.2784645427610738"],
             ["2.3993572805154676", "-2.3993572805154676"]),
    "softplus": (lambda x: mp.log1p(EXP(x)) if x < 1e4 else x, SIGMOID, SLOPE),
    "normal_pdf": (PDF, lambda x: -x * PDF(x), lambda x: (x * x - 1) * PDF(x), [], [], [1, -1]),
    "normal_cdf": (CDF, PDF, lambda x: -x * PDF(x)),
    "gelu": (lambda x: x * CDF(x), lambda x: CDF(x) + x * PDF(x), lambda x: (2 - x * x) * PDF(x), [],
             ["-0.7517915864269281"], ["1.4142135623730951", "-1.4142135623730951"]),
    "tan": (mp.tan, lambda x: mp.sec(x) ** 2, lambda x: 2 * mp.tan(x) * mp.sec(x) ** 2),
    "asin": (mp.asin, lambda x: 1 / mp.sqrt(1 - x * x), lambda x: x / mp.sqrt(1 - x * x) ** 3, [], [], [], WITHIN),
    "acos": (mp.acos, lambda x: -1 / mp.sqrt(1 - x * x), lambda x: -x / mp.sqrt(1 - x * x) ** 3, [], [], [], WITHIN),
    "atan": (mp.atan, lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x) ** 2),
    "sinh": (SINH, COSH, SINH),
    "cosh": (COSH, SINH, COSH),
    "asinh": (mp.asinh, lambda x: 1 / mp.sqrt(1 + x * x), lambda x: -x / mp.sqrt(1 + x * x) ** 3),
    "acosh": (mp.acosh, lambda x: 1 / mp.sqrt(x * x - 1), lambda x: -x / mp.sqrt(x * x - 1) ** 3, [], [], [],
              (1, mp.inf)),
    "atanh": (mp.atanh, lambda x: 1 / (1 - x * x), lambda x: 2 * x / (1 - x * x) ** 2, [], [], [], WITHIN),
    "exp2": (lambda x: 2 ** CUT(x), lambda x: 2 ** CUT(x) * mp.ln2, lambda x: 2 ** CUT(x) * mp.ln2**2),
    "log2": (lambda x: mp.log(x, 2), lambda x: 1 / (x * mp.ln2), lambda x: -1 / (x**2 * mp.ln2), [1], [], [], POSITIVE),
    "log10": (mp.log10, lambda x: 1 / (x * mp.ln10), lambda x: -1 / (x**2 * mp.ln10), [1], [], [], POSITIVE),
    "rsqrt": (lambda x: 1 / mp.sqrt(x), lambda x: -1 / (2 * x * mp.sqrt(x)), lambda x: 3 / (4 * x**2 * mp.sqrt(x)),
              [], [], [], POSITIVE),
    "floor": (mp.floor, *STEP),
    "ceil": (mp.ceil, *STEP),
    "trunc": (lambda x: mp.sign(x) * mp.floor(abs(x)), *STEP),
    "round": (lambda x: mp.sign(x) * mp.floor(abs(x) + mpf("0.5")), *STEP),
    "selu": (lambda x: SELU * (x if x > 0 else ALPHA * mp.expm1(CUT(x))),
             lambda x: SELU * (ONE if x > 0 else ALPHA * EXP(x)), lambda x: mpf(0) if x > 0 else SELU * ALPHA * EXP(x)),
    "hardtanh": (lambda x: max(min(x, ONE), -ONE), lambda x: ONE if abs(x) <= 1 else mpf(0), lambda x: mpf(0)),
    "mish": (mish(0), mish(1), mish(2), [], ["-1.1924312145154955"],
             ["-2.2563763963607931", "1.4905711794854284"]),
    "lgamma": (mp.loggamma, lambda x: mp.digamma(x), lambda x: mp.polygamma(1, x), [1, 2], ["1.4616321449683623"], [],
               POSITIVE),
    "digamma": (mp.digamma, lambda x: mp.polygamma(1, x), lambda x: mp.polygamma(2, x), ["1.4616321449683623"], [], [],
                POSITIVE),
    "polygamma": (lambda x: mp.polygamma(2, x), lambda x: mp.polygamma(3, x), lambda x: mp.polygamma(4, x), [], [], [],
                  POSITIVE),
}


def as_float(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def points(rng):
    """Floats first, over the range of float, then doubles beyond it."""
    magnitudes = [10.0**e for e in range(-36, 37, 6)]
    for low, high, count in ((0, 1, 8), (1, 3, 10), (3, 9, 10), (9, 20, 8), (20, 110, 16)):
        magnitudes += [rng.uniform(low, high) for _ in range(count)]
    magnitudes += [17, 88, 88.5, 87.25, 44, 13.1875, 9.1875]
    xs = [as_float(m) for m in magnitudes]
    xs += [10.0**e for e in (-290, -150, -60, 60, 150, 290)]
    xs += [rng.uniform(20, 40) for _ in range(6)] + [rng.uniform(100, 750) for _ in range(14)]
    return sorted({s * x for x in xs for s in (1, -1)})


def scale(f, x, value, zeros):
    near = [z for z in map(mpf, zeros) if abs(x - z) < 0.25]
    return max([abs(value)] + [abs(f(z + d)) for z in near for d in (-0.25, 0.25)])


def digits(x):
    if abs(x) < mpf(10) ** -400:
        return "0"
    if abs(x) > mpf(10) ** 400:
        return "inf" if x > 0 else "-inf"
    return mp.nstr(x, 40, strip_zeros=True, min_fixed=0, max_fixed=0)


def write(path):
    rng = random.Random(1)
    with open(path, "w") as out:
        for name, (f, first, second, *rest) in FUNCTIONS.items():
            zeros, (low, high) = rest[:3] or [[], [], []], rest[3] if len(rest) > 3 else (-mp.inf, mp.inf)
            for point in points(rng):
                x = mpf(point)
                if not low < x < high:
                    continue
                mp.dps = 60 + (600 if name in ("sin", "cos", "tan") else 0) + int(min(abs(x), 800))
                row = [(g(x), scale(g, x, g(x), z)) for g, z in zip((f, first, second), zeros)]
                print(name, point.hex(), *(digits(v) for v, _ in row),
                      *("=" if s == abs(v) else mp.nstr(s, 4) for v, s in row), file=out)


if __name__ == "__main__":
    write("functions.txt")
