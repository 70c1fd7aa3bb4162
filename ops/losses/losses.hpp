#pragma once

#include <unroll/ops/loss.hpp>

namespace unroll {

// More losses, of operands of the same shape, with PyTorch's defaults. Throw Error if shapes
// differ.

// |x - y|
template <class T>
Variable<T> l1_loss(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                    Reduction reduction = Reduction::mean, Op op = "l1_loss");

// (x - y)^2 / (2 beta) within beta, otherwise |x - y| - beta / 2: huber divided by beta. Throws
// Error unless beta is positive.
template <class T>
Variable<T> smooth_l1(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                      double beta = 1, Reduction reduction = Reduction::mean, Op op = "smooth_l1");

struct KlDivergenceOptions {
    bool log_target = false; // the target is given as log probabilities, as x is
    Reduction reduction = Reduction::mean;
};

// y (log y - x), for log probabilities x and probabilities y; 0 where y is 0. Reduction::sum is the
// divergence of distributions; the mean is over elements, too, not only over distributions.
template <class T>
Variable<T> kl_divergence(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                          const KlDivergenceOptions& options = {}, Op op = "kl_divergence");

struct GaussianNllOptions {
    bool full = false;     // adds the constant log(2 pi) / 2
    double epsilon = 1e-6; // the least variance; smaller ones count as this, without a gradient
    Reduction reduction = Reduction::mean;
};

// (log v + (x - y)^2 / v) / 2, for a mean x, a target y, and a variance v, which broadcasts to x.
// Throws Error for negative variances.
template <class T>
Variable<T> gaussian_nll(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                         const std::type_identity_t<Variable<T>>& variance,
                         const GaussianNllOptions& options = {}, Op op = "gaussian_nll");

struct PoissonNllOptions {
    bool log_input = true; // x is the logarithm of the rate
    bool full = false;     // adds y log y - y + log(2 pi y) / 2 for y > 1, Stirling's log y!
    double epsilon = 1e-8; // added to a rate before its logarithm
    Reduction reduction = Reduction::mean;
};

// e^x - y x, or x - y log(x + epsilon) for a rate x, for counts y.
template <class T>
Variable<T> poisson_nll(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                        const PoissonNllOptions& options = {}, Op op = "poisson_nll");

// The same for tensors.
template <TensorOperand X>
auto l1_loss(const X& x, const Variable<scalar_t<X>>& y, Reduction reduction = Reduction::mean,
             Op op = "l1_loss") {
    return l1_loss(detail::variable(x), y, reduction, op);
}
template <TensorOperand X>
auto smooth_l1(const X& x, const Variable<scalar_t<X>>& y, double beta = 1,
               Reduction reduction = Reduction::mean, Op op = "smooth_l1") {
    return smooth_l1(detail::variable(x), y, beta, reduction, op);
}
template <TensorOperand X>
auto kl_divergence(const X& x, const Variable<scalar_t<X>>& y,
                   const KlDivergenceOptions& options = {}, Op op = "kl_divergence") {
    return kl_divergence(detail::variable(x), y, options, op);
}
template <TensorOperand X>
auto gaussian_nll(const X& x, const Variable<scalar_t<X>>& y, const Variable<scalar_t<X>>& variance,
                  const GaussianNllOptions& options = {}, Op op = "gaussian_nll") {
    return gaussian_nll(detail::variable(x), y, variance, options, op);
}
template <TensorOperand X>
auto poisson_nll(const X& x, const Variable<scalar_t<X>>& y, const PoissonNllOptions& options = {},
                 Op op = "poisson_nll") {
    return poisson_nll(detail::variable(x), y, options, op);
}

} // namespace unroll
