#include <unroll/nn/initialize.hpp>
#include <unroll/nn/scans/s5.hpp>
#include <unroll/ops/fuse/fuse.hpp>

#include <cmath>
#include <numbers>

namespace unroll::nn {

template <class T>
S5Dynamics<T>::S5Dynamics(std::size_t width, const Options& o, const Op& cell)
    : options(o), width(width) {
    if (!(o.shortest > 0 && o.shortest < o.longest && std::isfinite(o.longest)))
        fail(cell, "expected 0 < shortest < longest, got shortest " + std::to_string(o.shortest) +
                       " and longest " + std::to_string(o.longest));
    Tensor<T> real({width}), angle({width}), step({width});
    next_stream().fill_uniform(step.data(), width, static_cast<T>(std::log(o.shortest)),
                               static_cast<T>(std::log(o.longest)));
    for (std::size_t n = 0; n < width; ++n) {
        real.data()[n] = static_cast<T>(std::log(0.5));
        angle.data()[n] = static_cast<T>(std::numbers::pi * static_cast<double>(n));
    }
    log_real = Parameter<T>("log_real", real);
    imaginary = Parameter<T>("imaginary", angle);
    log_step = Parameter<T>("log_step", step);
}

template <class T>
void S5Dynamics<T>::members(Members<T>& m) {
    m("log_real", log_real)("imaginary", imaginary)("log_step", log_step);
}

template <class T>
StateSpaceCoefficients<T> S5Dynamics<T>::coefficients() const {
    const auto [re, im, b, bi] =
        fuse("s5",
             named("α ω δ -> e^ΔA e^ΔA' b b'",
                   [](auto log_real, auto imaginary, auto log_step) {
                       // x + i y = Δ A, and n + i m = e^(x + i y) - 1 without cancellation.
                       const auto step = exp(log_step);
                       const auto x = -step * exp(log_real), y = step * imaginary;
                       const auto half = sin(0.5 * y);
                       const auto n = expm1(x) * cos(y) - 2 * half * half;
                       const auto m = exp(x) * sin(y);
                       const auto scale = step / (x * x + y * y);
                       return outputs(exp(x) * cos(y), m, (n * x + m * y) * scale,
                                      (m * x - n * y) * scale);
                   }),
             log_real, imaginary, log_step);
    return {{re, im}, {b, bi}};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct S5Dynamics<T>;                                                                 \
    template struct StateSpaceCell<S5Dynamics<T>>;                                                 \
    template class Recurrent<S5Cell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
