#include <unroll/core/kernels/gemm.hpp>
#include <unroll/core/kernels/threads.hpp>

#include <algorithm>
#include <optional>

#include <xtensor-blas/xblas.hpp>

#if UNROLL_HAS_DNNL
#include <csignal>
#include <dnnl.h>
#include <omp.h>
#endif

extern "C" {
void openblas_set_num_threads(int) __attribute__((weak));
char* openblas_get_config() __attribute__((weak));
}

namespace unroll {

namespace {

// Both libraries have their own thread pools, which would compete with ours.
void one_thread_here() {
    static const bool blas = [] {
        if (openblas_set_num_threads) openblas_set_num_threads(1);
        return true;
    }();
    static_cast<void>(blas);
#if UNROLL_HAS_DNNL
    thread_local const bool omp = [] {
        omp_set_num_threads(1);
        return true;
    }();
    static_cast<void>(omp);
#endif
}

template <class T>
struct Product {
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

    Product columns(std::size_t begin, std::size_t end) const {
        Product part = *this;
        part.n = end - begin;
        part.b += transpose_b ? begin * ldb : begin;
        part.c += begin;
        return part;
    }
    Product rows(std::size_t begin, std::size_t end) const {
        Product part = *this;
        part.m = end - begin;
        part.a += transpose_a ? begin : begin * lda;
        part.c += begin * ldc;
        return part;
    }
};

template <class T>
void with_blas(const Product<T>& p) {
    cxxblas::gemm(cxxblas::StorageOrder::RowMajor,
                  p.transpose_a ? cxxblas::Transpose::Trans : cxxblas::Transpose::NoTrans,
                  p.transpose_b ? cxxblas::Transpose::Trans : cxxblas::Transpose::NoTrans,
                  static_cast<int>(p.m), static_cast<int>(p.n), static_cast<int>(p.k), p.alpha, p.a,
                  static_cast<int>(p.lda), p.b, static_cast<int>(p.ldb), p.beta, p.c,
                  static_cast<int>(p.ldc));
}

template <class T>
void run(const Product<T>& p) {
    one_thread_here();
    with_blas(p);
}

#if UNROLL_HAS_DNNL
// Blocks this thread's signals for its scope.
class SignalsWait {
public:
    SignalsWait() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsWait() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsWait(const SignalsWait&) = delete;
    SignalsWait& operator=(const SignalsWait&) = delete;

private:
    sigset_t before_;
};

// For longer sums, oneDNN's kernels copy a factor to the heap and point the stack there, where a
// signal handler would overwrite it (uxlfoundation/oneDNN #4845): with AVX2 from 253 terms on, with
// AVX-512 from 85 on, in oneDNN 3.7 from between 65 and 128. The bounds here are lower, with a
// margin for untested versions.
std::size_t longest_sum_on_the_stack() {
    static const std::size_t terms = [] {
        const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
        return isa == dnnl_cpu_isa_avx2 || isa == dnnl_cpu_isa_avx ? 192 : 64;
    }();
    return terms;
}

// oneDNN is faster if the left factor has few rows, as in a time step, or the sum is short. With
// many rows and a long sum, as in a weight gradient, OpenBLAS runs at up to twice its speed: it
// packs strided operands, which oneDNN reads in place.
template <>
void run(const Product<float>& p) {
    one_thread_here();
    if (p.m > 128 && p.k > 128) return with_blas(p);
    // Costs 0.4 us. OpenBLAS would take 1.1 to 1.8 times as long for the products of an LSTM step.
    std::optional<SignalsWait> wait;
    if (p.k > longest_sum_on_the_stack()) wait.emplace();
    dnnl_sgemm(p.transpose_a ? 'T' : 'N', p.transpose_b ? 'T' : 'N', static_cast<dnnl_dim_t>(p.m),
               static_cast<dnnl_dim_t>(p.n), static_cast<dnnl_dim_t>(p.k), p.alpha, p.a,
               static_cast<dnnl_dim_t>(p.lda), p.b, static_cast<dnnl_dim_t>(p.ldb), p.beta, p.c,
               static_cast<dnnl_dim_t>(p.ldc));
}
#endif

} // namespace

template <class T>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, T alpha,
          const T* a, std::size_t lda, const T* b, std::size_t ldb, T beta, T* c, std::size_t ldc) {
    if (m == 0 || n == 0) return;
    if (k == 0) {
        for (std::size_t i = 0; i < m; ++i)
            for (std::size_t j = 0; j < n; ++j)
                c[i * ldc + j] = beta == T(0) ? T(0) : beta * c[i * ldc + j];
        return;
    }
    const Product<T> whole{transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc};
    const double flops =
        2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
    if (!threads::worth_splitting(flops)) return run(whole);
    if (n >= m)
        threads::for_pieces(
            n, 64, [&](std::size_t begin, std::size_t end) { run(whole.columns(begin, end)); });
    else
        threads::for_pieces(
            m, 48, [&](std::size_t begin, std::size_t end) { run(whole.rows(begin, end)); });
}

template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, float, const float*,
                   std::size_t, const float*, std::size_t, float, float*, std::size_t);
template void gemm(bool, bool, std::size_t, std::size_t, std::size_t, double, const double*,
                   std::size_t, const double*, std::size_t, double, double*, std::size_t);

std::string gemm_backend() {
    std::string blas = openblas_get_config ? openblas_get_config() : "CBLAS";
    blas = blas.substr(0, blas.find(' ', 9));
#if UNROLL_HAS_DNNL
    const dnnl_version_t* v = dnnl_version();
    return "float: oneDNN " + std::to_string(v->major) + "." + std::to_string(v->minor) +
           " sgemm, and " + blas + " for large products; double: " + blas;
#else
    return "float and double: " + blas;
#endif
}

} // namespace unroll
