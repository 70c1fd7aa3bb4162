#pragma once

#include <unroll/nn/recurrent/recurrent.hpp>

namespace unroll::nn {

// A diagonal state space, discretised by zero-order hold (S5: Smith et al. 2023, arXiv:2208.04933;
// S4D: Gu et al. 2022, arXiv:2206.11893), whose state s is complex:
//   s' = exp(Δ A) s + (exp(Δ A) - 1) / A B x,  A = -exp(log_real) + i imaginary,  Δ = exp(log_step)
//   h' = Re(C s') + D x
// A is initialised as -1/2 + i π n (S4D-Lin), Δ log-uniformly; B, C and D normally with variances
// 1 / (2 input), 1 / width and 1 / input.
struct S5Options {
    std::size_t width = 0;                  // of the complex state; 0: hidden
    double shortest = 0.001, longest = 0.1; // the initial steps Δ
};

template <class T = float>
struct S5Cell {
    using value_type = T;
    using Options = S5Options;
    static constexpr std::size_t states = 3; // h, Re s, Im s
    static constexpr const char* name = "S5";
    static constexpr std::array<const char*, 3> state_names{"h", "real part", "imaginary part"};

    // Throws Error unless 0 < shortest < longest.
    S5Cell(std::size_t input, std::size_t hidden, Options options = {},
           Where where = Where::current());
    Variable<T> project(const Variable<T>& x, Where caller = Where::current()) const;
    State<T, 3> step(const Variable<T>& z, const State<T, 3>& state,
                     Where caller = Where::current()) const;
    Scanned<T, 3> scan(const Variable<T>& z, const State<T, 3>& state,
                       const LinearScanOptions& options) const;
    std::array<std::size_t, 3> widths() const;
    void members(Members<T>& m);

    Options options;
    std::size_t hidden, width;
    Parameter<T> log_real, imaginary, log_step; // [width]
    Linear<T> input_matrix;  // B: rows of the real parts, then of the imaginary ones
    Linear<T> output_matrix; // C: columns of the real parts, then of the negative imaginary ones
    Linear<T> skip;          // D
    ModuleName module_name{"S5Cell"};
};

template <class T = float>
using S5 = Recurrent<S5Cell<T>>;

#define UNROLL_DECLARE(T)                                                                          \
    extern template struct S5Cell<T>;                                                              \
    extern template class Recurrent<S5Cell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
