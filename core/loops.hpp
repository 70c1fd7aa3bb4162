#pragma once

#include <unroll/core/lanes.hpp>
#include <unroll/core/sink.hpp>
#include <unroll/core/threads.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <tuple>
#include <utility>

namespace unroll {

namespace detail {

// The axes that K operands are walked along, outermost first: unit axes are dropped, and
// neighbours that lie in one stride for every operand become one.
template <std::size_t K>
struct Nest {
    struct Axis {
        std::size_t extent = 1;
        std::array<std::ptrdiff_t, K> strides{};
    };
    std::size_t rank = 0;
    std::array<Axis, max_rank> axes;

    void add(const Axis& axis) {
        if (axis.extent == 1) return;
        if (rank > 0) {
            Axis& outer = axes[rank - 1];
            bool one_run = true;
            for (std::size_t k = 0; k < K; ++k)
                one_run = one_run && outer.strides[k] ==
                                         axis.strides[k] * static_cast<std::ptrdiff_t>(axis.extent);
            if (one_run) {
                outer.extent *= axis.extent;
                outer.strides = axis.strides;
                return;
            }
        }
        axes[rank++] = axis;
    }

    // The axis along which most operands are dense goes inside.
    void choose_inner() {
        std::size_t best = rank - 1, most = 0;
        for (std::size_t a = rank; a-- > 0;) {
            const auto dense = static_cast<std::size_t>(
                std::count(axes[a].strides.begin(), axes[a].strides.end(), 1));
            if (dense > most) best = a, most = dense;
        }
        std::rotate(axes.begin() + static_cast<std::ptrdiff_t>(best),
                    axes.begin() + static_cast<std::ptrdiff_t>(best) + 1,
                    axes.begin() + static_cast<std::ptrdiff_t>(rank));
    }
};

template <class T, std::size_t N, std::size_t M, class F>
class Map {
public:
    static constexpr std::size_t K = N + M;
    static constexpr std::size_t W = Lanes<T>::width;
    static constexpr std::size_t chunk = 256;
    // What an element costs, in floating-point operations, to whoever decides about threads.
    static constexpr double cost = 16;

    Map(const std::array<Source<T>, N>& in, const std::array<Sink<T>, M>& out, const F& f)
        : f_(f) {
        for (std::size_t k = 0; k < N; ++k) start_[k] = const_cast<T*>(in[k].data);
        for (std::size_t j = 0; j < M; ++j) {
            start_[N + j] = out[j].data;
            adds_[j] = out[j].accumulate;
        }
    }

    // All operands dense and in the same order.
    void run_dense(std::size_t size) {
        Row row{start_, {}};
        row.strides.fill(1);
        split(size, W, size, [&](std::size_t begin, std::size_t end) {
            run_row(at(row.start, row.strides, begin), row.strides, end - begin);
        });
    }

    void run(Nest<K>& nest) {
        if (nest.rank == 0) nest.axes[nest.rank++] = {};
        nest.choose_inner();
        std::size_t size = 1;
        for (std::size_t a = 0; a < nest.rank; ++a) size *= nest.axes[a].extent;
        clear_sums(nest);

        // Threads share the first axis that no result is summed over.
        std::size_t shared = 0;
        while (shared < nest.rank && summed(nest.axes[shared])) ++shared;
        if (shared == nest.rank) return walk(nest, 0, start_);
        const auto& axis = nest.axes[shared];
        split(axis.extent, shared + 1 == nest.rank ? W : 1, size,
              [&](std::size_t begin, std::size_t end) {
                  Nest<K> part = nest;
                  part.axes[shared].extent = end - begin;
                  walk(part, 0, at(start_, axis.strides, begin));
              });
    }

    // Results that are summed, and not added to what is there, begin at zero.
    void clear_sums(const Nest<K>& nest) {
        for (std::size_t j = 0; j < M; ++j)
            if (start_[N + j] != nullptr && !adds_[j] && sums(nest, j)) clear(nest, j);
    }

private:
    using Pointers = std::array<T*, K>;
    using Steps = std::array<std::ptrdiff_t, K>;
    struct Row {
        Pointers start;
        Steps strides;
    };

    static Pointers at(const Pointers& start, const Steps& strides, std::size_t i) {
        Pointers p;
        for (std::size_t k = 0; k < K; ++k)
            p[k] = start[k] ? start[k] + strides[k] * static_cast<std::ptrdiff_t>(i) : nullptr;
        return p;
    }

