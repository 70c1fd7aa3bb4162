#pragma once

#include <unroll/ops/operand.hpp>

namespace unroll {

// a b: [m, k] [k, n] -> [m, n]; a vector [k] on either side is a row or a column; leading axes of
// batches [..., m, k] broadcast. k = 0 gives zeros. Throws Error if the inner extents differ.
template <class T>
Variable<T> matmul(const Variable<T>& a, const std::type_identity_t<Variable<T>>& b,
                   Op op = "matmul");
// The same times a number, at no extra cost; only for matrices and batches of them.
template <class T>
Variable<T> scaled_matmul(const Variable<T>& a, const std::type_identity_t<Variable<T>>& b,
                          double scale, Op op = "scaled_matmul");

// The product of two matrices or vectors, as named in xtensor-blas.
template <class T>
Variable<T> dot(const Variable<T>& a, const std::type_identity_t<Variable<T>>& b, Op op = "dot") {
    return matmul(a, b, op);
}

// x W^T + b: x [..., in], W [out, in], b [out] -> [..., out]. Throws Error if shapes do not match.
template <class T>
Variable<T> linear(const Variable<T>& x, const std::type_identity_t<Variable<T>>& weight,
                   const std::type_identity_t<Variable<T>>& bias, const OutputSlot<T>& slot = {},
                   Op op = "linear");
template <class T>
Variable<T> linear(const Variable<T>& x, const std::type_identity_t<Variable<T>>& weight,
                   Op op = "linear");

// z + x W^T, computed in place: overwrites z, which must be the result of an operation. Later uses
// of z throw Error. z [B, out].
template <class T>
Variable<T> add_linear(const Variable<T>& z, const Variable<T>& x,
                       const std::type_identity_t<Variable<T>>& weight, Op op = "add_linear");

// The same for tensors.
template <TensorOperand X>
auto linear(const X& x, const Variable<scalar_t<X>>& weight, const Variable<scalar_t<X>>& bias,
            const OutputSlot<scalar_t<X>>& slot = {}, Op op = "linear") {
    return linear(detail::variable(x), weight, bias, slot, op);
}
template <TensorOperand X>
auto matmul(const X& a, const Variable<scalar_t<X>>& b, Op op = "matmul") {
    return matmul(detail::variable(a), b, op);
}
template <TensorOperand X>
auto scaled_matmul(const X& a, const Variable<scalar_t<X>>& b, double scale,
                   Op op = "scaled_matmul") {
    return scaled_matmul(detail::variable(a), b, scale, op);
}
template <TensorOperand X>
auto dot(const X& a, const Variable<scalar_t<X>>& b, Op op = "dot") {
    return dot(detail::variable(a), b, op);
}
template <TensorOperand X>
auto linear(const X& x, const Variable<scalar_t<X>>& weight, Op op = "linear") {
    return linear(detail::variable(x), weight, op);
}

} // namespace unroll
