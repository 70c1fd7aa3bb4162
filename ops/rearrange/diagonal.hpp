#pragma once

#include <unroll/ops/operand.hpp>

namespace unroll {

// Diagonals and triangles of matrices, with NumPy's names and meaning. The diagonal k is k columns
// right of the main one, or -k rows below it, and empty outside of the matrix.

// The diagonal over two axes, which are dropped, as a last axis. Throws Error for an axis out of
// range, or if both are the same.
template <class T>
Variable<T> diagonal(const Variable<T>& x, std::ptrdiff_t k = 0, std::ptrdiff_t axis1 = 0,
                     std::ptrdiff_t axis2 = 1, Op op = "diagonal");
// The square matrix with a vector on a diagonal and zeros elsewhere, or the diagonal of a matrix.
// Throws Error for other shapes.
template <class T>
Variable<T> diag(const Variable<T>& x, std::ptrdiff_t k = 0, Op op = "diag");

// x [..., m, n] with zeros above (tril) or below (triu) the diagonal, and no gradient there. Throws
// Error for fewer than two axes.
template <class T>
Variable<T> tril(const Variable<T>& x, std::ptrdiff_t k = 0, Op op = "tril");
template <class T>
Variable<T> triu(const Variable<T>& x, std::ptrdiff_t k = 0, Op op = "triu");

// The same for tensors.
auto diagonal(const TensorOperand auto& x, std::ptrdiff_t k = 0, std::ptrdiff_t axis1 = 0,
              std::ptrdiff_t axis2 = 1, Op op = "diagonal") {
    return diagonal(detail::variable(x), k, axis1, axis2, op);
}
auto diag(const TensorOperand auto& x, std::ptrdiff_t k = 0, Op op = "diag") {
    return diag(detail::variable(x), k, op);
}
auto tril(const TensorOperand auto& x, std::ptrdiff_t k = 0, Op op = "tril") {
    return tril(detail::variable(x), k, op);
}
auto triu(const TensorOperand auto& x, std::ptrdiff_t k = 0, Op op = "triu") {
    return triu(detail::variable(x), k, op);
}

} // namespace unroll
