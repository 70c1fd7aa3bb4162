#pragma once

#include <unroll/core/base/evaluating.hpp>
#include <unroll/ops/operand.hpp>

namespace unroll {

// (x - mean) / sqrt(variance + epsilon) along the last axis, times `gain` plus `bias`, both of the
// extent of that axis (Ba, Kiros, Hinton 2016). Throws Error if shapes do not match.
template <class T>
Variable<T> layer_norm(const Variable<T>& x, const std::type_identity_t<Variable<T>>& gain,
                       const std::type_identity_t<Variable<T>>& bias, double epsilon = 1e-5,
                       Op op = "layer_norm");

// x / sqrt(mean x^2 + epsilon) along the last axis, times `gain` of the extent of that axis (Zhang
// and Sennrich 2019). Throws Error if shapes do not match.
template <class T>
Variable<T> rms_norm(const Variable<T>& x, const std::type_identity_t<Variable<T>>& gain,
                     double epsilon = 1e-5, Op op = "rms_norm");

// (x - mean) / sqrt(variance + epsilon) * gain + bias for x [batch, channels, ...], with the mean
// and the variance of each example over each of `groups` equal groups of neighbouring channels;
// gain and bias are [channels]  (Wu and He 2018). Throws Error if shapes do not match or the groups
// are not equal.
template <class T>
Variable<T> group_norm(const Variable<T>& x, std::size_t groups,
                       const std::type_identity_t<Variable<T>>& gain,
                       const std::type_identity_t<Variable<T>>& bias, double epsilon = 1e-5,
                       Op op = "group_norm");

// (x - mean) / sqrt(variance + epsilon) * gain + bias for each channel of x [batch, channels, ...],
// where all four are [channels]  (Ioffe and Szegedy 2015). Throws Error if shapes do not match.
template <class T>
Variable<T> batch_norm(const Variable<T>& x, const std::type_identity_t<Variable<T>>& mean,
                       const std::type_identity_t<Variable<T>>& variance,
                       const std::type_identity_t<Variable<T>>& gain,
                       const std::type_identity_t<Variable<T>>& bias, double epsilon = 1e-5,
                       Op op = "batch_norm");

// The same with the mean and the variance of x itself, over all axes except the channels.
template <class T = float>
struct BatchNormalized {
    Variable<T> y, mean, variance;
};
template <class T>
BatchNormalized<T> batch_norm(const Variable<T>& x, const std::type_identity_t<Variable<T>>& gain,
                              const std::type_identity_t<Variable<T>>& bias, double epsilon = 1e-5,
                              Op op = "batch_norm");

// The tape for which an operation on x behaves as in training: the tape of x, or the current one.
// Null if nothing is recorded, in the scope of an Evaluating, and if the tape is_evaluating().
template <class T>
Tape<T>* training_tape(const Variable<T>& x) {
    Tape<T>* const tape = Tape<T>::recording(x);
    return tape != nullptr && !tape->is_evaluating() && !Evaluating::is_on() ? tape : nullptr;
}

// In training, where training_tape(x) is not null, sets each element to 0 with probability p and
// scales the others by 1 / (1 - p); otherwise returns x. Draws from the tape's generator. p = 1
// gives zeros. Throws Error for p outside [0, 1].  (Srivastava et al. 2014)
template <class T>
Variable<T> dropout(const Variable<T>& x, double p, Op op = "dropout");

// The same for tensors.
template <TensorOperand X>
auto layer_norm(const X& x, const Variable<scalar_t<X>>& gain, const Variable<scalar_t<X>>& bias,
                double epsilon = 1e-5, Op op = "layer_norm") {
    return layer_norm(detail::variable(x), gain, bias, epsilon, op);
}
template <TensorOperand X>
auto rms_norm(const X& x, const Variable<scalar_t<X>>& gain, double epsilon = 1e-5,
              Op op = "rms_norm") {
    return rms_norm(detail::variable(x), gain, epsilon, op);
}
template <TensorOperand X>
auto group_norm(const X& x, std::size_t groups, const Variable<scalar_t<X>>& gain,
                const Variable<scalar_t<X>>& bias, double epsilon = 1e-5, Op op = "group_norm") {
    return group_norm(detail::variable(x), groups, gain, bias, epsilon, op);
}
template <TensorOperand X>
auto batch_norm(const X& x, const Variable<scalar_t<X>>& mean,
                const Variable<scalar_t<X>>& variance, const Variable<scalar_t<X>>& gain,
                const Variable<scalar_t<X>>& bias, double epsilon = 1e-5, Op op = "batch_norm") {
    return batch_norm(detail::variable(x), mean, variance, gain, bias, epsilon, op);
}
template <TensorOperand X>
auto batch_norm(const X& x, const Variable<scalar_t<X>>& gain, const Variable<scalar_t<X>>& bias,
                double epsilon = 1e-5, Op op = "batch_norm") {
    return batch_norm(detail::variable(x), gain, bias, epsilon, op);
}
auto dropout(const TensorOperand auto& x, double p, Op op = "dropout") {
    return dropout(detail::variable(x), p, op);
}

} // namespace unroll
