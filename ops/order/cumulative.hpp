#pragma once

#include <unroll/ops/operand.hpp>

namespace unroll {

// Running results along an axis, or over all elements in row-major order as a vector, in x's shape.
// Their rounding errors, and those of their derivatives, do not grow with the number of elements.
// They propagate NaN to all later elements. Negative axes count from the end. Throw Error for an
// axis out of range.

template <class T>
Variable<T> cumsum(const Variable<T>& x, Op op = "cumsum");
template <class T>
Variable<T> cumsum(const Variable<T>& x, std::ptrdiff_t axis, Op op = "cumsum");
// The derivative is exact where elements are 0.
template <class T>
Variable<T> cumprod(const Variable<T>& x, Op op = "cumprod");
template <class T>
Variable<T> cumprod(const Variable<T>& x, std::ptrdiff_t axis, Op op = "cumprod");
// log of the running sum of e^x, without overflow. Elements of -inf get no gradient; if a sum is
// infinite, its infinite terms have all the weight.
template <class T>
Variable<T> logcumsumexp(const Variable<T>& x, Op op = "logcumsumexp");
template <class T>
Variable<T> logcumsumexp(const Variable<T>& x, std::ptrdiff_t axis, Op op = "logcumsumexp");

// The same for tensors.
auto cumsum(const TensorOperand auto& x, Op op = "cumsum") {
    return cumsum(detail::variable(x), op);
}
auto cumsum(const TensorOperand auto& x, std::ptrdiff_t axis, Op op = "cumsum") {
    return cumsum(detail::variable(x), axis, op);
}
auto cumprod(const TensorOperand auto& x, Op op = "cumprod") {
    return cumprod(detail::variable(x), op);
}
auto cumprod(const TensorOperand auto& x, std::ptrdiff_t axis, Op op = "cumprod") {
    return cumprod(detail::variable(x), axis, op);
}
auto logcumsumexp(const TensorOperand auto& x, Op op = "logcumsumexp") {
    return logcumsumexp(detail::variable(x), op);
}
auto logcumsumexp(const TensorOperand auto& x, std::ptrdiff_t axis, Op op = "logcumsumexp") {
    return logcumsumexp(detail::variable(x), axis, op);
}

} // namespace unroll