    template <class Piece>
    static void split(std::size_t extent, std::size_t align, std::size_t size, Piece piece) {
        if (size >= 4096 && threads::worth_splitting(cost * static_cast<double>(size)))
            threads::for_pieces(extent, align, piece);
        else
            piece(std::size_t{0}, extent);
    }

    bool summed(const typename Nest<K>::Axis& axis) const {
        for (std::size_t j = 0; j < M; ++j)
            if (start_[N + j] != nullptr && axis.strides[N + j] == 0) return true;
        return false;
    }
    static bool sums(const Nest<K>& nest, std::size_t j) {
        for (std::size_t a = 0; a < nest.rank; ++a)
            if (nest.axes[a].extent != 1 && nest.axes[a].strides[N + j] == 0) return true;
        return false;
    }

    void clear(const Nest<K>& nest, std::size_t j) {
        adds_[j] = true;
        Nest<1> own;
        for (std::size_t a = 0; a < nest.rank; ++a)
            if (nest.axes[a].strides[N + j] != 0)
                own.axes[own.rank++] = {nest.axes[a].extent, {nest.axes[a].strides[N + j]}};
        clear(own, 0, start_[N + j]);
    }
    static void clear(const Nest<1>& nest, std::size_t a, T* to) {
        if (a == nest.rank) {
            *to = T(0);
            return;
        }
        for (std::size_t i = 0; i < nest.axes[a].extent; ++i)
            clear(nest, a + 1, to + nest.axes[a].strides[0] * static_cast<std::ptrdiff_t>(i));
    }

    void walk(const Nest<K>& nest, std::size_t a, Pointers p) const {
        const auto& axis = nest.axes[a];
        if (a + 1 == nest.rank) return run_row(p, axis.strides, axis.extent);
        for (std::size_t i = 0; i < axis.extent; ++i) {
            walk(nest, a + 1, p);
            for (std::size_t k = 0; k < K; ++k)
                if (p[k] != nullptr) p[k] += axis.strides[k];
        }
    }

    // One row. Operands that are not dense pass through a scratch row: repeated numbers are read
    // from one splatted vector, others are gathered and scattered a chunk at a time.
    void run_row(Pointers p, const Steps& strides, std::size_t n) const {
        bool dense = true;
        for (std::size_t k = 0; k < K; ++k)
            dense = dense && (p[k] == nullptr || strides[k] == 1 || (k < N && strides[k] == 0));
        if (dense) {
            std::array<std::size_t, K> step;
            alignas(64) std::array<std::array<T, W>, N> splat;
            for (std::size_t k = 0; k < K; ++k) {
                step[k] = strides[k] == 0 && n > 1 ? 0 : 1;
                if (k < N && step[k] == 0) {
                    splat[k].fill(*p[k]);
                    p[k] = splat[k].data();
                }
            }
            return kernel(p, step, adds_, n);
        }
        for (std::size_t begin = 0; begin < n; begin += chunk)
            run_chunk(at(p, strides, begin), strides, std::min(chunk, n - begin));
    }

    void run_chunk(Pointers p, const Steps& strides, std::size_t n) const {
        alignas(64) std::array<std::array<T, chunk>, K> scratch;
        Pointers q = p;
        std::array<std::size_t, K> step;
        auto adds = adds_;
        for (std::size_t k = 0; k < K; ++k) {
            step[k] = 1;
            if (p[k] == nullptr || strides[k] == 1) continue;
            q[k] = scratch[k].data();
            if (strides[k] == 0) {
                std::fill_n(q[k], W, k < N ? *p[k] : T(0));
                step[k] = 0;
            } else if (k < N) {
                for (std::size_t i = 0; i < n; ++i)
                    q[k][i] = p[k][strides[k] * static_cast<std::ptrdiff_t>(i)];
            }
            if (k >= N) adds[k - N] = strides[k] == 0;
        }
        kernel(q, step, adds, n);
        for (std::size_t k = N; k < K; ++k) {
            if (p[k] == nullptr || strides[k] == 1) continue;
            const bool add = adds_[k - N];
            if (strides[k] == 0) {
                const T sum = Lanes<T>::load(q[k]).sum();
                *p[k] = add ? *p[k] + sum : sum;
            } else {
                for (std::size_t i = 0; i < n; ++i) {
                    T& to = p[k][strides[k] * static_cast<std::ptrdiff_t>(i)];
                    to = add ? to + q[k][i] : q[k][i];
                }
            }
        }
    }

