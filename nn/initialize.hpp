#pragma once

#include <unroll/core/tensor/random.hpp>
#include <unroll/core/tensor/tensor.hpp>

namespace unroll::nn {

// Seeds the initial values of modules, which draw from streams of this seed in order of
// construction.
void seed(std::uint64_t value);
Random next_stream();

// Initial values. fan_in is the last extent of a weight [out, in], fan_out the first.
template <class T = float>
Tensor<T> uniform(const Shape& shape, double bound, Random random); // [-bound, bound)
template <class T = float>
Tensor<T> normal(const Shape& shape, double deviation, Random random);
// Uniform with bound sqrt(6 / (fan_in + fan_out))  (Glorot and Bengio 2010)
template <class T = float>
Tensor<T> xavier(const Shape& shape, Random random, Where where = Where::current());
// Normal with standard deviation sqrt(2 / fan_in)  (He et al. 2015)
template <class T = float>
Tensor<T> he(const Shape& shape, Random random, Where where = Where::current());
// Orthonormal rows (or columns, whichever are fewer), in blocks of `block` rows if given (Saxe et
// al. 2014).
template <class T = float>
Tensor<T> orthogonal(const Shape& shape, Random random, std::size_t block = 0,
                     Where where = Where::current());

} // namespace unroll::nn
