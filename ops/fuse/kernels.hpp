#pragma once

#include <unroll/core/kernels/simd.hpp>
#include <unroll/ops/fuse/polygamma.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

namespace unroll {

// What the functions of function_list.hpp are computed with, over Lanes and over plain numbers.

template <class X>
inline constexpr bool is_lanes = false;
template <class T>
inline constexpr bool is_lanes<Lanes<T>> = true;

template <class X>
concept Real = std::floating_point<X> || is_lanes<X>;

namespace detail {
template <class X>
struct ScalarOf {
    using type = X;
};
template <class T>
struct ScalarOf<Lanes<T>> {
    using type = T;
};
template <class X>
using scalar_of = typename ScalarOf<X>::type;
template <class X>
inline constexpr bool is_float = std::same_as<scalar_of<X>, float>;
} // namespace detail

template <std::floating_point T>
T where(bool condition, T a, T b) {
    return condition ? a : b;
}

namespace detail {
template <class F, class T, class... X>
Lanes<T> lane_by_lane(const F& f, const Lanes<T>& x, const X&... more) {
    constexpr std::size_t W = Lanes<T>::width;
    const auto stored = [](const Lanes<T>& lanes) {
        std::array<T, W> numbers;
        lanes.store(numbers.data());
        return numbers;
    };
    return [&](auto first, const auto&... rest) {
        for (std::size_t w = 0; w < W; ++w) first[w] = f(first[w], rest[w]...);
        return Lanes<T>::load(first.data());
    }(stored(x), stored(more)...);
}

// e^x = 2^k (1 + q), with q = e^r - 1 where |r| <= log(2) / 2, by the polynomial of Cephes' expf.
struct Exponential {
    Lanes<float> q;
    xsimd::batch<std::int32_t> k;

