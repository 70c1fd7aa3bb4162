#pragma once

#include <unroll/nn/recurrent/recurrent.hpp>

namespace unroll::nn {

// A quasi-recurrent network (Bradbury et al. 2017, arXiv:1611.01576): gates by a causal convolution
// over the last `window` inputs, and fo-pooling:
//   z = tanh(W_z * x);  f = sigmoid(W_f * x);  o = sigmoid(W_o * x)
//   c' = f c + (1 - f) z;  h' = o c'
// Initialised uniformly within 1 / sqrt(window input), as Convolution is.
struct QrnnOptions {
    std::size_t window = 2;
};

template <class T = float>
struct QrnnCell {
    using value_type = T;
    using Options = QrnnOptions;
    static constexpr std::size_t states = 3; // h, c, and products of earlier inputs
    static constexpr const char* name = "Qrnn";
    static constexpr std::array<const char*, 3> state_names{"h", "c", "products"};

    // Throws Error for a window of 0.
    QrnnCell(std::size_t input, std::size_t hidden, Options options = {},
             Where where = Where::current());
    Variable<T> project(const Variable<T>& x, Where caller = Where::current()) const;
    State<T, 3> step(const Variable<T>& z, const State<T, 3>& state,
                     Where caller = Where::current()) const;
    Scanned<T, 3> scan(const Variable<T>& z, const State<T, 3>& state,
                       const LinearScanOptions& options) const;
    std::array<std::size_t, 3> widths() const;
    void members(Members<T>& m);

    Options options;
    std::size_t hidden;
    Linear<T> taps; // without a bias: for each tap, that of the newest input first, rows of z, f, o
    Parameter<T> bias; // [3 hidden]
    ModuleName module_name{"QrnnCell"};
};

template <class T = float>
using Qrnn = Recurrent<QrnnCell<T>>;

#define UNROLL_DECLARE(T)                                                                          \
    extern template struct QrnnCell<T>;                                                            \
    extern template class Recurrent<QrnnCell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
