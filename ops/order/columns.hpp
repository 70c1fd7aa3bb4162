#pragma once

#include <unroll/core/kernels/simd.hpp>
#include <unroll/core/kernels/threads.hpp>
#include <unroll/core/tensor/tensor.hpp>

#include <algorithm>
#include <array>

namespace unroll::detail {

// Loops over the steps of a scan, a vector of columns at a time.

template <class T>
Lanes<T> load(const T* from, std::size_t n) {
    return n == Lanes<T>::width ? Lanes<T>::load(from) : Lanes<T>::load_part(from, n);
}
template <class T>
void store(Lanes<T> x, T* to, std::size_t n) {
    n == Lanes<T>::width ? x.store(to) : x.store_part(to, n);
}

// The steps [T, ...] of an operand as rows: dense, or one number in each. One row may serve all.
template <class T>
class StepRows {
public:
    // Refers to x, which it replaces by a dense copy if need be.
    explicit StepRows(Tensor<T>& x) : is_uniform_(true) {
        const Strides dense = row_major(x.shape());
        bool is_dense = true;
        for (std::size_t a = 1; a < x.dimension(); ++a) {
            is_dense = is_dense && (x.strides()[a] == dense[a] || x.shape(a) == 1);
            is_uniform_ = is_uniform_ && (x.strides()[a] == 0 || x.shape(a) == 1);
        }
        const bool is_constant = x.strides()[0] == 0 && x.shape(0) > 0;
        if (!is_dense && !is_uniform_) x = (is_constant ? x.slice(0, 0, 1) : x).contiguous();
        data_ = std::as_const(x).data();
        step_ = is_constant ? 0 : x.strides()[0];
    }
    struct Row {
        const T* data;
        bool is_uniform;
        // n columns from column i on.
        Lanes<T> operator()(std::size_t i, std::size_t n) const {
            return is_uniform ? Lanes<T>(*data) : load(data + i, n);
        }
    };
    Row operator[](std::size_t t) const {
        return {data_ + static_cast<std::ptrdiff_t>(t) * step_, is_uniform_};
    }

private:
    const T* data_;
    std::ptrdiff_t step_;
    bool is_uniform_;
};

// f.first(i, n), of type State, is the state of n columns from column i on. For every step t in
// order, f.step(t)(state, i, n) advances it; if it has a function before(i, n), that gives the
// state. `work`: floating-point operations of a step of one column.
template <class T, class F>
void for_columns(std::size_t steps, std::size_t width, bool backwards, double work, const F& f) {
    constexpr std::size_t W = Lanes<T>::width;
    const auto at = [&](std::size_t k) { return backwards ? steps - 1 - k : k; };
    if (width <= W) { // the state stays in a register
        typename F::State state = f.first(0, width);
        for (std::size_t k = 0; k < steps; ++k) f.step(at(k))(state, 0, width);
        return;
    }
    constexpr std::size_t many = 16384 / sizeof(typename F::State); // in the cache
    const auto run = [&](std::size_t begin, std::size_t end) {
        std::array<typename F::State, many> states;
        for (std::size_t i = begin, v = 0; i < end; i += W, ++v)
            states[v] = f.first(i, std::min(W, end - i));
        for (std::size_t k = 0; k < steps; ++k) {
            const auto step = f.step(at(k));
            for (std::size_t i = begin, v = 0; i < end; i += W, ++v) {
                const std::size_t n = std::min(W, end - i);
                if constexpr (requires { step.before(i, n); }) {
                    auto state = step.before(i, n);
                    step(state, i, n);
                } else {
                    step(states[v], i, n);
                }
            }
        }
    };
    const auto pieces = [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; i += many * W) run(i, std::min(end, i + many * W));
    };
    const double all = work * static_cast<double>(steps) * static_cast<double>(width);
    if (threads::worth_splitting(all))
        threads::for_pieces(width, 64, pieces);
    else
        pieces(0, width);
}

} // namespace unroll::detail
