#pragma once

#include <unroll/ops/reduce.hpp>

namespace unroll {

// More reductions over all elements, or over the axes listed, as in ops/reduce.hpp: axes are
// dropped unless kept with extent 1, and NaN propagates. All throw Error for an axis out of range
// or listed twice.

// Product, computed one element after the other. Its derivative is exact where elements are 0. Over
// no elements: 1.
template <class T>
Variable<T> prod(const Variable<T>& x, Op op = "prod");
template <class T>
Variable<T> prod(const Variable<T>& x, Axes axes, bool keep_dims = false, Op op = "prod");
// Square root of the variance; it neither overflows nor underflows before its result does. Its
// derivative is 0 where all elements are equal. Over no elements: NaN.
template <class T>
Variable<T> stddev(const Variable<T>& x, Op op = "stddev");
template <class T>
Variable<T> stddev(const Variable<T>& x, Axes axes, std::size_t ddof = 0, bool keep_dims = false,
                   Op op = "stddev");
// The middle element in order of size, or the mean of the two middle ones, as NumPy does; the
// gradient goes to these; among equals, to the first in a stable sort. If an element is NaN, so is
// the median, and the gradient goes to the first NaN. Throws Error over no elements.
template <class T>
Variable<T> median(const Variable<T>& x, Op op = "median");
template <class T>
Variable<T> median(const Variable<T>& x, Axes axes, bool keep_dims = false, Op op = "median");

// The same for tensors.
auto prod(const TensorOperand auto& x, Op op = "prod") { return prod(detail::variable(x), op); }
auto prod(const TensorOperand auto& x, Axes axes, bool keep_dims = false, Op op = "prod") {
    return prod(detail::variable(x), axes, keep_dims, op);
}
auto stddev(const TensorOperand auto& x, Op op = "stddev") {
    return stddev(detail::variable(x), op);
}
auto stddev(const TensorOperand auto& x, Axes axes, std::size_t ddof = 0, bool keep_dims = false,
            Op op = "stddev") {
    return stddev(detail::variable(x), axes, ddof, keep_dims, op);
}
auto median(const TensorOperand auto& x, Op op = "median") {
    return median(detail::variable(x), op);
}
auto median(const TensorOperand auto& x, Axes axes, bool keep_dims = false, Op op = "median") {
    return median(detail::variable(x), axes, keep_dims, op);
}

} // namespace unroll
