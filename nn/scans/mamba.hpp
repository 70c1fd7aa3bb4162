#pragma once

#include <unroll/nn/recurrent/recurrent.hpp>

namespace unroll::nn {

// A Mamba block (Gu and Dao 2023, arXiv:2312.00752), whose state space depends on the input:
//   u, g = W x;  v = silu(causal convolution of u, by channel);  δ, B, C = W_v v
//   Δ = softplus(W_δ δ + b);  A = -exp(log_decay);  s' = exp(Δ A) s + Δ B v
//   h' = W_o ((C s' + D v) silu(g))
// A is initialised as -1, ..., -states (S4D-Real), b so that softplus(b) is log-uniform within
// 0.001 and 0.1, W_δ uniformly within 1 / sqrt(rank), D as 1; W, W_v and W_o as in Linear, the
// convolution as Convolution is.
struct MambaOptions {
    std::size_t states = 16; // of each channel
    std::size_t window = 4;  // of the convolution
    std::size_t expand = 2;
    std::size_t rank = 0; // of Δ; 0: hidden / 16, rounded up
};

template <class T = float>
struct MambaCell {
    using value_type = T;
    using Options = MambaOptions;
    static constexpr std::size_t states = 3; // h, s, and the u before
    static constexpr const char* name = "Mamba";
    static constexpr std::array<const char*, 3> state_names{"h", "s", "inputs"};

    // Throws Error for sizes of 0.
    MambaCell(std::size_t input, std::size_t hidden, Options options = {},
              Where where = Where::current());
    Variable<T> project(const Variable<T>& x, Where caller = Where::current()) const;
    State<T, 3> step(const Variable<T>& z, const State<T, 3>& state,
                     Where caller = Where::current()) const;
    Scanned<T, 3> scan(const Variable<T>& z, const State<T, 3>& state,
                       const LinearScanOptions& options) const;
    std::array<std::size_t, 3> widths() const;
    void members(Members<T>& m);

    Options options;
    std::size_t hidden, width, rank; // width: of u, expand * hidden
    Linear<T> from_input;            // W, rows of u, g
    Parameter<T> taps, taps_bias;    // [window, width], the oldest step first; [width]
    Linear<T> selection;             // W_v, rows of δ, B, C
    Linear<T> step_size;             // W_δ and b
    Parameter<T> log_decay;          // [width, states]
    Parameter<T> direct;             // D [width]
    Linear<T> output;                // W_o
    ModuleName module_name{"MambaCell"};
};

template <class T = float>
using Mamba = Recurrent<MambaCell<T>>;

#define UNROLL_DECLARE(T)                                                                          \
    extern template struct MambaCell<T>;                                                           \
    extern template class Recurrent<MambaCell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
