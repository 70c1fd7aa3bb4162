#pragma once

#include <unroll/ops/operand.hpp>
#include <unroll/ops/reduce.hpp>

namespace unroll {

// Losses: the mean over all elements or targets that are not ignored, as a scalar; 0 if there are
// none.

template <class T>
auto mean_or_zero(const Variable<T>& losses) {
    return losses.size() == 0 ? sum(losses) : mean(losses);
}

struct CrossEntropyOptions {
    std::int64_t ignored = -100; // targets with this value are skipped
    double smoothing = 0;        // label smoothing: probability spread over all classes
};

// -log softmax(logits)[target], from logits [..., C] and targets [...]; 0 if all targets are
// ignored. Throws Error for a target outside [0, C), with its position.
template <class T>
Variable<T> cross_entropy(const Variable<T>& logits, const Indices& targets,
                          CrossEntropyOptions options = {}, Op op = "cross_entropy");

// -y log sigmoid(x) - (1 - y) log(1 - sigmoid(x)), for y in [0, 1] of x's shape.
template <class T>
Variable<T> binary_cross_entropy(const Variable<T>& logits,
                                 const std::type_identity_t<Variable<T>>& y,
                                 Op op = "binary_cross_entropy");

// (x - y)^2
template <class T>
Variable<T> mean_squared_error(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                               Op op = "mean_squared_error");

// (x - y)^2 / 2 within delta, otherwise delta (|x - y| - delta / 2)  (Huber 1964)
template <class T>
Variable<T> huber(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                  double delta = 1, Op op = "huber");

// The same for tensors.
auto cross_entropy(const TensorOperand auto& logits, const Indices& targets,
                   CrossEntropyOptions options = {}, Op op = "cross_entropy") {
    return cross_entropy(detail::variable(logits), targets, options, op);
}
template <TensorOperand X>
auto binary_cross_entropy(const X& logits, const Variable<scalar_t<X>>& y,
                          Op op = "binary_cross_entropy") {
    return binary_cross_entropy(detail::variable(logits), y, op);
}
template <TensorOperand X>
auto mean_squared_error(const X& x, const Variable<scalar_t<X>>& y, Op op = "mean_squared_error") {
    return mean_squared_error(detail::variable(x), y, op);
}
template <TensorOperand X>
auto huber(const X& x, const Variable<scalar_t<X>>& y, double delta = 1, Op op = "huber") {
    return huber(detail::variable(x), y, delta, op);
}

} // namespace unroll
