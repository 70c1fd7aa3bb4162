#pragma once

#include <unroll/ops/operand.hpp>

namespace unroll {

// Activations of more than one operand or element; those of one are in pointwise.hpp.

// a sigmoid(b) for the first half a and the second half b of an axis, which is halved  (Dauphin et
// al. 2017). Throws Error for an odd extent.
template <class T>
Variable<T> glu(const Variable<T>& x, std::ptrdiff_t axis = -1, Op op = "glu");

// x for x > 0, else slope x, with one slope, [] or [1], or one for each channel of x [batch,
// channels, ...], [channels]  (He et al. 2015). Throws Error if shapes do not match.
template <class T>
Variable<T> prelu(const Variable<T>& x, const std::type_identity_t<Variable<T>>& slope,
                  Op op = "prelu");

// The same for tensors.
auto glu(const TensorOperand auto& x, std::ptrdiff_t axis = -1, Op op = "glu") {
    return glu(detail::variable(x), axis, op);
}
template <TensorOperand X>
auto prelu(const X& x, const Variable<scalar_t<X>>& slope, Op op = "prelu") {
    return prelu(detail::variable(x), slope, op);
}

} // namespace unroll
