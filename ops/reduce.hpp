#pragma once

#include <unroll/core/autograd/record.hpp>

namespace unroll {

// Reductions over all elements, or over the axes listed, which are dropped unless kept with extent
// 1. Axes may count from the back. Names are xtensor's. Over no elements a sum is 0 and a mean is
// NaN; amax, amin and logsumexp's maximum throw Error for amax and amin, and give -inf. All throw
// Error for an axis out of range or listed twice.

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

// Largest and smallest element; the gradient goes to the first of equals.
template <class T>
Variable<T> amax(const Variable<T>& x, Op op = "amax");
template <class T>
Variable<T> amax(const Variable<T>& x, Axes axes, bool keep_dims = false, Op op = "amax");
template <class T>
Variable<T> amin(const Variable<T>& x, Op op = "amin");
template <class T>
Variable<T> amin(const Variable<T>& x, Axes axes, bool keep_dims = false, Op op = "amin");
// log sum exp x without overflow; -inf where all are, with gradient 0.
template <class T>
Variable<T> logsumexp(const Variable<T>& x, Op op = "logsumexp");
template <class T>
Variable<T> logsumexp(const Variable<T>& x, Axes axes, bool keep_dims = false, Op op = "logsumexp");

// Position of the first largest or smallest element along an axis, which is dropped; no gradient.
// Throws Error where the axis is empty.
template <class T>
Indices argmax(const Variable<T>& x, std::ptrdiff_t axis = -1, Op op = "argmax");
template <class T>
Indices argmin(const Variable<T>& x, std::ptrdiff_t axis = -1, Op op = "argmin");

// The k largest along the last axis in falling order, earlier ones first among equals; no gradient.
template <class T>
struct TopK {
    Tensor<T> values;
    Indices indices;
};
template <class T>
TopK<T> topk(const Variable<T>& x, std::size_t k, Op op = "topk");

} // namespace unroll
