#pragma once

#include <unroll/core/base/xsimd.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

// The width of vectors is a part of the names of what depends on it, so that programs and libraries
// compiled for different instruction sets link.
#if defined(__AVX512F__)
#define UNROLL_LANES lanes512
#elif defined(__AVX__)
#define UNROLL_LANES lanes256
#else
#define UNROLL_LANES lanes128
#endif

namespace unroll {

template <class S>
concept Arithmetic = std::is_arithmetic_v<S>;

inline namespace UNROLL_LANES {

// Result of a comparison of Lanes: one boolean per lane.
template <class T>
struct LaneMask {
    xsimd::batch_bool<T> v;

    friend LaneMask operator&&(LaneMask a, LaneMask b) { return {a.v & b.v}; }
    friend LaneMask operator||(LaneMask a, LaneMask b) { return {a.v | b.v}; }
    friend LaneMask operator!(LaneMask a) { return {~a.v}; }
};

// The numbers in one vector register. Kernels are written for Lanes as for a scalar; operands of
// any arithmetic type are broadcast.
template <class T>
struct Lanes {
    using value_type = T;
    static constexpr std::size_t width = xsimd::batch<T>::size;

    xsimd::batch<T> v;

    Lanes() = default;
    Lanes(xsimd::batch<T> v) : v(v) {}
    template <Arithmetic S>
    Lanes(S s) : v(static_cast<T>(s)) {}

    static Lanes load(const T* from) { return xsimd::load_unaligned(from); }
    void store(T* to) const { xsimd::store_unaligned(to, v); }
    T sum() const { return xsimd::hadd(v); }
    // The first n < width numbers; the other lanes are 0 and are neither read nor written.
    static Lanes load_part(const T* from, std::size_t n);
    void store_part(T* to, std::size_t n) const;

    friend Lanes operator+(Lanes a, Lanes b) { return a.v + b.v; }
    friend Lanes operator-(Lanes a, Lanes b) { return a.v - b.v; }
    friend Lanes operator*(Lanes a, Lanes b) { return a.v * b.v; }
    friend Lanes operator/(Lanes a, Lanes b) { return a.v / b.v; }
    friend Lanes operator-(Lanes a) { return -a.v; }
    friend Lanes operator+(Lanes a) { return a; }
    Lanes& operator+=(Lanes b) { return *this = *this + b; }
    Lanes& operator-=(Lanes b) { return *this = *this - b; }
    Lanes& operator*=(Lanes b) { return *this = *this * b; }
    Lanes& operator/=(Lanes b) { return *this = *this / b; }

    friend LaneMask<T> operator<(Lanes a, Lanes b) { return {a.v < b.v}; }
    friend LaneMask<T> operator<=(Lanes a, Lanes b) { return {a.v <= b.v}; }
    friend LaneMask<T> operator>(Lanes a, Lanes b) { return {a.v > b.v}; }
    friend LaneMask<T> operator>=(Lanes a, Lanes b) { return {a.v >= b.v}; }
    friend LaneMask<T> operator==(Lanes a, Lanes b) { return {a.v == b.v}; }
    // xsimd's own is false for NaN with AVX-512.
    friend LaneMask<T> operator!=(Lanes a, Lanes b) { return {~(a.v == b.v)}; }
};

} // namespace UNROLL_LANES

namespace detail {

// AVX masks: read from offset width - n, lanes n and above are 0.
template <class I, std::size_t width>
inline constexpr auto lane_masks = [] {
    std::array<I, 2 * width> masks{};
    for (std::size_t i = 0; i < width; ++i) masks[i] = I(-1);
    return masks;
}();

} // namespace detail

template <class T>
Lanes<T> Lanes<T>::load_part(const T* from, std::size_t n) {
#if defined(__AVX512F__)
    if constexpr (std::same_as<T, float>)
        return xsimd::batch<T>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), from));
    else
        return xsimd::batch<T>(_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << n) - 1), from));
#elif defined(__AVX__)
    using I = std::conditional_t<std::same_as<T, float>, std::int32_t, std::int64_t>;
    const auto mask = _mm256_loadu_si256(
        reinterpret_cast<const __m256i*>(detail::lane_masks<I, width>.data() + width - n));
    if constexpr (std::same_as<T, float>)
        return xsimd::batch<T>(_mm256_maskload_ps(from, mask));
    else
        return xsimd::batch<T>(_mm256_maskload_pd(from, mask));
#else
    std::array<T, width> lanes{};
    for (std::size_t i = 0; i < n; ++i) lanes[i] = from[i];
    return load(lanes.data());
#endif
}

template <class T>
void Lanes<T>::store_part(T* to, std::size_t n) const {
#if defined(__AVX512F__)
    if constexpr (std::same_as<T, float>)
        _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << n) - 1), v.data);
    else
        _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1u << n) - 1), v.data);
#elif defined(__AVX__)
    using I = std::conditional_t<std::same_as<T, float>, std::int32_t, std::int64_t>;
    const auto mask = _mm256_loadu_si256(
        reinterpret_cast<const __m256i*>(detail::lane_masks<I, width>.data() + width - n));
    if constexpr (std::same_as<T, float>)
        _mm256_maskstore_ps(to, mask, v.data);
    else
        _mm256_maskstore_pd(to, mask, v.data);
#else
    std::array<T, width> lanes;
    store(lanes.data());
    for (std::size_t i = 0; i < n; ++i) to[i] = lanes[i];
#endif
}

template <class T>
Lanes<T> where(LaneMask<T> condition, std::type_identity_t<Lanes<T>> a,
               std::type_identity_t<Lanes<T>> b) {
    return xsimd::select(condition.v, a.v, b.v);
}

} // namespace unroll
