#include <unroll/core/kernels/gemm.hpp>
#include <unroll/core/kernels/panels.hpp>
#include <unroll/core/kernels/threads.hpp>
#include <unroll/core/tensor/storage.hpp>

#include <algorithm>

#include <xtensor-blas/xblas.hpp>

extern "C" {
void openblas_set_num_threads(int) __attribute__((weak));
char* openblas_get_config() __attribute__((weak));
}

namespace unroll {

void limit_blas_to_one_thread() {
    static const bool blas = [] {
        if (openblas_set_num_threads) openblas_set_num_threads(1);
        return true;
    }();
    static_cast<void>(blas);
}

namespace {

template <class T>
struct GemmCall {
    bool transpose_a, transpose_b;
    std::size_t m, n, k;
    T alpha;
    const T* a;
    std::size_t lda;
    const T* b;
    std::size_t ldb;
    T beta;
    T* c;
    std::size_t ldc;
};

template <class T>
void with_blas(const GemmCall<T>& p) {
    cxxblas::gemm(cxxblas::StorageOrder::RowMajor,
                  p.transpose_a ? cxxblas::Transpose::Trans : cxxblas::Transpose::NoTrans,
                  p.transpose_b ? cxxblas::Transpose::Trans : cxxblas::Transpose::NoTrans,
                  static_cast<int>(p.m), static_cast<int>(p.n), static_cast<int>(p.k), p.alpha, p.a,
                  static_cast<int>(p.lda), p.b, static_cast<int>(p.ldb), p.beta, p.c,
                  static_cast<int>(p.ldc));
}

// A product with a single row or column reads every element once.
template <class T>
void with_vector(const GemmCall<T>& p) {
    const auto number = [](std::size_t n) { return static_cast<int>(n); };
    const bool one_row = p.m == 1;
    const bool transposed = one_row ? !p.transpose_b : p.transpose_a;
    const std::size_t results = one_row ? p.n : p.m;
    cxxblas::gemv(cxxblas::StorageOrder::RowMajor,
                  transposed ? cxxblas::Transpose::Trans : cxxblas::Transpose::NoTrans,
                  number(transposed ? p.k : results), number(transposed ? results : p.k), p.alpha,
                  one_row ? p.b : p.a, number(one_row ? p.ldb : p.lda), one_row ? p.a : p.b,
                  number(one_row ? (p.transpose_a ? p.lda : 1) : (p.transpose_b ? 1 : p.ldb)),
                  p.beta, p.c, number(one_row ? 1 : p.ldc));
}

// Long sums in parts, as panels do.
template <class T, class F>
void in_parts(GemmCall<T> p, const F& run) {
    constexpr std::size_t most = panels::terms_in_sequence;
    const GemmCall<T> whole = p;
    p.k = std::min(whole.k, most);
    run(p);
    if (p.k == whole.k) return;
    const StorageRef storage(Storage::allocate(p.m * p.n * sizeof(T)));
    p.beta = T(0);
    p.c = static_cast<T*>(storage->data());
    p.ldc = p.n;
    for (std::size_t first = most; first < whole.k; first += most) {
        p.k = std::min(most, whole.k - first);
        p.a = whole.a + (p.transpose_a ? first * p.lda : first);
        p.b = whole.b + (p.transpose_b ? first : first * p.ldb);
        run(p);
        for (std::size_t i = 0; i < p.m; ++i)
            for (std::size_t j = 0; j < p.n; ++j) whole.c[i * whole.ldc + j] += p.c[i * p.ldc + j];
    }
}

template <class T>
void run(const GemmCall<T>& p) {
    limit_blas_to_one_thread();
    if (p.m == 1 || p.n == 1) return in_parts(p, with_vector<T>);
    if (panels::available())
        return panels::multiply(p.transpose_a, p.transpose_b, p.m, p.n, p.k, p.alpha, p.a, p.lda,
                                p.b, p.ldb, p.beta, p.c, p.ldc);
    in_parts(p, with_blas<T>);
}

// C = beta C: the product of matrices without an inner dimension is zero.
template <class T>
void scale(std::size_t m, std::size_t n, T beta, T* c, std::size_t ldc) {
    for (std::size_t i = 0; i < m; ++i)
        for (std::size_t j = 0; j < n; ++j)
            c[i * ldc + j] = beta == T(0) ? T(0) : beta * c[i * ldc + j];
}

// Splits the longer side of C. Column ranges begin at multiples of 64, as panels do.
template <class F>
void for_pieces(std::size_t m, std::size_t n, std::size_t k, const F& rows_and_columns) {
    const double flops =
        2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
    if (m == 0 || n == 0) return;
    if (!threads::worth_splitting(flops)) return rows_and_columns(0, m, 0, n);
    if (n >= m)
        threads::for_pieces(
            n, 64, [&](std::size_t begin, std::size_t end) { rows_and_columns(0, m, begin, end); });
    else
        threads::for_pieces(
            m, 64, [&](std::size_t begin, std::size_t end) { rows_and_columns(begin, end, 0, n); });
}

} // namespace

template <class T>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, T alpha,
          const T* a, std::size_t lda, const T* b, std::size_t ldb, T beta, T* c, std::size_t ldc) {
    if (k == 0) return scale(m, n, beta, c, ldc);
    for_pieces(
        m, n, k,
        [&](std::size_t row, std::size_t rows_end, std::size_t column, std::size_t columns_end) {
            run(GemmCall<T>{transpose_a, transpose_b, rows_end - row, columns_end - column, k,
                            alpha, a + (transpose_a ? row : row * lda), lda,
                            b + (transpose_b ? column * ldb : column), ldb, beta,
                            c + row * ldc + column, ldc});
        });
}

template <class T>
void gemm(bool transpose_a, std::size_t m, std::size_t n, std::size_t k, T alpha, const T* a,
          std::size_t lda, const T* packed, T beta, T* c, std::size_t ldc) {
    if (k == 0) return scale(m, n, beta, c, ldc);
    for_pieces(
        m, n, k,
        [&](std::size_t row, std::size_t rows_end, std::size_t column, std::size_t columns_end) {
            panels::multiply(transpose_a, rows_end - row, columns_end - column, k, alpha,
                             a + (transpose_a ? row : row * lda), lda, packed + column * k, beta,
                             c + row * ldc + column, ldc);
        });
}

template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, float, const float*,
                   std::size_t, const float*, std::size_t, float, float*, std::size_t);
template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, double, const double*,
                   std::size_t, const double*, std::size_t, double, double*, std::size_t);

template void gemm(bool, std::size_t, std::size_t, std::size_t, float, const float*, std::size_t,
                   const float*, float, float*, std::size_t);
template void gemm(bool, std::size_t, std::size_t, std::size_t, double, const double*, std::size_t,
                   const double*, double, double*, std::size_t);

std::string gemm_backend() {
    std::string blas = openblas_get_config ? openblas_get_config() : "CBLAS";
    blas = blas.substr(0, blas.find(' ', 9));
    return panels::available() ? panels::name() : blas;
}

} // namespace unroll
