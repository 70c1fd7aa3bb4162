#pragma once

#include <unroll/core/tensor/tensor.hpp>

namespace unroll::optim::vectors {

// Arithmetic of vectors [n], with sums in double.

template <class T>
double dot(const Tensor<T>& a, const Tensor<T>& b);
// The sum and the largest of the magnitudes.
template <class T>
double norm_1(const Tensor<T>& a);
template <class T>
double norm_max(const Tensor<T>& a);
// a + factor b
template <class T>
Tensor<T> add_scaled(const Tensor<T>& a, double factor, const Tensor<T>& b);
// factor a
template <class T>
Tensor<T> scaled(double factor, const Tensor<T>& a);

} // namespace unroll::optim::vectors
