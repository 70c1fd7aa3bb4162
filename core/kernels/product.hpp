#pragma once

#include <unroll/core/tensor/tensor.hpp>

namespace unroll {

// out = scale * a b + beta * out for matrices of any strides; batches [..., m, k] [..., k, n] with
// leading axes that broadcast to those of `out`. beta = 0 does not read `out`. Shapes are checked
// by the caller.
template <class T>
void multiply(const Tensor<T>& a, const Tensor<T>& b, T scale, T beta, Tensor<T>& out);

// out += scale * x, where x broadcasts to the shape of `out`.
template <class T>
void add_into(Tensor<T>& out, const Tensor<T>& x, T scale);

} // namespace unroll
