#pragma once

#include <unroll/nn/recurrent/recurrent.hpp>

namespace unroll::nn {

// h' = g(W_ih x + b_ih + W_hh h + b_hh), g = tanh or ReLU  (Elman 1990)
struct RnnOptions {
    bool relu = false;
    bool layer_norm = false;
};

template <class T = float>
struct RnnCell : CellParameters<T> {
    using value_type = T;
    using Options = RnnOptions;
    static constexpr std::size_t states = 1;
    static constexpr const char* name = "Rnn";

    RnnCell(std::size_t input, std::size_t hidden, Options options = {},
            Where where = Where::current())
        : CellParameters<T>(Op("RnnCell", where), input, hidden, 1, options.layer_norm),
          options(options) {}
    Variable<T> project(const Variable<T>& x, Where caller = Where::current()) const;
    State<T, 1> step(const Variable<T>& z, const State<T, 1>& state,
                     const StepContext<T>& context = {}, Where caller = Where::current()) const;

    Options options;
};

template <class T = float>
using Rnn = Recurrent<RnnCell<T>>;

#define UNROLL_DECLARE(T)                                                                          \
    extern template struct RnnCell<T>;                                                             \
    extern template class Recurrent<RnnCell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
