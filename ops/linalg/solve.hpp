#pragma once

#include <unroll/ops/operand.hpp>

namespace unroll {

// Linear algebra of square matrices [..., n, n], by LAPACK. Leading axes are batches. Throw Error
// for other shapes, and for a matrix that is singular, with its position in the batch; a matrix
// that is nearly singular gives inaccurate results. NaN propagates. n = 0 is allowed.

// The solution x of a x = b: a [..., n, n], b [..., n, m] -> [..., n, m], where leading axes
// broadcast, or b [n] -> [..., n].
template <class T>
Variable<T> solve(const Variable<T>& a, const std::type_identity_t<Variable<T>>& b,
                  Op op = "solve");
template <class T>
Variable<T> inverse(const Variable<T>& a, Op op = "inverse");
// The lower triangular L with L L^T = (a + a^T) / 2, which is a if that is symmetric. Throws Error
// if that is not positive definite.
template <class T>
Variable<T> cholesky(const Variable<T>& a, Op op = "cholesky");
// log |det a|: [..., n, n] -> [...].
template <class T>
Variable<T> log_determinant(const Variable<T>& a, Op op = "log_determinant");

// The same for tensors.
template <TensorOperand X>
auto solve(const X& a, const Variable<scalar_t<X>>& b, Op op = "solve") {
    return solve(detail::variable(a), b, op);
}
auto inverse(const TensorOperand auto& a, Op op = "inverse") {
    return inverse(detail::variable(a), op);
}
auto cholesky(const TensorOperand auto& a, Op op = "cholesky") {
    return cholesky(detail::variable(a), op);
}
auto log_determinant(const TensorOperand auto& a, Op op = "log_determinant") {
    return log_determinant(detail::variable(a), op);
}

} // namespace unroll
