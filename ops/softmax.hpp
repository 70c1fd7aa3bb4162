#pragma once

#include <unroll/ops/operand.hpp>

namespace unroll {

// e^x / sum e^x along an axis, without overflow. With a mask (true: included; broadcasts to x),
// excluded elements get 0. A fully masked row gets zeros and passes no gradient, as does a row of
// -inf. Throws Error if the mask does not broadcast.
template <class T>
Variable<T> softmax(const Variable<T>& x, std::ptrdiff_t axis = -1, Op op = "softmax");
template <class T>
Variable<T> softmax(const Variable<T>& x, const Mask& mask, std::ptrdiff_t axis = -1,
                    Op op = "softmax");

// log softmax(x), computed as (x - max) - log(sum e^(x - max)), which is accurate for logits of any
// magnitude; -inf where masked.
template <class T>
Variable<T> log_softmax(const Variable<T>& x, std::ptrdiff_t axis = -1, Op op = "log_softmax");
template <class T>
Variable<T> log_softmax(const Variable<T>& x, const Mask& mask, std::ptrdiff_t axis = -1,
                        Op op = "log_softmax");

// The same for tensors.
auto softmax(const TensorOperand auto& x, std::ptrdiff_t axis = -1, Op op = "softmax") {
    return softmax(detail::variable(x), axis, op);
}
auto softmax(const TensorOperand auto& x, const Mask& mask, std::ptrdiff_t axis = -1,
             Op op = "softmax") {
    return softmax(detail::variable(x), mask, axis, op);
}
auto log_softmax(const TensorOperand auto& x, std::ptrdiff_t axis = -1, Op op = "log_softmax") {
    return log_softmax(detail::variable(x), axis, op);
}
auto log_softmax(const TensorOperand auto& x, const Mask& mask, std::ptrdiff_t axis = -1,
                 Op op = "log_softmax") {
    return log_softmax(detail::variable(x), mask, axis, op);
}

} // namespace unroll
