#pragma once

#include <cstddef>
#include <string>

// Products of a matrix and a packed one, by kernels that libxsmm writes for the processor it runs
// on.
namespace unroll::panels {

// Whether this processor has kernels.
bool available();
std::string name();

// B [k, n] in the order in which kernels read it: panels of 64 columns, each [k, 64] in row-major
// order, so that columns from c on, a multiple of 64, begin at element c * k; the last panel's
// width is a multiple of 16, filled up with zeros. `transposed`: b holds [n, k].
template <class T>
void pack(const T* b, std::size_t ldb, bool transposed, std::size_t k, std::size_t n, T* packed);
std::size_t packed_size(std::size_t k, std::size_t n); // elements

// C = alpha op(A) B + beta C for A [m, k] (`transposed`: stored as [k, m]) and packed B [k, n].
// beta = 0 does not read C. Every element is summed in the order of k, however C is cut into
// pieces.
template <class T>
void multiply(bool transpose_a, std::size_t m, std::size_t n, std::size_t k, T alpha, const T* a,
              std::size_t lda, const T* packed, T beta, T* c, std::size_t ldc);

// The same for B as it is stored, packed here in blocks.
template <class T>
void multiply(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
              T alpha, const T* a, std::size_t lda, const T* b, std::size_t ldb, T beta, T* c,
              std::size_t ldc);

} // namespace unroll::panels
