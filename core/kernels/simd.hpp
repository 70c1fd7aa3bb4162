#pragma once

#include <unroll/core/base/xsimd.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>

namespace unroll {

template <class S>
concept Arithmetic = std::is_arithmetic_v<S>;

// Outcome of a comparison of Lanes, one truth value a lane.
template <class T>
struct LaneMask {
    xsimd::batch_bool<T> v;

    friend LaneMask operator&&(LaneMask a, LaneMask b) { return {a.v & b.v}; }
    friend LaneMask operator||(LaneMask a, LaneMask b) { return {a.v | b.v}; }
    friend LaneMask operator!(LaneMask a) { return {~a.v}; }
};

// As many numbers as one vector register holds. Kernels are written over Lanes as they would be
// over one number; literals of any arithmetic type mix in.
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
    friend LaneMask<T> operator!=(Lanes a, Lanes b) { return {a.v != b.v}; }
};

template <class T>
Lanes<T> where(LaneMask<T> condition, std::type_identity_t<Lanes<T>> a,
               std::type_identity_t<Lanes<T>> b) {
    return xsimd::select(condition.v, a.v, b.v);
}

} // namespace unroll