    explicit Exponential(Lanes<float> x) {
        const Lanes<float> n = xsimd::nearbyint((x * Lanes<float>(std::numbers::log2e)).v);
        const Lanes<float> r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
        Lanes<float> p = r * 1.3997796e-3f + 8.3955629e-3f;
        p = p * r + 4.1665401e-2f;
        p = p * r + 1.6666277e-1f;
        p = p * r + 0.5f;
        q = p * (r * r) + r;
        k = xsimd::to_int(n.v);
    }
    // 2^(k - 1), since 2^k may overflow although the result does not; 0 for k = -126.
    Lanes<float> half_power() const {
        return xsimd::bitwise_cast<xsimd::batch<float>>((k + 126) << 23);
    }
    Lanes<float> value() const {
        const Lanes<float> half = half_power() * (q + 1);
        return half + half;
    }
    // Accurate near 0.
    Lanes<float> minus_one() const {
        const Lanes<float> half = half_power() * q + (half_power() - 0.5f);
        return half + half;
    }
};
} // namespace detail

namespace kernels {

// The smaller or larger of x and a bound, in one instruction; NaN if x is.
template <Real X>
X at_most(X x, X bound) {
    if constexpr (is_lanes<X>)
        return xsimd::min(bound.v, x.v);
    else
        return x > bound ? bound : x;
}
template <Real X>
X at_least(X x, X bound) {
    if constexpr (is_lanes<X>)
        return xsimd::max(bound.v, x.v);
    else
        return x < bound ? bound : x;
}

// In float, values below 1.7e-38 become 0.
template <Real X>
X exp(X x) {
    if constexpr (is_lanes<X> && detail::is_float<X>)
        return detail::Exponential(at_least(at_most(x, X(89)), X(-87.5))).value();
    else if constexpr (is_lanes<X>)
        return xsimd::exp(x.v);
    else
        return std::exp(x);
}
template <Real X>
X expm1(X x) {
    if constexpr (is_lanes<X> && detail::is_float<X>)
        return detail::Exponential(at_least(at_most(x, X(89)), X(-20))).minus_one();
    else if constexpr (is_lanes<X>)
        return xsimd::expm1(x.v);
    else
        return std::expm1(x);
}
// Denormals are scaled up to normal numbers first.
template <Real X>
X log(X x) {
    if constexpr (is_lanes<X>) {
        using T = typename X::value_type;
        const auto tiny = x < X(std::numeric_limits<T>::min());
        if (!xsimd::any(tiny.v)) [[likely]]
            return xsimd::log(x.v);
        constexpr int up = std::numeric_limits<T>::digits;
        const X scaled = where(tiny, x * X(std::uint64_t{1} << up), x);
        return X(xsimd::log(scaled.v)) - where(tiny, X(up * std::numbers::ln2), X(0));
    } else {
        return std::log(x);
    }
}
template <Real X>
X log1p(X x) {
    if constexpr (is_lanes<X>)
        return xsimd::log1p(x.v);
    else
        return std::log1p(x);
}
template <Real X>
X sqrt(X x) {
    if constexpr (is_lanes<X>)
        return xsimd::sqrt(x.v);
    else
        return std::sqrt(x);
}
template <Real X>
X abs(X x) {
    if constexpr (is_lanes<X>)
        return xsimd::abs(x.v);
    else
        return std::abs(x);
}
template <Real X>
X copysign(X magnitude, X sign) {
    if constexpr (is_lanes<X>)
        return xsimd::copysign(magnitude.v, sign.v);
    else
        return std::copysign(magnitude, sign);
}
// Above 1e4 the vector forms lose accuracy, and the C library reduces the argument.
template <Real X>
X sin(X x) {
    if constexpr (is_lanes<X>) {
        if (xsimd::any((kernels::abs(x) > X(1e4)).v)) [[unlikely]]
            return detail::lane_by_lane([](auto v) { return std::sin(v); }, x);
        return xsimd::sin(x.v);
    } else {
        return std::sin(x);
    }
}
template <Real X>
X cos(X x) {
    if constexpr (is_lanes<X>) {
        if (xsimd::any((kernels::abs(x) > X(1e4)).v)) [[unlikely]]
            return detail::lane_by_lane([](auto v) { return std::cos(v); }, x);
        return xsimd::cos(x.v);
    } else {
        return std::cos(x);
    }
}
// Lane by lane: the vector form, exp(b log a), loses all accuracy for large exponents.
template <Real X>
X pow(X a, X b) {
    if constexpr (is_lanes<X>)
        return detail::lane_by_lane([](auto v, auto w) { return std::pow(v, w); }, a, b);
    else
        return std::pow(a, b);
}

// Functions of the C library, for each lane.
#define UNROLL_LANE_BY_LANE(name)                                                                  \
    template <Real X>                                                                              \
    X name(X x) {                                                                                  \
        if constexpr (is_lanes<X>)                                                                 \
            return detail::lane_by_lane([](auto v) { return std::name(v); }, x);                   \
        else                                                                                       \
            return std::name(x);                                                                   \
    }
UNROLL_LANE_BY_LANE(tan)
UNROLL_LANE_BY_LANE(asin)
UNROLL_LANE_BY_LANE(acos)
UNROLL_LANE_BY_LANE(atan)
UNROLL_LANE_BY_LANE(sinh)
UNROLL_LANE_BY_LANE(cosh)
UNROLL_LANE_BY_LANE(asinh)
UNROLL_LANE_BY_LANE(acosh)
UNROLL_LANE_BY_LANE(atanh)
UNROLL_LANE_BY_LANE(exp2)
UNROLL_LANE_BY_LANE(log2)
UNROLL_LANE_BY_LANE(log10)
UNROLL_LANE_BY_LANE(floor)
UNROLL_LANE_BY_LANE(ceil)
UNROLL_LANE_BY_LANE(trunc)
UNROLL_LANE_BY_LANE(round)
#undef UNROLL_LANE_BY_LANE
template <Real X>
X hypot(X a, X b) {
    if constexpr (is_lanes<X>)
        return detail::lane_by_lane([](auto v, auto w) { return std::hypot(v, w); }, a, b);
    else
        return std::hypot(a, b);
}
template <Real X>
X atan2(X a, X b) {
    if constexpr (is_lanes<X>)
        return detail::lane_by_lane([](auto v, auto w) { return std::atan2(v, w); }, a, b);
    else
        return std::atan2(a, b);
}
// 1 / sqrt(1 + x^2) without overflow.
template <Real X>
X slope_of_asinh(X x) {
    const X a = kernels::abs(x), large = at_least(a, X(1)), small = at_most(a, X(1)) / large;
    return X(1) / (large * kernels::sqrt(X(1) + small * small));
}

// Not std::lgamma, which writes to a global variable.
template <Real X>
X lgamma(X x) {
    if constexpr (is_lanes<X>) {
        return detail::lane_by_lane([](auto v) { return kernels::lgamma(v); }, x);
    } else {
        int sign = 0;
        return static_cast<X>(::lgamma_r(static_cast<double>(x), &sign));
    }
}
// digamma (p = 0) and its derivatives.
template <Real X>
X polygamma(X x, X p) {
    if constexpr (is_lanes<X>)
        return detail::lane_by_lane([](auto v, auto w) { return kernels::polygamma(v, w); }, x, p);
    else
        return static_cast<X>(detail::polygamma(x, p));
}

// The logistic function and the hyperbolic tangent. The slopes share the exponential, which the
// compiler computes once.
template <Real X>
X sigmoid(X x) {
    return X(1) / (X(1) + kernels::exp(-x));
}
// e / (1 + e)^2, which does not cancel where sigmoid(x) is near 1.
template <Real X>
X slope_of_sigmoid(X x) {
    constexpr auto largest = std::numeric_limits<detail::scalar_of<X>>::max();
    const X e = kernels::exp(-x), y = X(1) / (X(1) + e);
    return at_most(e, X(largest)) * y * y;
}
// With e = e^2|x| - 1, tanh |x| = e / (e + 2) = 1 - 2 / (e + 2), and its slope is
// (1 + tanh |x|) 2 / (e + 2): one division for both.
template <class X>
struct Tanh {
    X part, y; // 4 / (e + 2) and tanh |x|

