#include <unroll/nn/initialize.hpp>
#include <unroll/nn/scans/lru.hpp>
#include <unroll/ops/fuse/fuse.hpp>

#include <cmath>

namespace unroll::nn {

template <class T>
LruDynamics<T>::LruDynamics(std::size_t width, const Options& o, const Op& cell)
    : options(o), width(width) {
    if (!(o.smallest >= 0 && o.smallest < o.largest && o.largest <= 1 && o.phase > 0))
        fail(cell, "expected 0 <= smallest < largest <= 1 and phase > 0, got smallest " +
                       std::to_string(o.smallest) + ", largest " + std::to_string(o.largest) +
                       " and phase " + std::to_string(o.phase));
    Tensor<double> draws({2, width});
    next_stream().fill_uniform(draws.data(), draws.size(), 0.0, 1.0);
    Tensor<T> log_decays({width}), log_angles({width});
    const double low = o.smallest * o.smallest, high = o.largest * o.largest;
    for (std::size_t i = 0; i < width; ++i) {
        // Draws in (0, 1): the logarithms are finite.
        const double u = std::max(draws(0, i), 1e-12), v = std::max(draws(1, i), 1e-12);
        log_decays.data()[i] = static_cast<T>(std::log(-0.5 * std::log(low + u * (high - low))));
        log_angles.data()[i] = static_cast<T>(std::log(v * o.phase));
    }
    nu = Parameter<T>("nu", log_decays);
    theta = Parameter<T>("theta", log_angles);
}

template <class T>
void LruDynamics<T>::members(Members<T>& m) {
    m("nu", nu)("theta", theta);
}

template <class T>
StateSpaceCoefficients<T> LruDynamics<T>::coefficients() const {
    const auto [re, im, gamma] =
        fuse("lru",
             named("ν θ -> Λ Λ' γ",
                   [](auto nu, auto theta) {
                       const auto decay = exp(nu), angle = exp(theta);
                       return outputs(exp(-decay) * cos(angle), exp(-decay) * sin(angle),
                                      sqrt(-expm1(-2 * decay)));
                   }),
             nu, theta);
    return {{re, im}, {gamma, T(0)}};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct LruDynamics<T>;                                                                \
    template struct StateSpaceCell<LruDynamics<T>>;                                                \
    template class Recurrent<LruCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
