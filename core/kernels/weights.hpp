#pragma once

#include <unroll/core/tensor/tensor.hpp>

// A weight is the right factor of many products between two updates. Its storage caches packed
// copies.
namespace unroll::weights {

// Gives `value` a storage that caches packed copies, unless the elements are shared.
template <class T>
void keep_packed(Tensor<T>& value);

// The matrix in the order of panels::pack, packed again if the elements have changed. Null if the
// storage does not cache packed copies, and if a mutable pointer was handed out, since changes
// through it are not detected. Rows (`transposed`: columns) are contiguous, `ld` elements apart.
template <class T>
const T* packed(const Tensor<T>& matrix, bool transposed, std::size_t ld);

} // namespace unroll::weights
