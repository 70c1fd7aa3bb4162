// The unary and binary functions, as X macros. The including file first defines what an entry
// expands to: SIMD lanes, dual numbers, symbols, the function table, operations or tests.
//
//   UNROLL_UNARY(name, meaning, notation, value, derivative, exact, domain, ulp)
//   UNROLL_UNARY_WITH(the same, with the default of a constant `p` after the notation)
//   UNROLL_SLOPE(name, notation, value, derivative)
//   UNROLL_BINARY(name, meaning, notation, value, by_a, by_b)
//   UNROLL_CHOICE(name, meaning, value)
//
//   meaning     for docs/operations.md, which a test compares with this list
//   notation    in formulas: (), for the name itself, or (text, LaTeX[, kind])
//   value       of x, or of a and b, of type X: SIMD lanes or a plain number. Either in terms of
//               other functions, in any order, or a kernel of functions.hpp
//   derivative  of x and the value y, of type X: lanes, numbers, duals or symbols. Its own
//               derivative follows from the list
//   exact       the value for a long double x, by the standard library
//   domain      where the value has the accuracy that `ulp` gives
//   ulp         most units in the last place from the exact value, (in float, in double)
//
// A slope is the derivative of another function whose formula would suffer from cancellation or
// underflow although the result does not: it has a kernel but is not an operation. A choice is
// written with where() and has the derivatives of the operand that it selects.

#ifndef UNROLL_UNARY
#define UNROLL_UNARY(...)
#endif
#ifndef UNROLL_UNARY_WITH
#define UNROLL_UNARY_WITH(...)
#endif
#ifndef UNROLL_SLOPE
#define UNROLL_SLOPE(...)
#endif
#ifndef UNROLL_BINARY
#define UNROLL_BINARY(...)
#endif
#ifndef UNROLL_CHOICE
#define UNROLL_CHOICE(...)
#endif

// clang-format off

UNROLL_UNARY(exp, "e^x", ("exp", "\\exp"), kernels::exp(x), y, std::exp(x), (-inf, inf), (2, 2))
UNROLL_UNARY(expm1, "e^x − 1", (), kernels::expm1(x), exp(x), std::expm1(x), (-inf, inf), (4, 4))
UNROLL_UNARY(log, "log x", ("log", "\\log"), kernels::log(x), X(1) / x, std::log(x), (0, inf), (2, 2))
UNROLL_UNARY(log1p, "log(1 + x)", (), kernels::log1p(x), X(1) / (X(1) + x), std::log1p(x), (-1, inf), (2, 2))
UNROLL_UNARY(sqrt, "√x", ("√", "\\sqrt"), kernels::sqrt(x), X(0.5) / y, std::sqrt(x), (0, inf), (0.5, 0.5))
UNROLL_UNARY(square, "x²", ("²", "^2", Formula::Kind::power), x * x, X(2) * x, x * x, (-inf, inf), (0.5, 0.5))
UNROLL_UNARY(reciprocal, "1 / x", ("1/", "1/"), X(1) / x, -y * y, 1 / x, (0, inf), (0.5, 0.5))
UNROLL_UNARY(sin, "sine", ("sin", "\\sin"), kernels::sin(x), cos(x), std::sin(x), (-inf, inf), (4, 4))
UNROLL_UNARY(cos, "cosine", ("cos", "\\cos"), kernels::cos(x), -sin(x), std::cos(x), (-inf, inf), (4, 4))
UNROLL_UNARY(erf, "error function", (), kernels::erf(x), slope_of_erf(x), std::erf(x), (-inf, inf), (4, 4))
UNROLL_UNARY(erfc, "1 − erf x", (), kernels::erfc(x), -slope_of_erf(x), std::erfc(x), (-inf, inf), (8, 8))
UNROLL_SLOPE(slope_of_erf, ("erf′", "\\operatorname{erf}'"),
             X(2 * std::numbers::inv_sqrtpi) * kernels::gaussian(x, 1), curvature_of_erf(x))
UNROLL_SLOPE(curvature_of_erf, ("erf″", "\\operatorname{erf}''"),
             kernels::within_bell(x) * kernels::gaussian(x, 0.5) * kernels::gaussian(x, 0.5) *
                 X(-4 * std::numbers::inv_sqrtpi),
             where(abs(x) > X(60), X(0), (X(4) * x * x - X(2)) * slope_of_erf(x)))
UNROLL_UNARY(abs, "absolute value; derivative 0 at 0", (), kernels::abs(x), sign(x), std::abs(x), (-inf, inf), (0, 0))
UNROLL_UNARY(sign, "−1, 0 or 1; derivative 0", (),
             where(x > X(0), X(1), where(x < X(0), X(-1), x)), X(0),
             x > 0 ? 1 : x < 0 ? -1 : x, (-inf, inf), (0, 0))
UNROLL_UNARY(tanh, "hyperbolic tangent", ("tanh", "\\tanh"), kernels::tanh(x), slope_of_tanh(x), std::tanh(x), (-inf, inf), (4, 4))
UNROLL_SLOPE(slope_of_tanh, ("tanh′", "\\tanh'"), kernels::slope_of_tanh(x), X(-2) * tanh(x) * y)
UNROLL_UNARY(sigmoid, "1 / (1 + e^−x)", ("σ", "\\sigma"), kernels::sigmoid(x), slope_of_sigmoid(x),
             1 / (1 + std::exp(-x)), (-inf, inf), (4, 4))
