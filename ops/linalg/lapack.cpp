#include <unroll/core/kernels/gemm.hpp>
#include <unroll/ops/linalg/lapack.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

extern "C" {
void sgetrf_(const int* m, const int* n, float* a, const int* lda, int* pivots, int* info);
void dgetrf_(const int* m, const int* n, double* a, const int* lda, int* pivots, int* info);
void sgetrs_(const char* trans, const int* n, const int* columns, const float* a, const int* lda,
             const int* pivots, float* b, const int* ldb, int* info);
void dgetrs_(const char* trans, const int* n, const int* columns, const double* a, const int* lda,
             const int* pivots, double* b, const int* ldb, int* info);
void spotrf_(const char* uplo, const int* n, float* a, const int* lda, int* info);
void dpotrf_(const char* uplo, const int* n, double* a, const int* lda, int* info);
}

namespace unroll::lapack {

namespace {

void getrf(int n, float* a, int* pivots, int* info) { sgetrf_(&n, &n, a, &n, pivots, info); }
void getrf(int n, double* a, int* pivots, int* info) { dgetrf_(&n, &n, a, &n, pivots, info); }
void getrs(int n, int columns, const float* a, const int* pivots, float* b, int* info) {
    sgetrs_("T", &n, &columns, a, &n, pivots, b, &n, info);
}
void getrs(int n, int columns, const double* a, const int* pivots, double* b, int* info) {
    dgetrs_("T", &n, &columns, a, &n, pivots, b, &n, info);
}
void potrf(int n, float* a, int* info) { spotrf_("U", &n, a, &n, info); }
void potrf(int n, double* a, int* info) { dpotrf_("U", &n, a, &n, info); }

int integer(const Op& op, std::size_t n) {
    if (n > static_cast<std::size_t>(std::numeric_limits<int>::max()))
        fail(op, std::to_string(n) + " rows or columns are more than LAPACK can count");
    return static_cast<int>(n);
}

} // namespace

// LAPACK's matrices are column-major: it factors the transpose of A, and solves for A by asking for
// the transpose of that.
template <class T>
Lu<T>::Lu(const Op& op, const T* a, std::size_t n)
    : op_(op), n_(n), factors_(a, a + n * n), pivots_(n), is_singular_(false) {
    if (n == 0) return;
    limit_blas_to_one_thread();
    int info = 0;
    getrf(integer(op, n), factors_.data(), pivots_.data(), &info);
    is_singular_ = info > 0;
}

template <class T>
T Lu<T>::log_determinant() const {
    T sum = 0;
    for (std::size_t i = 0; i < n_; ++i) sum += std::log(std::abs(factors_[i * (n_ + 1)]));
    return sum;
}

template <class T>
void Lu<T>::solve(T* b, std::size_t m) const {
    if (n_ == 0 || m == 0) return;
    int info = 0;
    getrs(integer(op_, n_), integer(op_, m), factors_.data(), pivots_.data(), b, &info);
}

template <class T>
std::size_t cholesky(const Op& op, T* a, std::size_t n) {
    if (n == 0) return 0;
    limit_blas_to_one_thread();
    int info = 0;
    potrf(integer(op, n), a, &info);
    if (info > 0) return static_cast<std::size_t>(info) - 1;
    for (std::size_t i = 0; i < n; ++i) std::fill(a + i * n + i + 1, a + (i + 1) * n, T(0));
    return n;
}

template class Lu<float>;
template class Lu<double>;
template std::size_t cholesky(const Op&, float*, std::size_t);
template std::size_t cholesky(const Op&, double*, std::size_t);

} // namespace unroll::lapack
