#pragma once

#include <unroll/ops/fuse/functions.hpp>

#include <concepts>
#include <limits>

namespace unroll::detail {

// Error-free transformations  (Knuth 1969; Ogita, Rump and Oishi 2005).

// a + b = sum + rest, where sum is rounded.
template <class T>
struct TwoSum {
    Lanes<T> sum, rest;

    TwoSum(Lanes<T> a, Lanes<T> b) : sum(a + b) {
        const Lanes<T> of_b = sum - a;
        rest = (a - (sum - of_b)) + (b - of_b);
    }
};

// a b = product + rest, where product is rounded.
template <class T>
struct TwoProduct {
    Lanes<T> product, rest;

    TwoProduct(Lanes<T> a, Lanes<T> b)
        : product(fused(a, b, Lanes<T>(0))), rest(fused(a, b, -product)) {}

private:
    // a b + c, rounded once. The compiler may not fuse the product with a later sum.
    static Lanes<T> fused(Lanes<T> a, Lanes<T> b, Lanes<T> c) {
#if defined(__AVX512F__) // xsimd 8.1 rounds twice there, unless the compiler fuses it
        using Batch = decltype(a.v);
        if constexpr (std::same_as<T, float>)
            return Batch(_mm512_fmadd_ps(a.v, b.v, c.v));
        else
            return Batch(_mm512_fmadd_pd(a.v, b.v, c.v));
#elif defined(__FMA__)
        return xsimd::fma(a.v, b.v, c.v);
#else
        return lane_by_lane([](T a, T b, T c) { return std::fma(a, b, c); }, a, b, c);
#endif
    }
};

// The unevaluated sum of a number and its rounding error, in about twice the precision. If the
// number is not finite, the rest is 0.
template <class T>
struct Compensated {
    Lanes<T> value = Lanes<T>(0), rest = Lanes<T>(0);

    Compensated() = default;
    Compensated(Lanes<T> value) : value(value) {}
    Compensated(Lanes<T> sum, Lanes<T> small) {
        const auto is_finite = [](Lanes<T> x) { return abs(x) <= std::numeric_limits<T>::max(); };
        const TwoSum<T> total(sum, small);
        value = where(is_finite(sum), total.sum, sum);
        rest = where(is_finite(value), total.rest, 0);
    }
    friend Compensated operator+(const Compensated& x, Lanes<T> y) {
        const TwoSum<T> sum(x.value, y);
        return {sum.sum, x.rest + sum.rest};
    }
    friend Compensated operator*(const Compensated& x, Lanes<T> y) {
        const TwoProduct<T> product(x.value, y);
        return {product.product, x.rest * y + product.rest};
    }
};

} // namespace unroll::detail
