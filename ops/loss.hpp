#pragma once

#include <unroll/ops/operand.hpp>
#include <unroll/ops/reduce.hpp>

#include <vector>

namespace unroll {

// Losses of each element or target. Targets that are ignored have loss 0.

// What a loss returns: each loss, their sum, or their mean, which is 0 if there are none.
enum class Reduction { none, sum, mean };

template <class T>
auto mean_or_zero(const Variable<T>& losses) {
    return losses.size() == 0 ? sum(losses) : mean(losses);
}
namespace detail {
template <class T>
auto reduced(const Variable<T>& losses, Reduction reduction) {
    return reduction == Reduction::none  ? losses
           : reduction == Reduction::sum ? sum(losses)
                                         : mean_or_zero(losses);
}
} // namespace detail

struct CrossEntropyOptions {
    std::int64_t ignored = -100;      // targets with this value are skipped
    double smoothing = 0;             // label smoothing: probability spread over all classes
    std::vector<double> weights = {}; // of the classes; empty: 1
    Reduction reduction = Reduction::mean;
};

// -log p[target] for p = softmax(logits), from logits [..., C] and targets [...]. With class
// weights w and label smoothing s it is -(1 - s) w[target] log p[target] - s / C sum(w log p), and
// the mean is the sum of the losses divided by that of w[target], as in PyTorch, but 0 if that is
// 0. Throws Error for a target outside [0, C), with its position, and for weights that are negative
// or not C numbers.
template <class T>
Variable<T> cross_entropy(const Variable<T>& logits, const Indices& targets,
                          const CrossEntropyOptions& options = {}, Op op = "cross_entropy");

struct BinaryCrossEntropyOptions {
    std::vector<double> pos_weight = {}; // of y = 1, one or one for each of the last axis; empty: 1
    Reduction reduction = Reduction::mean;
};

// -w y log sigmoid(x) - (1 - y) log(1 - sigmoid(x)), for y in [0, 1] of x's shape and positive
// weights w. Throws Error for a y outside [0, 1], with its position.
template <class T>
Variable<T>
binary_cross_entropy(const Variable<T>& logits, const std::type_identity_t<Variable<T>>& y,
                     const BinaryCrossEntropyOptions& options = {}, Op op = "binary_cross_entropy");

// (x - y)^2
template <class T>
Variable<T> mean_squared_error(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                               Reduction reduction = Reduction::mean, Op op = "mean_squared_error");

// (x - y)^2 / 2 within delta, otherwise delta (|x - y| - delta / 2)  (Huber 1964)
template <class T>
Variable<T> huber(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                  double delta = 1, Reduction reduction = Reduction::mean, Op op = "huber");

// For anything else in place of class numbers: only reports it.
template <class X, class Y>
requires(
    std::convertible_to<const Y&, Variable<float>> ||
    std::convertible_to<const Y&, Variable<double>>) void cross_entropy(const X&, const Y&,
                                                                        const CrossEntropyOptions& =
                                                                            {}) {
    static_assert(
        sizeof(Y) == 0,
        "cross_entropy: targets are class numbers, Indices [...] for logits [..., C]; for "
        "probabilities p [..., C] write -sum(p * log_softmax(logits), {-1})");
}

// The same for tensors.
auto cross_entropy(const TensorOperand auto& logits, const Indices& targets,
                   const CrossEntropyOptions& options = {}, Op op = "cross_entropy") {
    return cross_entropy(detail::variable(logits), targets, options, op);
}
template <TensorOperand X>
auto binary_cross_entropy(const X& logits, const Variable<scalar_t<X>>& y,
                          const BinaryCrossEntropyOptions& options = {},
                          Op op = "binary_cross_entropy") {
    return binary_cross_entropy(detail::variable(logits), y, options, op);
}
template <TensorOperand X>
auto mean_squared_error(const X& x, const Variable<scalar_t<X>>& y,
                        Reduction reduction = Reduction::mean, Op op = "mean_squared_error") {
    return mean_squared_error(detail::variable(x), y, reduction, op);
}
template <TensorOperand X>
auto huber(const X& x, const Variable<scalar_t<X>>& y, double delta = 1,
           Reduction reduction = Reduction::mean, Op op = "huber") {
    return huber(detail::variable(x), y, delta, reduction, op);
}

} // namespace unroll
