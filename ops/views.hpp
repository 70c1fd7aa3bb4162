#pragma once

#include <unroll/core/autograd/record.hpp>

#include <vector>

namespace unroll {

// Views: no element is copied, and the gradient lands in the viewed value's own. Axes may count
// from the back. Names follow xtensor and NumPy. All throw Error for an axis, index or shape that
// does not fit.

// The same elements in row-major order in another shape; one extent may be -1. Copies where the
// strides of x leave no choice.
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

} // namespace unroll
