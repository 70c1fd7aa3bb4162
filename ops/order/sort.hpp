#pragma once

#include <unroll/ops/operand.hpp>

namespace unroll {

// Order along an axis, as in NumPy: stable, with NaN last. Throw Error for an axis out of range.

// The elements in ascending order.
template <class T>
Variable<T> sort(const Variable<T>& x, std::ptrdiff_t axis = -1, Op op = "sort");
// Their positions along the axis before sorting; no gradient.
template <class T>
Indices argsort(const Variable<T>& x, std::ptrdiff_t axis = -1, Op op = "argsort");

// The values of topk(x, k), with a gradient: the k largest along the last axis in descending order,
// NaN first. Throws Error if there are fewer.
template <class T>
Variable<T> topk_values(const Variable<T>& x, std::size_t k, Op op = "topk_values");

// The same for tensors.
auto sort(const TensorOperand auto& x, std::ptrdiff_t axis = -1, Op op = "sort") {
    return sort(detail::variable(x), axis, op);
}
auto argsort(const TensorOperand auto& x, std::ptrdiff_t axis = -1, Op op = "argsort") {
    return argsort(detail::variable(x), axis, op);
}
auto topk_values(const TensorOperand auto& x, std::size_t k, Op op = "topk_values") {
    return topk_values(detail::variable(x), k, op);
}

} // namespace unroll
