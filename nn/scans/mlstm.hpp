#pragma once

#include <unroll/nn/recurrent/recurrent.hpp>

namespace unroll::nn {

// The matrix LSTM of xLSTM (Beck et al. 2024, arXiv:2405.04517), whose memory C is a matrix in each
// head. With q, k, v, o [heads, d] and the gates i, f [heads] of W x + b, and k divided by √d:
//   m' = max(log sigmoid(f) + m, i);  i' = exp(i - m');  f' = exp(log sigmoid(f) + m - m')
//   C' = f' C + i' v k^T;  n' = f' n + i' k;  h' = sigmoid(o) C' q / max(|n' q|, exp(-m'))
// C and n are stored divided by exp(m). Initialised as Linear is; the paper recommends forget
// biases of 3 to 6.
struct MLstmOptions {
    std::size_t heads = 1;  // a divisor of hidden
    double forget_bias = 0; // added to the initial bias of the forget gates
};

template <class T = float>
struct MLstmCell {
    using value_type = T;
    using Options = MLstmOptions;
    static constexpr std::size_t states = 4; // h, C, n, m
    static constexpr const char* name = "MLstm";
    static constexpr std::array<const char*, 4> state_names{"h", "C", "n", "m"};

    // Throws Error if heads do not divide hidden.
    MLstmCell(std::size_t input, std::size_t hidden, Options options = {},
              Where where = Where::current());
    Variable<T> project(const Variable<T>& x, Where caller = Where::current()) const;
    State<T, 4> step(const Variable<T>& z, const State<T, 4>& state,
                     Where caller = Where::current()) const;
    // In chunks, within which memories are not computed: their reads are products of all pairs of
    // steps, as in attention.
    Scanned<T, 4> scan(const Variable<T>& z, const State<T, 4>& state,
                       const LinearScanOptions& options) const;
    std::array<std::size_t, 4> widths() const;
    void members(Members<T>& m);

    Options options;
    std::size_t hidden, width; // width: d
    Linear<T> gates;           // rows of q, k, v, o, and then of i, f
    ModuleName module_name{"MLstmCell"};
};

template <class T = float>
using MLstm = Recurrent<MLstmCell<T>>;

#define UNROLL_DECLARE(T)                                                                          \
    extern template struct MLstmCell<T>;                                                           \
    extern template class Recurrent<MLstmCell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
