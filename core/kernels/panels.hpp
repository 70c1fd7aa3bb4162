#pragma once

#include <cstddef>
#include <string>

// Products with a packed matrix, by kernels that libxsmm generates at run time for the processor in
// use.
namespace unroll::panels {

// A sum of more terms is made of parts that are summed separately, to limit the rounding error.
inline constexpr std::size_t terms_in_sequence = 4096;

// Whether kernels for this processor exist.
bool available();
std::string name();

// B [k, n] in the order in which kernels read it: panels of 64 columns, or 32 without AVX-512, each
// [k, width] in row-major order, so that column c, a multiple of 64, begins at element c * k; the
// last panel's width is a multiple of 16, padded with zeros. `transposed`: b holds [n, k].
template <class T>
void pack(const T* b, std::size_t ldb, bool transposed, std::size_t k, std::size_t n, T* packed);
std::size_t packed_size(std::size_t k, std::size_t n); // size in elements

// C = alpha op(A) B + beta C for A [m, k] (`transposed`: stored as [k, m]) and packed B [k, n].
// beta = 0 does not read C. Every element is summed in the order of k, in parts of at most
// terms_in_sequence, however C is partitioned.
template <class T>
void multiply(bool transpose_a, std::size_t m, std::size_t n, std::size_t k, T alpha, const T* a,
              std::size_t lda, const T* packed, T beta, T* c, std::size_t ldc);

// The same for an unpacked B, which is packed block by block.
template <class T>
void multiply(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
              T alpha, const T* a, std::size_t lda, const T* b, std::size_t ldb, T beta, T* c,
              std::size_t ldc);

} // namespace unroll::panels
