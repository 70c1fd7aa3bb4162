#pragma once

#include <unroll/core/tensor/tensor.hpp>

// A weight is the right factor of many products between two changes of it. Its storage keeps it
// packed for them.
namespace unroll::weights {

// Gives `value` a storage that keeps packed copies, unless somebody else refers to the elements.
template <class T>
void keep_packed(Tensor<T>& value);

// The matrix in the order of panels::pack, packed again if the elements have changed. Null where
// its storage keeps no packed copies, and where a change would not be noticed, since a pointer for
// writing was handed out. Rows (`transposed`: columns) are runs, `ld` elements apart.
template <class T>
const T* packed(const Tensor<T>& matrix, bool transposed, std::size_t ld);

} // namespace unroll::weights
