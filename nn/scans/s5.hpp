#pragma once

#include <unroll/nn/scans/state_space.hpp>

namespace unroll::nn {

struct S5Options {
    std::size_t width = 0;                  // of the complex state; 0: hidden
    double shortest = 0.001, longest = 0.1; // the initial steps Δ
};

// A continuous state space, discretised by zero-order hold (S5: Smith et al. 2023,
// arXiv:2208.04933; S4D: Gu et al. 2022, arXiv:2206.11893), a StateSpaceCell with
//   a = exp(Δ A),  b = (exp(Δ A) - 1) / A,  A = -exp(log_real) + i imaginary,  Δ = exp(log_step)
// A is initialised as -1/2 + i π n (S4D-Lin), Δ log-uniformly.
template <class T = float>
struct S5Dynamics {
    using value_type = T;
    using Options = S5Options;
    static constexpr const char* name = "S5";
    static constexpr const char* cell_name = "S5Cell";

    // Throws Error unless 0 < shortest < longest.
    S5Dynamics(std::size_t width, const Options& options, const Op& cell);
    StateSpaceCoefficients<T> coefficients() const;
    void members(Members<T>& m);

    Options options;
    std::size_t width;
    Parameter<T> log_real, imaginary, log_step; // [width]
};

template <class T = float>
using S5Cell = StateSpaceCell<S5Dynamics<T>>;
template <class T = float>
using S5 = Recurrent<S5Cell<T>>;

#define UNROLL_DECLARE(T)                                                                          \
    extern template struct S5Dynamics<T>;                                                          \
    extern template struct StateSpaceCell<S5Dynamics<T>>;                                          \
    extern template class Recurrent<S5Cell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
