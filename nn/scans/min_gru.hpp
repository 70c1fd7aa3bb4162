#pragma once

#include <unroll/nn/recurrent/recurrent.hpp>

namespace unroll::nn {

// A GRU whose gate does not depend on the state (Feng et al. 2024, arXiv:2410.01201):
//   z = sigmoid(W_z x + b_z);  h' = (1 - z) h + z (W_h x + b_h)
// Initialised as Linear is.
template <class T = float>
struct MinGruCell {
    using value_type = T;
    static constexpr std::size_t states = 1;
    static constexpr const char* name = "MinGru";

    MinGruCell(std::size_t input, std::size_t hidden, Where where = Where::current());
    Variable<T> project(const Variable<T>& x, Where caller = Where::current()) const;
    State<T, 1> step(const Variable<T>& z, const State<T, 1>& state,
                     Where caller = Where::current()) const;
    Scanned<T, 1> scan(const Variable<T>& z, const State<T, 1>& state,
                       const LinearScanOptions& options) const;
    void members(Members<T>& m);

    Linear<T> gates; // rows of z, h
    ModuleName module_name{"MinGruCell"};
};

template <class T = float>
using MinGru = Recurrent<MinGruCell<T>>;

#define UNROLL_DECLARE(T)                                                                          \
    extern template struct MinGruCell<T>;                                                          \
    extern template class Recurrent<MinGruCell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
