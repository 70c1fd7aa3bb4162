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
//               other functions, in any order, or a kernel of kernels.hpp
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
UNROLL_UNARY(tan, "tangent", ("tan", "\\tan"), kernels::tan(x), X(1) + y * y, std::tan(x), (-inf, inf), (2, 2))
UNROLL_UNARY(asin, "arc sine", (), kernels::asin(x), slope_of_asin(x), std::asin(x), (-1, 1), (1, 1))
UNROLL_UNARY(acos, "arc cosine", (), kernels::acos(x), -slope_of_asin(x), std::acos(x), (-1, 1), (1, 1))
UNROLL_SLOPE(slope_of_asin, ("asin′", "\\operatorname{asin}'"), X(1) / sqrt((X(1) - x) * (X(1) + x)), x * y * y * y)
UNROLL_UNARY(atan, "arc tangent", (), kernels::atan(x), slope_of_atan(x), std::atan(x), (-inf, inf), (1, 1))
UNROLL_SLOPE(slope_of_atan, ("atan′", "\\operatorname{atan}'"), X(1) / (X(1) + x * x),
             where(abs(x) > X(1e8), X(-2) / x / x / x, X(-2) * (x * y) * y))
UNROLL_UNARY(sinh, "hyperbolic sine", ("sinh", "\\sinh"), kernels::sinh(x), cosh(x), std::sinh(x), (-inf, inf), (2, 2))
UNROLL_UNARY(cosh, "hyperbolic cosine", ("cosh", "\\cosh"), kernels::cosh(x), sinh(x), std::cosh(x), (-inf, inf), (2, 2))
UNROLL_UNARY(asinh, "inverse of sinh", (), kernels::asinh(x), slope_of_asinh(x), std::asinh(x), (-inf, inf), (2, 2))
UNROLL_SLOPE(slope_of_asinh, ("asinh′", "\\operatorname{asinh}'"), kernels::slope_of_asinh(x),
             where(abs(x) > X(1e12), -sign(x) * y * y, -(x * y) * y * y))
UNROLL_UNARY(acosh, "inverse of cosh", (), kernels::acosh(x), slope_of_acosh(x), std::acosh(x), (1, inf), (2, 2))
UNROLL_SLOPE(slope_of_acosh, ("acosh′", "\\operatorname{acosh}'"), X(1) / (sqrt(x - X(1)) * sqrt(x + X(1))),
             where(x > X(1e12), -y * y, -(x * y) * y * y))
UNROLL_UNARY(atanh, "inverse of tanh", (), kernels::atanh(x), slope_of_atanh(x), std::atanh(x), (-1, 1), (2, 2))
UNROLL_SLOPE(slope_of_atanh, ("atanh′", "\\operatorname{atanh}'"), X(1) / ((X(1) - x) * (X(1) + x)), X(2) * x * y * y)
UNROLL_UNARY(exp2, "2^x", (), kernels::exp2(x), std::numbers::ln2 * y, std::exp2(x), (-inf, inf), (1, 1))
UNROLL_UNARY(log2, "logarithm to base 2", (), kernels::log2(x), X(std::numbers::log2e) / x, std::log2(x), (0, inf), (1, 1))
UNROLL_UNARY(log10, "logarithm to base 10", (), kernels::log10(x), X(std::numbers::log10e) / x, std::log10(x), (0, inf), (2, 2))
UNROLL_UNARY(rsqrt, "1 / √x", (), X(1) / sqrt(x), X(-0.5) * y / x, 1 / std::sqrt(x), (0, inf), (2, 2))
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
UNROLL_UNARY(floor, "largest whole number up to x; derivative 0", (), kernels::floor(x), X(0), std::floor(x), (-inf, inf), (0, 0))
UNROLL_UNARY(ceil, "smallest whole number from x on; derivative 0", (), kernels::ceil(x), X(0), std::ceil(x), (-inf, inf), (0, 0))
UNROLL_UNARY(trunc, "x without its fraction; derivative 0", (), kernels::trunc(x), X(0), std::trunc(x), (-inf, inf), (0, 0))
UNROLL_UNARY(round, "nearest whole number, away from 0 if two are; derivative 0", (), kernels::round(x), X(0), std::round(x), (-inf, inf), (0, 0))
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
UNROLL_UNARY(selu, "λ elu(x, α), λ = 1.0507009873554805, α = 1.6732632423543772  (Klambauer et al. 2017)", (),
             where(abs(x) < X(1e-20), where(x > X(0), X(1.0507009873554805), X(1.7580993408473766)) * x,
                   X(1.0507009873554805) * elu(x, X(1.6732632423543772))),
             where(x > X(0), X(1.0507009873554805), X(1.7580993408473766) * exp(minimum(x, X(0)))),
             1.0507009873554805L * (x > 0 ? x : 1.6732632423543772L * std::expm1(x)), (-inf, inf), (4, 4))
