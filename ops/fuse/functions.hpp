#pragma once

#include <unroll/ops/fuse/kernels.hpp>

namespace unroll {

// The functions of fuse(), over Lanes and over plain numbers, so that a lambda can also be called
// with scalars. See dual.hpp for dual numbers.

// They may call each other.
#define UNROLL_UNARY(name, ...)                                                                    \
    template <Real X>                                                                              \
    X name(X x);
#define UNROLL_UNARY_WITH(name, meaning, notation, constant, ...)                                  \
    template <Real X>                                                                              \
    X name(X x, std::type_identity_t<X> p = constant);
#define UNROLL_BINARY(name, ...)                                                                   \
    template <Real X>                                                                              \
    X name(X a, X b);
#define UNROLL_SLOPE(name, ...) UNROLL_UNARY(name)
#define UNROLL_CHOICE(name, ...) UNROLL_BINARY(name)
#include <unroll/ops/fuse/function_list.hpp>

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
#define UNROLL_SLOPE(name, notation, value, ...) UNROLL_UNARY(name, , , value, )
#define UNROLL_BINARY(name, meaning, notation, value, ...)                                         \
    template <Real X>                                                                              \
    X name(X a, X b) {                                                                             \
        return value;                                                                              \
    }                                                                                              \
    template <class T, Arithmetic S>                                                               \
    Lanes<T> name(Lanes<T> a, S b) {                                                               \
        return name(a, Lanes<T>(b));                                                               \
    }                                                                                              \
    template <class T, Arithmetic S>                                                               \
    Lanes<T> name(S a, Lanes<T> b) {                                                               \
        return name(Lanes<T>(a), b);                                                               \
    }
#define UNROLL_CHOICE(name, meaning, value) UNROLL_BINARY(name, meaning, (), value)
#include <unroll/ops/fuse/function_list.hpp>

template <Real X>
X clamp(X x, std::type_identity_t<X> low, std::type_identity_t<X> high) {
    return minimum(maximum(x, low), high);
}

} // namespace unroll
