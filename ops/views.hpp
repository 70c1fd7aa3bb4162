#pragma once

#include <unroll/core/tensor/slice.hpp>
#include <unroll/ops/operand.hpp>

#include <vector>

namespace unroll {

// Views: no element is copied, and gradients are added to that of the base. Negative axes count
// from the end. Names follow xtensor and NumPy. All throw Error for an invalid axis, index or
// shape.

// The same elements in row-major order in another shape; one extent may be -1. Copies if the
// strides of x require it.
template <class T>
Variable<T> reshape(const Variable<T>& x, std::initializer_list<std::ptrdiff_t> shape,
                    Op op = "reshape");
template <class T>
Variable<T> reshape(const Variable<T>& x, const Shape& shape, Op op = "reshape");
template <class T>
Variable<T> flatten(const Variable<T>& x, Op op = "flatten");

// Elements [begin, end) of an axis.
template <class T>
Variable<T> slice(const Variable<T>& x, std::ptrdiff_t axis, std::size_t begin, std::size_t end,
                  Op op = "slice");
// One element of an axis, which is dropped.
template <class T>
Variable<T> select(const Variable<T>& x, std::ptrdiff_t axis, std::size_t index, Op op = "select");
// The i-th of n equal blocks of the last axis: a gate.
template <class T>
Variable<T> block(const Variable<T>& x, std::size_t i, std::size_t n, Op op = "block");
// n equal parts of an axis.
template <class T>
std::vector<Variable<T>> split(const Variable<T>& x, std::size_t n, std::ptrdiff_t axis = 0,
                               Op op = "split");
// All elements of an axis, which is dropped.
template <class T>
std::vector<Variable<T>> unstack(const Variable<T>& x, std::ptrdiff_t axis = 0, Op op = "unstack");

// The elements that slices select, one per axis, beginning with the first: view(x, 0, range(1, -1),
// newaxis()). The slices are all(), range(), newaxis(), ellipsis() or an index, which drops its
// axis; axes without a slice are kept.
template <class T>
Variable<T> view(const Variable<T>& x, const Slice& s0, const Slice& s1 = {}, const Slice& s2 = {},
                 const Slice& s3 = {}, const Slice& s4 = {}, const Slice& s5 = {},
                 const Slice& s6 = {}, const Slice& s7 = {}, Op op = "view");

// Axes reversed, or in the order given.
template <class T>
Variable<T> transpose(const Variable<T>& x, Op op = "transpose");
template <class T>
Variable<T> transpose(const Variable<T>& x, std::initializer_list<std::size_t> order,
                      Op op = "transpose");
template <class T>
Variable<T> swapaxes(const Variable<T>& x, std::ptrdiff_t axis1, std::ptrdiff_t axis2,
                     Op op = "swapaxes");
template <class T>
Variable<T> flip(const Variable<T>& x, std::ptrdiff_t axis, Op op = "flip");
template <class T>
Variable<T> expand_dims(const Variable<T>& x, std::ptrdiff_t axis, Op op = "expand_dims");
template <class T>
Variable<T> squeeze(const Variable<T>& x, std::ptrdiff_t axis, Op op = "squeeze");
// Repeated along axes of extent 1 and along new leading ones.
template <class T>
Variable<T> broadcast_to(const Variable<T>& x, const Shape& shape, Op op = "broadcast_to");

// The same for tensors.
auto reshape(const TensorOperand auto& x, std::initializer_list<std::ptrdiff_t> shape,
             Op op = "reshape") {
    return reshape(detail::variable(x), shape, op);
}
auto reshape(const TensorOperand auto& x, const Shape& shape, Op op = "reshape") {
    return reshape(detail::variable(x), shape, op);
}
auto flatten(const TensorOperand auto& x, Op op = "flatten") {
    return flatten(detail::variable(x), op);
}
auto slice(const TensorOperand auto& x, std::ptrdiff_t axis, std::size_t begin, std::size_t end,
           Op op = "slice") {
    return slice(detail::variable(x), axis, begin, end, op);
}
auto select(const TensorOperand auto& x, std::ptrdiff_t axis, std::size_t index, Op op = "select") {
    return select(detail::variable(x), axis, index, op);
}
auto block(const TensorOperand auto& x, std::size_t i, std::size_t n, Op op = "block") {
    return block(detail::variable(x), i, n, op);
}
auto split(const TensorOperand auto& x, std::size_t n, std::ptrdiff_t axis = 0, Op op = "split") {
    return split(detail::variable(x), n, axis, op);
}
auto unstack(const TensorOperand auto& x, std::ptrdiff_t axis = 0, Op op = "unstack") {
    return unstack(detail::variable(x), axis, op);
}
auto view(const TensorOperand auto& x, const Slice& s0, const Slice& s1 = {}, const Slice& s2 = {},
          const Slice& s3 = {}, const Slice& s4 = {}, const Slice& s5 = {}, const Slice& s6 = {},
          const Slice& s7 = {}, Op op = "view") {
    return view(detail::variable(x), s0, s1, s2, s3, s4, s5, s6, s7, op);
}
auto transpose(const TensorOperand auto& x, Op op = "transpose") {
    return transpose(detail::variable(x), op);
}
auto transpose(const TensorOperand auto& x, std::initializer_list<std::size_t> order,
               Op op = "transpose") {
    return transpose(detail::variable(x), order, op);
}
auto swapaxes(const TensorOperand auto& x, std::ptrdiff_t axis1, std::ptrdiff_t axis2,
              Op op = "swapaxes") {
    return swapaxes(detail::variable(x), axis1, axis2, op);
}
auto flip(const TensorOperand auto& x, std::ptrdiff_t axis, Op op = "flip") {
    return flip(detail::variable(x), axis, op);
}
auto expand_dims(const TensorOperand auto& x, std::ptrdiff_t axis, Op op = "expand_dims") {
    return expand_dims(detail::variable(x), axis, op);
}
auto squeeze(const TensorOperand auto& x, std::ptrdiff_t axis, Op op = "squeeze") {
    return squeeze(detail::variable(x), axis, op);
}
auto broadcast_to(const TensorOperand auto& x, const Shape& shape, Op op = "broadcast_to") {
    return broadcast_to(detail::variable(x), shape, op);
}

} // namespace unroll
