#pragma once

#include <unroll/core/kernels/simd.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

namespace unroll {

// The mathematics of fuse(): over Lanes, and over plain numbers so that a lambda can be called with
// those. Dual numbers follow in dual.hpp.

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
inline constexpr bool is_float = std::same_as<typename ScalarOf<X>::type, float>;
} // namespace detail

template <std::floating_point T>
T where(bool condition, T a, T b) {
    return condition ? a : b;
}

// The functions of function_list.hpp, whose values may use each other.
#define UNROLL_UNARY(name, ...)                                                                    \
    template <Real X>                                                                              \
    X name(X x);
#define UNROLL_UNARY_WITH(name, meaning, notation, constant, ...)                                  \
    template <Real X>                                                                              \
    X name(X x, std::type_identity_t<X> p = constant);
#define UNROLL_BINARY(name, ...)                                                                   \
    template <Real X>                                                                              \
    X name(X a, X b);
#define UNROLL_CHOICE(name, ...) UNROLL_BINARY(name)
#include <unroll/ops/fuse/function_list.hpp>

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
    // 2^(k - 1), since 2^k may not fit where the result does; 0 for k = -126.
    Lanes<float> half_power() const {
        return xsimd::bitwise_cast<xsimd::batch<float>>((k + 126) << 23);
    }
    Lanes<float> value() const {
        const Lanes<float> half = half_power() * (q + 1);
        return half + half;
    }
    // Without losing digits near 0.
    Lanes<float> minus_one() const {
        const Lanes<float> half = half_power() * q + (half_power() - 0.5f);
        return half + half;
    }
};
} // namespace detail

namespace kernels {

// In float, what is under 1.7e-38 becomes 0.
template <Real X>
X exp(X x) {
    if constexpr (is_lanes<X> && detail::is_float<X>)
        return detail::Exponential(maximum(minimum(x, X(89)), X(-87.5))).value();
    else if constexpr (is_lanes<X>)
        return xsimd::exp(x.v);
    else
        return std::exp(x);
}
template <Real X>
X expm1(X x) {
    if constexpr (is_lanes<X> && detail::is_float<X>)
        return detail::Exponential(maximum(minimum(x, X(89)), X(-20))).minus_one();
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
X sin(X x) {
    if constexpr (is_lanes<X>)
        return xsimd::sin(x.v);
    else
        return std::sin(x);
}
template <Real X>
X cos(X x) {
    if constexpr (is_lanes<X>)
        return xsimd::cos(x.v);
    else
        return std::cos(x);
}
// The vector forms in double lose up to a hundred units in the last place.
template <Real X>
X erf(X x) {
    if constexpr (is_lanes<X> && detail::is_float<X>)
        return xsimd::erf(minimum(maximum(x, X(-8)), X(8)).v); // of huge ones it makes no number
    else if constexpr (is_lanes<X>)
        return detail::lane_by_lane([](double v) { return std::erf(v); }, x);
    else
        return std::erf(x);
}
template <Real X>
X erfc(X x) {
    if constexpr (is_lanes<X> && detail::is_float<X>)
        return xsimd::erfc(minimum(maximum(x, X(-8)), X(28)).v);
    else if constexpr (is_lanes<X>)
        return detail::lane_by_lane([](double v) { return std::erfc(v); }, x);
    else
        return std::erfc(x);
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
// Lane by lane: exp(b log a), the vector form, loses all digits where the exponent is large.
template <Real X>
X pow(X a, X b) {
    if constexpr (is_lanes<X>)
        return detail::lane_by_lane([](auto v, auto w) { return std::pow(v, w); }, a, b);
    else
        return std::pow(a, b);
}
// e / (e + 2) with e = exp(2|x|) - 1, which saturates.
template <Real X>
X tanh(X x) {
    if constexpr (is_lanes<X> && detail::is_float<X>) {
        const X e = detail::Exponential(minimum(kernels::abs(x + x), X(20))).minus_one();
        return copysign(e / (e + X(2)), x);
    } else if constexpr (is_lanes<X>) {
        return xsimd::tanh(x.v);
    } else {
        return std::tanh(x);
    }
}

} // namespace kernels

#define UNROLL_UNARY(name, meaning, notation, value, ...)                                          \
    template <Real X>                                                                              \
    X name(X x) {                                                                                  \
        return value;                                                                              \
    }
#define UNROLL_UNARY_WITH(name, meaning, notation, constant, value, ...)                           \
    template <Real X>                                                                              \
    X name(X x, std::type_identity_t<X> p) {                                                       \
        return value;                                                                              \
    }
#define UNROLL_BINARY(name, meaning, notation, value, ...)                                         \
    template <Real X>                                                                              \
    X name(X a, X b) {                                                                             \
        return value;                                                                              \
    }
#define UNROLL_CHOICE(name, meaning, value) UNROLL_BINARY(name, meaning, (), value)
#include <unroll/ops/fuse/function_list.hpp>

template <Real X>
X clamp(X x, std::type_identity_t<X> low, std::type_identity_t<X> high) {
    return where(x < low, low, where(x > high, high, x));
}

} // namespace unroll
