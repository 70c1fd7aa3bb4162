#pragma once

#include <unroll/nn/recurrent/recurrent.hpp>

namespace unroll::nn {

// The scalar LSTM of xLSTM (Beck et al. 2024, arXiv:2405.04517), with an exponential input gate.
// Gates i, f, z, o, each of W x + U h + b:
//   m' = max(log sigmoid(f) + m, i);  i' = exp(i - m');  f' = exp(log sigmoid(f) + m - m')
//   c' = f' c + i' tanh(z);  n' = f' n + i';  h' = sigmoid(o) c' / n'
// c and n are stored divided by exp(m). From zeros, m' = i. Initialised as Lstm is; the paper
// recommends forget biases of 3 to 6.
struct SLstmOptions {
    double forget_bias = 0; // added to the initial bias of the forget gate
    bool layer_norm = false;
};

template <class T = float>
struct SLstmCell : CellParameters<T> {
    using value_type = T;
    using Options = SLstmOptions;
    static constexpr std::size_t states = 4; // h, c, n, m
    static constexpr const char* name = "SLstm";
    static constexpr std::array<const char*, 4> state_names{"h", "c", "n", "m"};

    SLstmCell(std::size_t input, std::size_t hidden, Options options = {},
              Where where = Where::current());
    Variable<T> project(const Variable<T>& x, Where caller = Where::current()) const;
    State<T, 4> step(const Variable<T>& z, const State<T, 4>& state,
                     const StepContext<T>& context = {}, Where caller = Where::current()) const;

    Options options;
};

template <class T = float>
using SLstm = Recurrent<SLstmCell<T>>;

#define UNROLL_DECLARE(T)                                                                          \
    extern template struct SLstmCell<T>;                                                           \
    extern template class Recurrent<SLstmCell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