    void kernel(const Pointers& p, const std::array<std::size_t, K>& step,
                const std::array<bool, M>& adds, std::size_t n) const {
        kernel(p, step, adds, n, std::make_index_sequence<N>{}, std::make_index_sequence<M>{});
    }

    // p[k] + step[k] * i is where operand k finds element i. A tail goes through padded copies, so
    // that an element's result does not depend on where it stands.
    template <std::size_t... I, std::size_t... J>
    void kernel(const Pointers& p, const std::array<std::size_t, K>& step,
                const std::array<bool, M>& adds, std::size_t n, std::index_sequence<I...>,
                std::index_sequence<J...>) const {
        std::size_t i = 0;
        for (; i + W <= n; i += W) {
            const auto results = f_(Lanes<T>::load(p[I] + step[I] * i)...);
            (leave(std::get<J>(results), p[N + J], step[N + J] * i, adds[J]), ...);
        }
        if (i == n) return;
        const std::size_t rest = n - i;
        alignas(64) std::array<std::array<T, W>, N + 1> padded;
        (pad(padded[I], p[I] + step[I] * i, step[I], rest), ...);
        const auto results = f_(Lanes<T>::load(padded[I].data())...);
        (leave_tail(std::get<J>(results), p[N + J], step[N + J], i, adds[J], rest), ...);
    }

    static void leave(Lanes<T> v, T* to, std::size_t at, bool add) {
        if (to == nullptr) return;
        if (add) v += Lanes<T>::load(to + at);
        v.store(to + at);
    }
    static void pad(std::array<T, W>& to, const T* from, std::size_t step, std::size_t rest) {
        for (std::size_t w = 0; w < W; ++w) to[w] = from[step * std::min(w, rest - 1)];
    }
    static void leave_tail(Lanes<T> v, T* to, std::size_t step, std::size_t i, bool add,
                           std::size_t rest) {
        if (to == nullptr) return;
        alignas(64) std::array<T, W> lanes;
        v.store(lanes.data());
        for (std::size_t w = 0; w < rest; ++w) {
            T& place = step == 0 ? to[w] : to[i + w];
            place = add ? place + lanes[w] : lanes[w];
        }
    }

    Pointers start_;
    std::array<bool, M> adds_;
    const F& f_;
};

inline bool is_dense(const Strides& strides, const Shape& shape) {
    std::ptrdiff_t step = 1;
    for (std::size_t a = shape.size(); a-- > 0;) {
        if (shape[a] != 1 && strides[a] != step) return false;
        step *= static_cast<std::ptrdiff_t>(shape[a]);
    }
    return true;
}

} // namespace detail

// results = f(values...) at every position of `shape`: f takes N Lanes and returns a tuple of M.
// A result may lie where an operand does. Large maps are shared among threads.
template <class T, std::size_t N, std::size_t M, class F>
void map_elements(const Shape& shape, const std::array<Source<T>, N>& in,
                  const std::array<Sink<T>, M>& out, const F& f) {
    constexpr std::size_t K = N + M;
    detail::Map<T, N, M, F> map(in, out, f);
    const auto strides = [&](std::size_t k) -> const Strides& {
        return k < N ? in[k].strides : out[k - N].strides;
    };
    const auto absent = [&](std::size_t k) { return k >= N && out[k - N].data == nullptr; };
    bool dense = true;
    for (std::size_t k = 0; k < K && dense; ++k)
        dense = absent(k) || detail::is_dense(strides(k), shape);
    if (dense) return map.run_dense(element_count(shape));

    const bool empty = element_count(shape) == 0;
    detail::Nest<K> nest;
    for (std::size_t a = 0; a < shape.size(); ++a) {
        typename detail::Nest<K>::Axis axis{shape[a], {}};
        for (std::size_t k = 0; k < K; ++k) axis.strides[k] = absent(k) ? 0 : strides(k)[a];
        if (empty)
            nest.axes[nest.rank++] = axis;
        else
            nest.add(axis);
    }
    if (empty)
        map.clear_sums(nest);
    else
        map.run(nest);
}

} // namespace unroll