UNROLL_UNARY(hardtanh, "x within −1 and 1; derivative 1 at both", (), minimum(maximum(x, X(-1)), X(1)), where(abs(x) <= X(1), X(1), X(0)),
             x < -1 ? -1 : x > 1 ? 1 : x, (-inf, inf), (0, 0))
UNROLL_UNARY(silu, "x sigmoid(x)", (), kernels::silu(x), slope_of_silu(x), x / (1 + std::exp(-x)), (-1e30, inf), (8, 8))
UNROLL_SLOPE(slope_of_silu, ("silu′", "\\operatorname{silu}'"), kernels::slope_of_silu(x), curvature_of_silu(x))
UNROLL_SLOPE(curvature_of_silu, ("silu″", "\\operatorname{silu}''"), kernels::curvature_of_silu(x),
             where(abs(x) > X(1e3), X(0), slope_of_sigmoid(x) * (x * (X(1.5) * square(tanh(X(0.5) * x)) - X(0.5)) -
                                                                 X(3) * tanh(X(0.5) * x))))
UNROLL_UNARY(mish, "x tanh(softplus(x))  (Misra 2020)", (), kernels::mish(x), slope_of_mish(x),
             x * std::tanh(std::log1p(std::exp(x))), (-1e30, 1e4), (8, 8))
UNROLL_SLOPE(slope_of_mish, ("mish′", "\\operatorname{mish}'"), kernels::slope_of_mish(x), curvature_of_mish(x))
UNROLL_SLOPE(curvature_of_mish, ("mish″", "\\operatorname{mish}''"), kernels::curvature_of_mish(x),
             where(abs(x) > X(1e3), X(0), slope_of_tanh(softplus(x)) * sigmoid(x) *
                 ((sigmoid(-x) - X(2) * tanh(softplus(x)) * sigmoid(x)) *
                      (X(3) + x * (sigmoid(-x) - X(2) * tanh(softplus(x)) * sigmoid(x))) -
                  x * sigmoid(x) * (sigmoid(-x) + X(2) * slope_of_tanh(softplus(x)) * sigmoid(x) +
                                    X(2) * tanh(softplus(x)) * sigmoid(-x)))))
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

UNROLL_UNARY(lgamma, "logarithm of the magnitude of the gamma function", ("log Γ", "\\log\\Gamma"), kernels::lgamma(x), digamma(x), std::lgamma(x), (0, inf), (8, 8))
UNROLL_UNARY(digamma, "derivative of lgamma", ("ψ", "\\psi"), kernels::polygamma(x, X(0)), polygamma(x, 1),
             unroll::detail::polygamma(x, 0), (0, inf), (1, 1))
UNROLL_UNARY_WITH(polygamma, "p-th derivative of digamma, for p = 0, 1, ..., 1000", (), 2.0, kernels::polygamma(x, p), polygamma(x, p + 1),
                  unroll::detail::polygamma(x, p), (0, inf), (1, 1))

UNROLL_BINARY(pow, "a^b; the derivative by b is that of e^(b log a), and 0 where a is 0",
              ("^", "^", Formula::Kind::power), kernels::pow(a, b),
              where(b == X(0), X(0), b * pow(a, b - X(1))), where(a == X(0), X(0), y * log(a)))
UNROLL_BINARY(hypot, "√(a² + b²); derivative 0 where both are 0", (), kernels::hypot(a, b),
              where(y == X(0), X(0), where(abs(a) < abs(b), a / abs(b) / sqrt(X(1) + square(a / b)),
                                           sign(a) / sqrt(X(1) + square(b / a)))),
              where(y == X(0), X(0), where(abs(b) < abs(a), b / abs(a) / sqrt(X(1) + square(b / a)),
                                           sign(b) / sqrt(X(1) + square(a / b)))))
UNROLL_BINARY(atan2, "angle of the point (b, a), within −π and π; derivative 0 where both are 0", (), kernels::atan2(a, b),
              where(a == X(0) && b == X(0), X(0), where(abs(a) < abs(b), X(1) / b / (X(1) + square(a / b)),
                                                        b / a / a / (X(1) + square(b / a)))),
              where(a == X(0) && b == X(0), X(0), where(abs(a) < abs(b), -(a / b) / b / (X(1) + square(a / b)),
                                                        X(-1) / a / (X(1) + square(b / a)))))
UNROLL_BINARY(logaddexp, "log(e^a + e^b); derivative 0 where both are infinite and equal", (),
              where(a == b, a + X(std::numbers::ln2), maximum(a, b) + log1p(exp(-abs(a - b)))),
              where(a == b && a - b != X(0), X(0), sigmoid(a - b)), where(a == b && a - b != X(0), X(0), sigmoid(b - a)))
UNROLL_CHOICE(minimum, "the smaller one, the first of equals; NaN if either is", where(a <= b || a != a, a, b))
UNROLL_CHOICE(maximum, "the larger one, the first of equals; NaN if either is", where(a >= b || a != a, a, b))

// clang-format on

#undef UNROLL_UNARY
#undef UNROLL_UNARY_WITH
#undef UNROLL_SLOPE
#undef UNROLL_BINARY
#undef UNROLL_CHOICE
