#pragma once

#include <unroll/nn/recurrent/recurrent.hpp>

namespace unroll::nn {

// An LSTM whose gates do not depend on the state (Feng et al. 2024, arXiv:2410.01201):
//   f = sigmoid(W_f x + b_f);  i = sigmoid(W_i x + b_i)
//   h' = f / (f + i) h + i / (f + i) (W_h x + b_h)
// Initialised as Linear is.
template <class T = float>
struct MinLstmCell {
    using value_type = T;
    static constexpr std::size_t states = 1;
    static constexpr const char* name = "MinLstm";

    MinLstmCell(std::size_t input, std::size_t hidden, Where where = Where::current());
    Variable<T> project(const Variable<T>& x, Where caller = Where::current()) const;
    State<T, 1> step(const Variable<T>& z, const State<T, 1>& state,
                     Where caller = Where::current()) const;
    Scanned<T, 1> scan(const Variable<T>& z, const State<T, 1>& state,
                       const LinearScanOptions& options) const;
    void members(Members<T>& m);

    Linear<T> gates; // rows of f, i, h
    ModuleName module_name{"MinLstmCell"};
};

template <class T = float>
using MinLstm = Recurrent<MinLstmCell<T>>;

#define UNROLL_DECLARE(T)                                                                          \
    extern template struct MinLstmCell<T>;                                                         \
    extern template class Recurrent<MinLstmCell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