    explicit Tanh(X x) {
        const X e = kernels::expm1(at_most(kernels::abs(x + x), X(detail::is_float<X> ? 88 : 709)));
        part = X(4) / (e + X(2));
        y = where(e < X(2), X(0.25) * e * part, X(1) - X(0.5) * part);
    }
};
template <Real X>
X tanh(X x) {
    return copysign(Tanh(x).y, x);
}
template <Real X>
X slope_of_tanh(X x) {
    const Tanh t(x);
    return where(kernels::abs(x) > X(detail::is_float<X> ? 44 : 354.5), X(0),
                 t.part * (X(0.5) + X(0.5) * t.y));
}

// With h = e^(-|x|/2) and v = 1 / (1 + h^2) = sigmoid(|x|): factors of h are multiplied with x one
// by one, because h^2 may underflow although the product does not. Infinities are clamped.
template <class X>
struct Silu {
    X x, h, v, u;

    explicit Silu(X argument)
        : x(at_least(at_most(argument, X(1e6)), X(-1e6))),
          h(kernels::exp(X(-0.5) * kernels::abs(x))), v(X(1) / (X(1) + h * h)), u(h * v) {}
};
template <Real X>
X silu(X x) {
    const Silu s(x);
    return where(x < X(0), s.x * s.h * s.u, x * s.v);
}
template <Real X>
X slope_of_silu(X x) {
    const Silu s(x);
    return where(x < X(0), s.u * (s.h + s.x * s.u), s.v + s.x * s.u * s.u);
}
// sigmoid' (2 - x tanh(x / 2))
template <Real X>
X curvature_of_silu(X x) {
    const Silu s(x);
    return (X(2) - s.x * kernels::tanh(X(0.5) * s.x)) * s.u * s.u;
}

// With w = e^(-|x|), as in Silu. For x > 0, numerators and denominators are divided by e^(2x).
template <class X>
struct Mish {
    X x, h, w, q, r; // q and r: denominators of tanh(softplus(x)) for x < 0 and x > 0

