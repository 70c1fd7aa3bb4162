#pragma once

#include <unroll/ops/operand.hpp>

namespace unroll {

// Elements moved or repeated, with NumPy's names and meaning. Negative axes count from the end.

// Moves elements by `shift` places along an axis, or in row-major order; those moved beyond the end
// come first. Throws Error for an axis out of range.
template <class T>
Variable<T> roll(const Variable<T>& x, std::ptrdiff_t shift, Op op = "roll");
template <class T>
Variable<T> roll(const Variable<T>& x, std::ptrdiff_t shift, std::ptrdiff_t axis, Op op = "roll");

// Each element n times in a row along an axis: [1, 2] -> [1, 1, 2, 2]. 0 times gives an empty axis.
// Throws Error for an axis out of range.
template <class T>
Variable<T> repeat(const Variable<T>& x, std::size_t n, std::ptrdiff_t axis, Op op = "repeat");

// The whole of x, counts[axis] times along each axis: [1, 2] -> [1, 2, 1, 2]. The counts belong to
// the last axes if x has more axes than counts, and give new leading axes if it has fewer. Throws
// Error beyond eight axes.
template <class T>
Variable<T> tile(const Variable<T>& x, std::initializer_list<std::size_t> counts, Op op = "tile");

// The same for tensors.
auto roll(const TensorOperand auto& x, std::ptrdiff_t shift, Op op = "roll") {
    return roll(detail::variable(x), shift, op);
}
auto roll(const TensorOperand auto& x, std::ptrdiff_t shift, std::ptrdiff_t axis, Op op = "roll") {
    return roll(detail::variable(x), shift, axis, op);
}
auto repeat(const TensorOperand auto& x, std::size_t n, std::ptrdiff_t axis, Op op = "repeat") {
    return repeat(detail::variable(x), n, axis, op);
}
auto tile(const TensorOperand auto& x, std::initializer_list<std::size_t> counts, Op op = "tile") {
    return tile(detail::variable(x), counts, op);
}

} // namespace unroll
