#pragma once

#include <unroll/core/base/error.hpp>
#include <unroll/core/files/file.hpp>
#include <unroll/core/tensor/dtype.hpp>
#include <unroll/core/tensor/tensor.hpp>

namespace unroll {

// The tensor in a NumPy .npy file: format versions 1.0 to 3.0, either byte order, C or Fortran
// order. T: float, double, std::int64_t or bool. Other element types are converted if all values
// are representable in T or `narrowing` allows rounding. Throws Error with the file and the reason.
template <class T = float>
Tensor<T> read_npy(const std::string& path, Narrowing narrowing = Narrowing::refuse,
                   Where where = Where::current());

// Writes version 1.0, little-endian, row-major, through write_file_atomically.
template <class T>
void write_npy(const std::string& path, const Tensor<T>& tensor, Where where = Where::current());

} // namespace unroll