    explicit Mish(X argument)
        : x(at_least(at_most(argument, X(1e6)), X(-1e6))),
          h(kernels::exp(X(-0.5) * kernels::abs(x))), w(h * h), q(w * (w + X(2)) + X(2)),
          r(X(1) + (w + w) * (X(1) + w)) {}
};
template <Real X>
X mish(X x) {
    const Mish m(x);
    return where(x < X(0), m.x * m.h * (m.h * ((m.w + X(2)) / m.q)),
                 x * ((X(1) + m.w + m.w) / m.r));
}
template <Real X>
X slope_of_mish(X x) {
    const Mish m(x);
    const X share = X(4) * m.x * (X(1) + m.w);
    return where(x < X(0), m.h * (m.h * ((m.w + X(2)) * m.q + share)) / (m.q * m.q),
                 (X(1) + m.w + m.w) / m.r + m.w * (m.w * share) / (m.r * m.r));
}
// tanh'(softplus) sigmoid (2 + x (sigmoid(-x) - 2 tanh(softplus) sigmoid))
template <Real X>
X curvature_of_mish(X x) {
    const Mish m(x);
    const X one = X(1) + m.w;
    const X below = (X(1) - X(2) * m.w * m.w * (m.w + X(2)) / m.q) / one;
    const X above = (m.w - X(2) * (one + m.w) / m.r) / one;
    return where(x < X(0), m.h * (m.h * (X(4) * one * (X(2) + m.x * below))) / (m.q * m.q),
                 m.w * (m.w * (X(4) * one * (X(2) + m.x * above))) / (m.r * m.r));
}

// e^(-c x^2) for a power of two c. Rounding x^2 would cause an error of c x^2 ulp. `high` holds
// half of x's digits, so its square is exact, even if the compiler contracts it to an FMA.
template <Real X>
X gaussian(X x, double c) {
    const X a = at_most(kernels::abs(x), X(100));
    const X shifted = a * X(detail::is_float<X> ? 4097 : 134217729);
    const X high = shifted - (shifted - a);
    const X most = high * high, rest = (a - high) * (a + high);
    const X square = most + rest, error = rest - (square - most);
    return kernels::exp(X(-c) * square) * (X(1) - X(c) * error);
}
// p e^(-x^2 / 2) / sqrt(2 pi), which may be a normal number when the density is denormal.
template <Real X>
X times_normal_pdf(X p, X x) {
    const X root = gaussian(x, 0.25);
    return p * root * root * X(std::numbers::inv_sqrtpi / std::numbers::sqrt2);
}
// The range in which polynomials times the density are evaluated; the product is 0 outside.
template <Real X>
X within_bell(X x) {
    return at_least(at_most(x, X(60)), X(-60));
}

// e^(a^2) erfc(a) for a >= 0: (1 + 2 a) times that is smooth in (a - k) / (a + k), and interpolated
// at Chebyshev points.
template <Real X>
X scaled_erfc(X a) {
    constexpr auto coefficients = [] {
        if constexpr (detail::is_float<X>)
            return std::array{8.007454975e-5, -9.253769126e-5, -0.0007340820504, 0.001875060246,
                              0.002506778672, -0.0237635597,   0.06831319672,    -0.1192752814,
                              0.1296447209,   -0.04756215615,  -0.1356211001,    1.253008056};
        else
            return std::array{
                -2.76412023373457802e-10, 9.2976252637096597e-10,  3.23239734450820326e-9,
                -1.23387314037984437e-8,  -2.07258024881819618e-8, 1.06318175938181482e-7,
                7.77194324108691282e-8,   -8.21064793329733634e-7, 2.91734255730897332e-7,
                5.70657829924074054e-6,   -1.12211356659659071e-5, -2.43977311430232924e-5,
                1.50621426086519447e-4,   -1.99257152472651783e-4, -7.57773243594257611e-4,
                5.0319700691022558e-3,    -1.61977340629347706e-2, 3.71675155263380036e-2,
                -6.63303658118605825e-2,  9.37328349991126395e-2,  -1.01039066036318116e-1,
                6.80970542546683824e-2,   1.53796521026199743e-2,  -1.39621116840562284e-1,
                1.23299511862555251};
    }();
    a = at_most(a, X(1e4));
    const X k(detail::is_float<X> ? 3 : 4), t = (a - k) / (a + k);
    X sum(coefficients[0]);
    for (std::size_t i = 1; i < coefficients.size(); ++i) sum = sum * t + X(coefficients[i]);
    return sum / (X(1) + a + a);
}
// In double, the vector form has errors of up to a hundred ulp.
template <Real X>
X erf(X x) {
    if constexpr (is_lanes<X> && detail::is_float<X>)
        return xsimd::erf(at_least(at_most(x, X(8)), X(-8)).v); // NaN for huge arguments
    else if constexpr (is_lanes<X>)
        return detail::lane_by_lane([](double v) { return std::erf(v); }, x);
    else
        return std::erf(x);
}
template <Real X>
X erfc(X x) {
    const X tail = gaussian(x, 1) * scaled_erfc(kernels::abs(x));
    return where(x < X(0), X(2) - tail, tail);
}
// Arranged for x < 0: density and distribution as factors of e^(-x^2 / 4), as in silu.
template <class X>
struct NormalTail {
    X x, root, w; // the tail is root^2 w

    explicit NormalTail(X argument)
        : x(within_bell(argument)), root(gaussian(argument, 0.25)),
          w(X(0.5) * scaled_erfc(kernels::abs(argument) * X(1 / std::numbers::sqrt2))) {}
    X probability() const { return root * root * w; }
};
template <Real X>
X normal_cdf(X x) {
    const NormalTail tail(x);
    return where(x < X(0), tail.probability(), X(1) - tail.probability());
}
template <Real X>
X gelu(X x) {
    const NormalTail tail(x);
    return where(x < X(0), tail.x * tail.root * (tail.root * tail.w),
                 x * (X(1) - tail.probability()));
}
template <Real X>
X slope_of_gelu(X x) {
    const NormalTail tail(x);
    const X density = tail.x * X(std::numbers::inv_sqrtpi / std::numbers::sqrt2);
    return where(x < X(0), (tail.w + density) * tail.root * tail.root,
                 X(1) + (density - tail.w) * tail.root * tail.root);
}

} // namespace kernels

} // namespace unroll
