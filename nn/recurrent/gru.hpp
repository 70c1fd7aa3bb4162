#pragma once

#include <unroll/nn/recurrent/recurrent.hpp>

namespace unroll::nn {

// Gates r, z, n, of which r and z are sigmoids. The candidate n is
//   Reset::after    tanh(W x + b + r (U h + b')), as in cuDNN and PyTorch
//   Reset::before   tanh(W x + b + U (r h) + b')  (Cho et al. 2014)
//   Reset::none     tanh(W x + b + U h + b'); the weights' rows for r are not used
// and the new state
//   Update::keeps_old   h' = z h + (1 - z) n
//   Update::lets_new    h' = (1 - z) h + z n
struct GruOptions {
    enum class Reset { after, before, none } reset = Reset::after;
    enum class Update { keeps_old, lets_new } update = Update::keeps_old;
    bool layer_norm = false; // of W x and of U h, all gates at once; not with Reset::before
};

template <class T = float>
struct GruCell : CellParameters<T> {
    using value_type = T;
    using Options = GruOptions;
    static constexpr std::size_t states = 1;
    static constexpr std::size_t recurrent_gates = 3;
    static constexpr const char* name = "Gru";

    // Throws Error for layer normalisation with Reset::before.
    GruCell(std::size_t input, std::size_t hidden, Options options = {},
            Where where = Where::current());
    Variable<T> project(const Variable<T>& x, Where caller = Where::current()) const;
    State<T, 1> step(const Variable<T>& z, const State<T, 1>& state,
                     const StepContext<T>& context = {}, Where caller = Where::current()) const;

    Options options;

private:
    template <class Keeps>
    Variable<T> mixed_step(const Variable<T>& x, const Variable<T>& h,
                           const StepContext<T>& context, Keeps) const;
};

template <class T = float>
using Gru = Recurrent<GruCell<T>>;

#define UNROLL_DECLARE(T)                                                                          \
    extern template struct GruCell<T>;                                                             \
    extern template class Recurrent<GruCell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
