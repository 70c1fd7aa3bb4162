#pragma once

#include <cstddef>
#include <string>

namespace unroll {

// C = alpha op(A) op(B) + beta C, row-major, leading dimensions in elements: m x k times k x n.
// beta = 0 never reads C. Large products are divided among threads.
template <class T>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, T alpha,
          const T* a, std::size_t lda, const T* b, std::size_t ldb, T beta, T* c, std::size_t ldc);

// The same for a B packed by panels::pack.
template <class T>
void gemm(bool transpose_a, std::size_t m, std::size_t n, std::size_t k, T alpha, const T* a,
          std::size_t lda, const T* packed, T beta, T* c, std::size_t ldc);

// Stops OpenBLAS from starting threads: they would compete with ours, and results would depend on
// their number. Call before other functions of BLAS or LAPACK.
void limit_blas_to_one_thread();

// A description of the implementation in use.
std::string gemm_backend();

} // namespace unroll
