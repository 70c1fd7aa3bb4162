#pragma once

#include <unroll/nn/recurrent/recurrent.hpp>

namespace unroll::nn {

// The real-gated linear recurrent unit of Griffin (De et al. 2024, arXiv:2402.19427), with c = 8:
//   r = sigmoid(W_a x + b_a);  i = sigmoid(W_x x + b_x);  a = exp(-c softplus(decay) r)
//   h' = a h + sqrt(1 - a^2) i x
// If input and hidden differ, W x + b replaces x. Weights are initialised as in Linear, decay so
// that a is uniform within 0.9 and 0.999 for r = 1, as in the paper.
template <class T = float>
struct RgLruCell {
    using value_type = T;
    static constexpr std::size_t states = 1;
    static constexpr const char* name = "RgLru";

    RgLruCell(std::size_t input, std::size_t hidden, Where where = Where::current());
    Variable<T> project(const Variable<T>& x, Where caller = Where::current()) const;
    State<T, 1> step(const Variable<T>& z, const State<T, 1>& state,
                     Where caller = Where::current()) const;
    Scanned<T, 1> scan(const Variable<T>& z, const State<T, 1>& state,
                       const LinearScanOptions& options) const;
    void members(Members<T>& m);

    static constexpr double c = 8;
    std::optional<Linear<T>> from_input;
    Linear<T> gates;    // rows of r, i
    Parameter<T> decay; // [hidden]
    ModuleName module_name{"RgLruCell"};
};

template <class T = float>
using RgLru = Recurrent<RgLruCell<T>>;

#define UNROLL_DECLARE(T)                                                                          \
    extern template struct RgLruCell<T>;                                                           \
    extern template class Recurrent<RgLruCell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
