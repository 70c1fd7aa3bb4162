// The functions at the vector width that this file is compiled for: values, first and second
// derivatives, compared with 40-digit values. Uses headers only, so that widths other than the
// library's can be measured on one machine.

#include "ops/accuracy.hpp"

#include <unroll/ops/fuse/dual.hpp>

#include <cstdio>

#if defined(__SSE2__)
#include <pmmintrin.h>
#endif

using namespace unroll;

namespace {

// The derivative of a function, as in the list.
#define UNROLL_UNARY(name, meaning, notation, value, derivative, ...)                              \
    struct first_of_##name {                                                                       \
        template <class X>                                                                         \
        auto operator()(const X& x) const {                                                        \
            [[maybe_unused]] const X y = name(x);                                                  \
            return derivative;                                                                     \
        }                                                                                          \
    };
#define UNROLL_UNARY_WITH(name, meaning, notation, constant, value, derivative, ...)               \
    struct first_of_##name {                                                                       \
        template <class X>                                                                         \
        auto operator()(const X& x) const {                                                        \
            [[maybe_unused]] const double p = constant;                                            \
            return derivative;                                                                     \
        }                                                                                          \
    };
#include <unroll/ops/fuse/function_list.hpp>

template <class T>
T first_lane(const Lanes<T>& x) {
    std::array<T, Lanes<T>::width> numbers;
    x.store(numbers.data());
    return numbers[0];
}

template <class T, class F, class D>
std::array<T, 3> derivatives(const F& f, const D& first, T at) {
    using L = Lanes<T>;
    const Dual<L, 1> x{L(at), {L(1)}};
    const auto second = first(x);
    T curvature = 0;
    if constexpr (is_dual<std::decay_t<decltype(second)>>) curvature = first_lane<T>(second.d[0]);
    return {first_lane<T>(f(L(at))), first_lane<T>(f(x).d[0]), curvature};
}

template <class T>
std::array<T, 3> at(const std::string& name, T x) {
#define UNROLL_UNARY(function, ...)                                                                \
    if (name == #function)                                                                         \
        return derivatives<T>([](auto v) { return function(v); }, first_of_##function(), x);
#define UNROLL_UNARY_WITH(function, ...) UNROLL_UNARY(function)
#include <unroll/ops/fuse/function_list.hpp>
    throw std::runtime_error("no function " + name);
}

// The worst errors of a function; prints errors above the bounds.
template <class T>
std::array<double, 3> worst_errors(const std::string& name, const std::vector<test::Row>& rows,
                                   bool& passed) {
    std::array<double, 3> worst{};
    for (const auto& row : rows) {
        const double x = std::strtod(row.x.c_str(), nullptr);
        if (static_cast<double>(static_cast<T>(x)) != x) continue;
        const auto got = at<T>(name, static_cast<T>(x));
        for (std::size_t k = 0; k < 3; ++k) {
            const double error = test::error_in_ulp(got[k], row.exact[k], row.scale[k]);
            worst[k] = std::max(worst[k], error);
            if (error <= test::bounds.at(name)[k]) continue;
            passed = false;
            std::printf("FAILED: %s, derivative %zu at %.9g: %.9g for %s\n", name.c_str(), k, x,
                        static_cast<double>(got[k]), row.exact[k].c_str());
        }
    }
    return worst;
}

} // namespace

int main() {
#if defined(__AVX2__)
    if (!__builtin_cpu_supports("avx2")) return 77; // skipped
#endif
#if defined(__SSE2__)
    // As on the library's threads.
    _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);
    _MM_SET_DENORMALS_ZERO_MODE(_MM_DENORMALS_ZERO_ON);
#endif
    bool passed = true;
    std::printf("%zu floats, %zu doubles in a vector\n\n", Lanes<float>::width,
                Lanes<double>::width);
    std::printf("| function | `float`: f, f′, f″ | `double`: f, f′, f″ |\n|---|---|---|\n");
    for (const auto& [name, rows] : test::golden_rows()) {
        const auto f = worst_errors<float>(name, rows, passed);
        const auto d = worst_errors<double>(name, rows, passed);
        std::printf("| `%s` | %.1f, %.1f, %.1f | %.1f, %.1f, %.1f |\n", name.c_str(), f[0], f[1],
                    f[2], d[0], d[1], d[2]);
    }
    return passed ? 0 : 1;
}
