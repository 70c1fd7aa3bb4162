#pragma once

#include <unroll/nn/scans/state_space.hpp>

namespace unroll::nn {

struct LruOptions {
    std::size_t width = 0;            // of the complex state; 0: hidden
    double smallest = 0, largest = 1; // absolute values of the initial eigenvalues
    double phase = 6.283185307179586; // their largest angle
};

// The linear recurrent unit (Orvieto et al. 2023, arXiv:2303.06349), a StateSpaceCell with
//   a = Λ = exp(-exp(nu) + i exp(theta)),  b = sqrt(1 - |Λ|^2)
// The eigenvalues Λ are initialised uniformly on a ring, as in the paper.
template <class T = float>
struct LruDynamics {
    using value_type = T;
    using Options = LruOptions;
    static constexpr const char* name = "Lru";
    static constexpr const char* cell_name = "LruCell";

    // Throws Error unless 0 <= smallest < largest <= 1 and phase > 0.
    LruDynamics(std::size_t width, const Options& options, const Op& cell);
    StateSpaceCoefficients<T> coefficients() const;
    void members(Members<T>& m);

    Options options;
    std::size_t width;
    Parameter<T> nu, theta; // [width]
};

template <class T = float>
using LruCell = StateSpaceCell<LruDynamics<T>>;
template <class T = float>
using Lru = Recurrent<LruCell<T>>;

#define UNROLL_DECLARE(T)                                                                          \
    extern template struct LruDynamics<T>;                                                         \
    extern template struct StateSpaceCell<LruDynamics<T>>;                                         \
    extern template class Recurrent<LruCell<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
