#pragma once

#include <unroll/ops/operand.hpp>

namespace unroll {

// Random constants. They are drawn from the generator of the recording tape, as in dropout(), or
// from thread_random() if none records, and in evaluation, too. A sample of a normal distribution
// whose parameters are learned (Kingma and Welling 2014):
//   mean + exp(log_deviation) * random_normal_like(mean)
// All throw Error for parameters that are not finite or out of range.

// Normal, with a standard deviation of at least 0.
template <class T = float>
Variable<T> random_normal(const Shape& shape, double mean = 0, double deviation = 1,
                          Op op = "random_normal");
// Uniform in [low, high), up to rounding; low <= high.
template <class T = float>
Variable<T> random_uniform(const Shape& shape, double low = 0, double high = 1,
                           Op op = "random_uniform");
// 1 with the given probability, otherwise 0.
template <class T = float>
Variable<T> bernoulli(const Shape& shape, double probability = 0.5, Op op = "bernoulli");

// The same in the shape of x, from the generator of its tape.
template <class T>
Variable<T> random_normal_like(const Variable<T>& x, double mean = 0, double deviation = 1,
                               Op op = "random_normal_like");
template <class T>
Variable<T> random_uniform_like(const Variable<T>& x, double low = 0, double high = 1,
                                Op op = "random_uniform_like");
template <class T>
Variable<T> bernoulli_like(const Variable<T>& x, double probability = 0.5,
                           Op op = "bernoulli_like");

struct GumbelSoftmaxOptions {
    double temperature = 1;
    bool hard = false; // 1 for the largest element and 0 for the others, with the gradient of the
                       // soft result
    std::ptrdiff_t axis = -1;
};

// softmax((x + g) / temperature) with g = -log(-log u), u uniform in (0, 1), for logits x: a
// differentiable sample of a categorical distribution  (Jang et al. 2017; Maddison et al. 2017).
// Throws Error for a temperature that is not positive and finite.
template <class T>
Variable<T> gumbel_softmax(const Variable<T>& x, const GumbelSoftmaxOptions& options = {},
                           Op op = "gumbel_softmax");

// The same for tensors.
auto random_normal_like(const TensorOperand auto& x, double mean = 0, double deviation = 1,
                        Op op = "random_normal_like") {
    return random_normal_like(detail::variable(x), mean, deviation, op);
}
auto random_uniform_like(const TensorOperand auto& x, double low = 0, double high = 1,
                         Op op = "random_uniform_like") {
    return random_uniform_like(detail::variable(x), low, high, op);
}
auto bernoulli_like(const TensorOperand auto& x, double probability = 0.5,
                    Op op = "bernoulli_like") {
    return bernoulli_like(detail::variable(x), probability, op);
}
auto gumbel_softmax(const TensorOperand auto& x, const GumbelSoftmaxOptions& options = {},
                    Op op = "gumbel_softmax") {
    return gumbel_softmax(detail::variable(x), options, op);
}

} // namespace unroll
