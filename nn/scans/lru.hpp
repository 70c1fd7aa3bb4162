#pragma once

#include <unroll/nn/recurrent/recurrent.hpp>

namespace unroll::nn {

// The linear recurrent unit (Orvieto et al. 2023, arXiv:2303.06349), whose state s is complex:
//   s' = Λ s + γ B x,  Λ = exp(-exp(nu) + i exp(theta)),  γ = sqrt(1 - |Λ|^2)
//   h' = Re(C s') + D x
// The eigenvalues Λ are initialised uniformly on a ring, B, C and D normally with variances
// 1 / (2 input), 1 / width and 1 / input.
struct LruOptions {
    std::size_t width = 0;            // of the complex state; 0: hidden
    double smallest = 0, largest = 1; // absolute values of the initial eigenvalues
    double phase = 6.283185307179586; // their largest angle
};

template <class T = float>
struct LruCell {
    using value_type = T;
    using Options = LruOptions;
    static constexpr std::size_t states = 3; // h, Re s, Im s
    static constexpr const char* name = "Lru";
    static constexpr std::array<const char*, 3> state_names{"h", "real part", "imaginary part"};

    // Throws Error unless 0 <= smallest < largest <= 1 and phase > 0.
    LruCell(std::size_t input, std::size_t hidden, Options options = {},
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
    Parameter<T> nu, theta;  // [width]
    Linear<T> input_matrix;  // B: rows of the real parts, then of the imaginary ones
    Linear<T> output_matrix; // C: columns of the real parts, then of the negative imaginary ones
    Linear<T> skip;          // D
    ModuleName module_name{"LruCell"};
};

template <class T = float>
using Lru = Recurrent<LruCell<T>>;

#define UNROLL_DECLARE(T)                                                                          \
    extern template struct LruCell<T>;                                                             \
    extern template class Recurrent<LruCell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
