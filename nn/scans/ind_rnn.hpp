#pragma once

#include <unroll/nn/recurrent/recurrent.hpp>

namespace unroll::nn {

// Units that read only their own state (Li et al. 2018, arXiv:1803.04831):
//   h' = relu(W x + u h + b), or tanh
// W and b are initialised as in Linear, u uniformly in [0, 1). To read `steps` steps by ReLUs
// without explosion, bound |u| by 2^(1 / steps), as the paper does.
struct IndRnnOptions {
    bool relu = true;
};

template <class T = float>
struct IndRnnCell {
    using value_type = T;
    using Options = IndRnnOptions;
    static constexpr std::size_t states = 1;
    static constexpr const char* name = "IndRnn";

    IndRnnCell(std::size_t input, std::size_t hidden, Options options = {},
               Where where = Where::current());
    Variable<T> project(const Variable<T>& x, Where caller = Where::current()) const;
    State<T, 1> step(const Variable<T>& z, const State<T, 1>& state,
                     const StepContext<T>& context = {}, Where caller = Where::current()) const;
    void members(Members<T>& m);

    Options options;
    Linear<T> from_input;
    Parameter<T> recurrent; // u [hidden]
    ModuleName module_name{"IndRnnCell"};
};

template <class T = float>
using IndRnn = Recurrent<IndRnnCell<T>>;

#define UNROLL_DECLARE(T)                                                                          \
    extern template struct IndRnnCell<T>;                                                          \
    extern template class Recurrent<IndRnnCell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
