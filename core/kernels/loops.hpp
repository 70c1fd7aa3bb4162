#pragma once

#include <unroll/core/kernels/operands.hpp>
#include <unroll/core/kernels/simd.hpp>

#include <algorithm>
#include <array>
#include <span>
#include <tuple>
#include <utility>

namespace unroll {

namespace detail {

inline constexpr std::size_t most_operands = 32;

// One result or a tuple of results, as a tuple of references.
template <class V>
std::tuple<const V&> as_tuple(const V& v) {
    return {v};
}
template <class... V>
const std::tuple<V...>& as_tuple(const std::tuple<V...>& v) {
    return v;
}

// Numbers of the widest vector of any processor.
template <class T>
inline constexpr std::size_t widest = 64 / sizeof(T);

// A function over one dense row: element i of operand k is at pointers[k] + steps[k] * i. A step of
// 0 broadcasts an input, of which a whole vector is read, or sums into one vector of an output.
// Outputs follow inputs; null outputs are not computed, and those marked in `adds` are accumulated.
template <class T>
struct RowKernel {
    using Run = void(const void* f, T* const* pointers, const std::size_t* steps, const bool* adds,
                     std::size_t n);
    const void* f;
    Run* run;
};

// Iterates over `shape` and calls the kernel row by row.
template <class T>
void map_rows(const Shape& shape, std::span<const InputOperand<T>> in,
              std::span<const OutputOperand<T>> out, const RowKernel<T>& kernel);

inline namespace UNROLL_LANES {

template <class T, std::size_t N, std::size_t M, class F>
struct RowOf {
    static constexpr std::size_t W = Lanes<T>::width;

    static void run(const void* f, T* const* pointers, const std::size_t* steps, const bool* adds,
                    std::size_t n) {
        run(*static_cast<const F*>(f), pointers, steps, adds, n, std::make_index_sequence<N>{},
            std::make_index_sequence<M>{});
    }

    // A tail is also computed in full vectors, so that the result for an element does not depend on
    // its position. Everything is inlined into the loop, except with sanitizers, which would take
    // minutes to compile.
    template <std::size_t... I, std::size_t... J>
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    [[gnu::flatten]]
#endif
    static void
    run(const F& f, T* const* p, const std::size_t* step, const bool* adds, std::size_t n,
        std::index_sequence<I...>, std::index_sequence<J...>) {
        std::size_t i = 0;
        for (; i + W <= n; i += W) {
            const auto results = f(Lanes<T>::load(p[I] + step[I] * i)...);
            (leave(std::get<J>(as_tuple(results)), p[N + J], step[N + J] * i, adds[J]), ...);
        }
        if (i == n) return;
        const std::size_t rest = n - i;
        const auto results = f(tail(p[I] + step[I] * i, step[I], rest)...);
        (leave_tail(std::get<J>(as_tuple(results)), p[N + J], step[N + J] * i, adds[J], rest), ...);
    }

    static void leave(Lanes<T> v, T* to, std::size_t at, bool add) {
        if (to == nullptr) return;
        if (add) v += Lanes<T>::load(to + at);
        v.store(to + at);
    }
    static Lanes<T> tail(const T* from, std::size_t step, std::size_t rest) {
        return step == 0 ? Lanes<T>(*from) : Lanes<T>::load_part(from, rest);
    }
    static void leave_tail(Lanes<T> v, T* to, std::size_t at, bool add, std::size_t rest) {
        if (to == nullptr) return;
        if (add) v += Lanes<T>::load_part(to + at, rest);
        v.store_part(to + at, rest);
    }
};

} // namespace UNROLL_LANES

} // namespace detail

// results = f(values...) at every position of `shape`: f takes N Lanes and returns one, or a tuple
// of M. A result may overwrite an operand. Large maps are divided among threads.
template <class T, std::size_t N, std::size_t M, class F>
void map_elements(const Shape& shape, const std::array<InputOperand<T>, N>& in,
                  const std::array<OutputOperand<T>, M>& out, const F& f) {
    static_assert(N + M <= detail::most_operands, "too many operands and results for one lambda");
    detail::map_rows<T>(shape, in, out, {&f, &detail::RowOf<T, N, M, F>::run});
}

} // namespace unroll