UNROLL_SLOPE(slope_of_sigmoid, ("σ′", "\\sigma'"), kernels::slope_of_sigmoid(x), -y * tanh(X(0.5) * x))
UNROLL_UNARY(log_sigmoid, "log sigmoid(x)", (), minimum(x, X(0)) - log1p(exp(-abs(x))), sigmoid(-x),
             std::min(x, 0.0L) - std::log1p(std::exp(-std::abs(x))), (-inf, inf), (4, 4))
UNROLL_UNARY(relu, "max(x, 0); derivative 0 at 0", (), where(x < X(0), X(0), x), where(x > X(0), X(1), X(0)),
             x < 0 ? 0 : x, (-inf, inf), (0, 0))
UNROLL_UNARY_WITH(leaky_relu, "x for x > 0, else p x", (), 0.01, where(x > X(0), x, p * x), where(x > X(0), X(1), p),
                  x > 0 ? x : p * x, (-inf, inf), (1, 1))
UNROLL_UNARY_WITH(elu, "x for x > 0, else p (e^x − 1)  (Clevert et al. 2016)", (), 1.0,
                  where(x > X(0), x, p * expm1(minimum(x, X(0)))), where(x > X(0), X(1), p * exp(minimum(x, X(0)))),
                  x > 0 ? x : p * std::expm1(x), (-inf, inf), (4, 4))
UNROLL_UNARY(silu, "x sigmoid(x)", (), kernels::silu(x), slope_of_silu(x), x / (1 + std::exp(-x)), (-1e30, inf), (8, 8))
UNROLL_SLOPE(slope_of_silu, ("silu′", "\\operatorname{silu}'"), kernels::slope_of_silu(x), curvature_of_silu(x))
UNROLL_SLOPE(curvature_of_silu, ("silu″", "\\operatorname{silu}''"), kernels::curvature_of_silu(x),
             where(abs(x) > X(1e3), X(0), slope_of_sigmoid(x) * (x * (X(1.5) * square(tanh(X(0.5) * x)) - X(0.5)) -
                                                                 X(3) * tanh(X(0.5) * x))))
UNROLL_UNARY(softplus, "log(1 + e^x)", (), maximum(x, X(0)) + log1p(exp(-abs(x))), sigmoid(x),
             std::max(x, 0.0L) + std::log1p(std::exp(-std::abs(x))), (-inf, inf), (4, 4))
UNROLL_UNARY(normal_pdf, "density of the standard normal distribution", ("φ", "\\varphi"),
             X(std::numbers::inv_sqrtpi / std::numbers::sqrt2) * kernels::gaussian(x, 0.5), slope_of_normal_pdf(x),
             std::exp(-x * x / 2) * std::numbers::inv_sqrtpi_v<long double> / std::numbers::sqrt2_v<long double>,
             (-inf, inf), (8, 8))
UNROLL_SLOPE(slope_of_normal_pdf, ("φ′", "\\varphi'"), kernels::times_normal_pdf(-kernels::within_bell(x), x),
             curvature_of_normal_pdf(x))
UNROLL_SLOPE(curvature_of_normal_pdf, ("φ″", "\\varphi''"),
             kernels::times_normal_pdf((kernels::within_bell(x) - X(1)) * (kernels::within_bell(x) + X(1)), x),
             where(abs(x) > X(60), X(0), x * (X(3) - x * x) * normal_pdf(x)))
UNROLL_UNARY(normal_cdf, "standard normal distribution function", ("Φ", "\\Phi"),
             kernels::normal_cdf(x), normal_pdf(x),
             std::erfc(-x / std::numbers::sqrt2_v<long double>) / 2, (-inf, inf), (8, 8))
UNROLL_UNARY(gelu, "x normal_cdf(x)  (Hendrycks and Gimpel 2016)", (), kernels::gelu(x), slope_of_gelu(x),
             x / 2 * std::erfc(-x / std::numbers::sqrt2_v<long double>), (-1e30, inf), (8, 8))
UNROLL_SLOPE(slope_of_gelu, ("gelu′", "\\operatorname{gelu}'"), kernels::slope_of_gelu(x), curvature_of_gelu(x))
UNROLL_SLOPE(curvature_of_gelu, ("gelu″", "\\operatorname{gelu}''"),
             kernels::times_normal_pdf(X(2) - kernels::within_bell(x) * kernels::within_bell(x), x),
             where(abs(x) > X(60), X(0), x * (x * x - X(4)) * normal_pdf(x)))

UNROLL_BINARY(pow, "a^b; the derivative by b is that of e^(b log a), and 0 where a is 0",
              ("^", "^", Formula::Kind::power), kernels::pow(a, b),
              where(b == X(0), X(0), b * pow(a, b - X(1))), where(a == X(0), X(0), y * log(a)))
UNROLL_CHOICE(minimum, "the smaller one, the first of equals; NaN if either is", where(a <= b || a != a, a, b))
UNROLL_CHOICE(maximum, "the larger one, the first of equals; NaN if either is", where(a >= b || a != a, a, b))

// clang-format on

#undef UNROLL_UNARY
#undef UNROLL_UNARY_WITH
#undef UNROLL_SLOPE
#undef UNROLL_BINARY
#undef UNROLL_CHOICE
