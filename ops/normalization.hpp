#pragma once

#include <unroll/core/autograd/record.hpp>

namespace unroll {

// (x - mean) / sqrt(variance + epsilon) along the last axis, times `gain` plus `bias` of its extent
// (Ba, Kiros, Hinton 2016). Throws Error where they do not fit.
template <class T>
Variable<T> layer_norm(const Variable<T>& x, const std::type_identity_t<Variable<T>>& gain,
                       const std::type_identity_t<Variable<T>>& bias, double epsilon = 1e-5,
                       Op op = "layer_norm");

// (x - mean) / sqrt(variance + epsilon) * gain + bias for each channel of x [batch, channels, ...],
// where all four are [channels]  (Ioffe and Szegedy 2015). Throws Error where they do not fit.
template <class T>
Variable<T> batch_norm(const Variable<T>& x, const std::type_identity_t<Variable<T>>& mean,
                       const std::type_identity_t<Variable<T>>& variance,
                       const std::type_identity_t<Variable<T>>& gain,
                       const std::type_identity_t<Variable<T>>& bias, double epsilon = 1e-5,
                       Op op = "batch_norm");

// The same with the mean and the variance of x itself, over all but its channels.
template <class T>
struct BatchNormalized {
    Variable<T> y, mean, variance;
};
template <class T>
BatchNormalized<T> batch_norm(const Variable<T>& x, const std::type_identity_t<Variable<T>>& gain,
                              const std::type_identity_t<Variable<T>>& bias, double epsilon = 1e-5,
                              Op op = "batch_norm");

// Each element becomes 0 with probability p, the others grow by 1 / (1 - p), while the tape of x
// records and is not evaluating; else x itself. Draws from the tape's randomness. p = 1 gives
// zeros. Throws Error for p outside [0, 1].  (Srivastava et al. 2014)
template <class T>
Variable<T> dropout(const Variable<T>& x, double p, Op op = "dropout");

} // namespace unroll
