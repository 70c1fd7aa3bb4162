// The functions of one number and of two. Not a header by itself: whoever includes it first defines
// what a row becomes, as lanes, dual numbers, symbols, the function table, operations and tests do.
//
//   UNROLL_UNARY(name, meaning, notation, value, derivative, exact, domain, ulp)
//   UNROLL_UNARY_WITH(the same, with the default of a constant `p` after the notation)
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
// A choice is written with where() and has the derivatives of the operand that it takes.

#ifndef UNROLL_UNARY
#define UNROLL_UNARY(...)
#endif
#ifndef UNROLL_UNARY_WITH
#define UNROLL_UNARY_WITH(...)
#endif
#ifndef UNROLL_BINARY
#define UNROLL_BINARY(...)
#endif
#ifndef UNROLL_CHOICE
#define UNROLL_CHOICE(...)
#endif

// clang-format off

UNROLL_UNARY(exp, "e^x", ("exp", "\\exp"), kernels::exp(x), y, std::exp(x), (-inf, inf), (2, 2))
UNROLL_UNARY(expm1, "e^x − 1", (), kernels::expm1(x), y + X(1), std::expm1(x), (-inf, inf), (4, 4))
UNROLL_UNARY(log, "log x", ("log", "\\log"), kernels::log(x), X(1) / x, std::log(x), (0, inf), (2, 2))
UNROLL_UNARY(log1p, "log(1 + x)", (), kernels::log1p(x), X(1) / (X(1) + x), std::log1p(x), (-1, inf), (2, 2))
UNROLL_UNARY(sqrt, "√x", ("√", "\\sqrt"), kernels::sqrt(x), X(0.5) / y, std::sqrt(x), (0, inf), (0.5, 0.5))
UNROLL_UNARY(square, "x²", ("²", "^2", Formula::Kind::power), x * x, X(2) * x, x * x, (-inf, inf), (0.5, 0.5))
UNROLL_UNARY(reciprocal, "1 / x", ("1/", "1/"), X(1) / x, -y * y, 1 / x, (0, inf), (0.5, 0.5))
UNROLL_UNARY(sin, "sine", ("sin", "\\sin"), kernels::sin(x), cos(x), std::sin(x), (-1e4, 1e4), (4, 4))
UNROLL_UNARY(cos, "cosine", ("cos", "\\cos"), kernels::cos(x), -sin(x), std::cos(x), (-1e4, 1e4), (4, 4))
UNROLL_UNARY(erf, "error function", (), kernels::erf(x),
             X(2 * std::numbers::inv_sqrtpi) * exp(-x * x), std::erf(x), (-inf, inf), (4, 4))
UNROLL_UNARY(erfc, "1 − erf x", (), kernels::erfc(x),
             X(-2 * std::numbers::inv_sqrtpi) * exp(-x * x), std::erfc(x), (-inf, 9), (80, 4))
UNROLL_UNARY(abs, "absolute value; derivative 0 at 0", (), kernels::abs(x), sign(x), std::abs(x), (-inf, inf), (0, 0))
UNROLL_UNARY(sign, "−1, 0 or 1; derivative 0", (),
             where(x > X(0), X(1), where(x < X(0), X(-1), x)), X(0),
             x > 0 ? 1 : x < 0 ? -1 : x, (-inf, inf), (0, 0))
UNROLL_UNARY(tanh, "hyperbolic tangent", ("tanh", "\\tanh"), kernels::tanh(x), X(1) - y * y, std::tanh(x), (-inf, inf), (4, 4))
UNROLL_UNARY(sigmoid, "1 / (1 + e^−x)", ("σ", "\\sigma"), X(1) / (X(1) + exp(-x)), y * (X(1) - y),
             1 / (1 + std::exp(-x)), (-85, inf), (4, 4))
UNROLL_UNARY(log_sigmoid, "log sigmoid(x)", (), minimum(x, X(0)) - log1p(exp(-abs(x))), sigmoid(-x),
             std::min(x, 0.0L) - std::log1p(std::exp(-std::abs(x))), (-inf, 85), (4, 4))
UNROLL_UNARY(relu, "max(x, 0); derivative 0 at 0", (), where(x < X(0), X(0), x), where(x > X(0), X(1), X(0)),
             x < 0 ? 0 : x, (-inf, inf), (0, 0))
UNROLL_UNARY_WITH(leaky_relu, "x for x > 0, else p x", (), 0.01, where(x > X(0), x, p * x), where(x > X(0), X(1), p),
                  x > 0 ? x : p * x, (-inf, inf), (1, 1))
UNROLL_UNARY_WITH(elu, "x for x > 0, else p (e^x − 1)  (Clevert et al. 2016)", (), 1.0,
                  where(x > X(0), x, p * expm1(minimum(x, X(0)))), where(x > X(0), X(1), y + p),
                  x > 0 ? x : p * std::expm1(x), (-inf, inf), (4, 4))
// -inf * 0 is not a number, but the limit is 0.
UNROLL_UNARY(silu, "x sigmoid(x)", (), where(x < X(-200), X(0), x * sigmoid(x)),
             sigmoid(x) + y * (X(1) - sigmoid(x)), x / (1 + std::exp(-x)), (-80, 1e30), (4, 4))
UNROLL_UNARY(softplus, "log(1 + e^x)", (), maximum(x, X(0)) + log1p(exp(-abs(x))), sigmoid(x),
             std::max(x, 0.0L) + std::log1p(std::exp(-std::abs(x))), (-85, inf), (4, 4))
// Far out in a tail the value is tiny, and rounding x / √2 or x² alone costs about x² ulp.
UNROLL_UNARY(normal_pdf, "density of the standard normal distribution", ("φ", "\\varphi"),
             X(std::numbers::inv_sqrtpi / std::numbers::sqrt2) * exp(X(-0.5) * x * x), -x * y,
             std::exp(-x * x / 2) * std::numbers::inv_sqrtpi_v<long double> / std::numbers::sqrt2_v<long double>,
             (-12, 12), (80, 80))
UNROLL_UNARY(normal_cdf, "standard normal distribution function", ("Φ", "\\Phi"),
             X(0.5) * erfc(x * X(-1 / std::numbers::sqrt2)), normal_pdf(x),
             std::erfc(-x / std::numbers::sqrt2_v<long double>) / 2, (-12, inf), (300, 300))
UNROLL_UNARY(gelu, "x normal_cdf(x)  (Hendrycks and Gimpel 2016)", (),
             where(x < X(-40), X(0), x * normal_cdf(x)),
             normal_cdf(x) + where(abs(x) > X(40), X(0), x * normal_pdf(x)),
             x / 2 * std::erfc(-x / std::numbers::sqrt2_v<long double>), (-12, 1e30), (300, 300))

UNROLL_BINARY(pow, "a^b; by b the derivative is that of e^(b log a), and 0 where a is 0",
              ("^", "^", Formula::Kind::power), kernels::pow(a, b),
              where(b == X(0), X(0), b * pow(a, b - X(1))), where(a == X(0), X(0), y * log(a)))
UNROLL_CHOICE(minimum, "the smaller one, the first of equals", where(b < a, b, a))
UNROLL_CHOICE(maximum, "the larger one, the first of equals", where(b > a, b, a))

// clang-format on

#undef UNROLL_UNARY
#undef UNROLL_UNARY_WITH
#undef UNROLL_BINARY
#undef UNROLL_CHOICE
