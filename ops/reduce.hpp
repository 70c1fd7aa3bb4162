#pragma once

#include <unroll/ops/operand.hpp>

namespace unroll {

// Reductions over all elements, or over the axes listed, which are dropped unless kept with extent
// 1. Sums are pairwise: their error grows like the logarithm of the number of elements. The mean of
// equal numbers is that number; variance and norm neither overflow nor underflow before their
// result does. All propagate NaN. Negative axes count from the end. Names are xtensor's. Over no
// elements a sum is 0, a mean NaN and logsumexp -inf; amax and amin throw Error. All throw Error
// for an axis out of range or listed twice.

using Axes = std::initializer_list<std::ptrdiff_t>;

template <class T>
Variable<T> sum(const Variable<T>& x, Op op = "sum");
template <class T>
Variable<T> sum(const Variable<T>& x, Axes axes, bool keep_dims = false, Op op = "sum");
template <class T>
Variable<T> mean(const Variable<T>& x, Op op = "mean");
template <class T>
Variable<T> mean(const Variable<T>& x, Axes axes, bool keep_dims = false, Op op = "mean");
// Mean squared distance from the mean, divided by the number of elements minus `ddof`.
template <class T>
Variable<T> variance(const Variable<T>& x, Op op = "variance");
template <class T>
Variable<T> variance(const Variable<T>& x, Axes axes, std::size_t ddof = 0, bool keep_dims = false,
                     Op op = "variance");
// Euclidean norm; its derivative at 0 is 0.
template <class T>
Variable<T> norm_l2(const Variable<T>& x, Op op = "norm_l2");
template <class T>
Variable<T> norm_l2(const Variable<T>& x, Axes axes, bool keep_dims = false, Op op = "norm_l2");

// Largest and smallest element; the gradient goes to the first of equals, or to the first NaN.
template <class T>
Variable<T> amax(const Variable<T>& x, Op op = "amax");
template <class T>
Variable<T> amax(const Variable<T>& x, Axes axes, bool keep_dims = false, Op op = "amax");
template <class T>
Variable<T> amin(const Variable<T>& x, Op op = "amin");
template <class T>
Variable<T> amin(const Variable<T>& x, Axes axes, bool keep_dims = false, Op op = "amin");
// log sum exp x without overflow. If all elements are -inf: -inf, with gradient 0.
template <class T>
Variable<T> logsumexp(const Variable<T>& x, Op op = "logsumexp");
template <class T>
Variable<T> logsumexp(const Variable<T>& x, Axes axes, bool keep_dims = false, Op op = "logsumexp");

// Position of the first largest or smallest element along an axis, or of the first NaN; the axis is
// dropped; no gradient.
// Throws Error if the axis is empty.
template <class T>
Indices argmax(const Variable<T>& x, std::ptrdiff_t axis = -1, Op op = "argmax");
template <class T>
Indices argmin(const Variable<T>& x, std::ptrdiff_t axis = -1, Op op = "argmin");

// The k largest along the last axis in descending order, NaN first, earlier ones first among
// equals; no gradient.
template <class T = float>
struct TopK {
    Tensor<T> values;
    Indices indices;
};
template <class T>
TopK<T> topk(const Variable<T>& x, std::size_t k, Op op = "topk");

// The same for tensors.
auto sum(const TensorOperand auto& x, Op op = "sum") { return sum(detail::variable(x), op); }
auto sum(const TensorOperand auto& x, Axes axes, bool keep_dims = false, Op op = "sum") {
    return sum(detail::variable(x), axes, keep_dims, op);
}
auto mean(const TensorOperand auto& x, Op op = "mean") { return mean(detail::variable(x), op); }
auto mean(const TensorOperand auto& x, Axes axes, bool keep_dims = false, Op op = "mean") {
    return mean(detail::variable(x), axes, keep_dims, op);
}
auto variance(const TensorOperand auto& x, Op op = "variance") {
    return variance(detail::variable(x), op);
}
auto variance(const TensorOperand auto& x, Axes axes, std::size_t ddof = 0, bool keep_dims = false,
              Op op = "variance") {
    return variance(detail::variable(x), axes, ddof, keep_dims, op);
}
auto norm_l2(const TensorOperand auto& x, Op op = "norm_l2") {
    return norm_l2(detail::variable(x), op);
}
auto norm_l2(const TensorOperand auto& x, Axes axes, bool keep_dims = false, Op op = "norm_l2") {
    return norm_l2(detail::variable(x), axes, keep_dims, op);
}
auto amax(const TensorOperand auto& x, Op op = "amax") { return amax(detail::variable(x), op); }
auto amax(const TensorOperand auto& x, Axes axes, bool keep_dims = false, Op op = "amax") {
    return amax(detail::variable(x), axes, keep_dims, op);
}
auto amin(const TensorOperand auto& x, Op op = "amin") { return amin(detail::variable(x), op); }
auto amin(const TensorOperand auto& x, Axes axes, bool keep_dims = false, Op op = "amin") {
    return amin(detail::variable(x), axes, keep_dims, op);
}
auto logsumexp(const TensorOperand auto& x, Op op = "logsumexp") {
    return logsumexp(detail::variable(x), op);
}
auto logsumexp(const TensorOperand auto& x, Axes axes, bool keep_dims = false,
               Op op = "logsumexp") {
    return logsumexp(detail::variable(x), axes, keep_dims, op);
}
auto argmax(const TensorOperand auto& x, std::ptrdiff_t axis = -1, Op op = "argmax") {
    return argmax(detail::variable(x), axis, op);
}
auto argmin(const TensorOperand auto& x, std::ptrdiff_t axis = -1, Op op = "argmin") {
    return argmin(detail::variable(x), axis, op);
}
auto topk(const TensorOperand auto& x, std::size_t k, Op op = "topk") {
    return topk(detail::variable(x), k, op);
}

} // namespace unroll
