#include <unroll/core/base/per_thread.hpp>
#include <unroll/core/kernels/panels.hpp>

#include <algorithm>
#include <array>

#if __has_include(<libxsmm.h>)
#include <libxsmm.h>
#define UNROLL_HAS_XSMM 1
#endif

namespace unroll::panels {

namespace {

// Generating a kernel takes 60 us and up to 25 KB of memory, so kernels exist for few shapes:
// `width` 16, 32, 48 or 64, at most 64 rows and 128 terms, and leading dimensions that are
// multiples of 16. Operands with other leading dimensions are copied.
constexpr std::size_t columns_at_once = 64, rows_at_once = 64, terms_at_once = 128, grain = 16;

// Size of the blocks in which an unpacked B is packed.
constexpr std::size_t packed_terms = 256, packed_columns = 1024;

template <class T>
using Kernel = void (*)(const T* panel, const T* rows, T* c, ...);

// c [rows, width] = a [rows, terms] panel [terms, width] + (adds ? c : 0). libxsmm's matrices are
// column-major: its first factor is the panel.
#if UNROLL_HAS_XSMM
template <class T>
Kernel<T> find_kernel(std::size_t width, std::size_t rows, std::size_t terms, bool transpose_a,
                      std::size_t lda, std::size_t ldc, bool adds) {
    const auto number = [](std::size_t n) { return static_cast<libxsmm_blasint>(n); };
    const libxsmm_blasint ld_panel = number(width), ld_rows = number(lda), ld_c = number(ldc);
    const T alpha = 1, beta = adds ? 1 : 0;
    const int flags = transpose_a ? LIBXSMM_GEMM_FLAG_TRANS_B : LIBXSMM_GEMM_FLAG_NONE;
    if constexpr (sizeof(T) == sizeof(float))
        return libxsmm_smmdispatch(number(width), number(rows), number(terms), &ld_panel, &ld_rows,
                                   &ld_c, &alpha, &beta, &flags, nullptr);
    else
        return libxsmm_dmmdispatch(number(width), number(rows), number(terms), &ld_panel, &ld_rows,
                                   &ld_c, &alpha, &beta, &flags, nullptr);
}

template <class T>
void transpose(const T* from, std::size_t ld, std::size_t rows, std::size_t columns, T* to) {
    libxsmm_otrans(to, from, sizeof(T), static_cast<libxsmm_blasint>(columns),
                   static_cast<libxsmm_blasint>(rows), static_cast<libxsmm_blasint>(ld),
                   static_cast<libxsmm_blasint>(rows));
}

#else
template <class T>
Kernel<T> find_kernel(std::size_t, std::size_t, std::size_t, bool, std::size_t, std::size_t, bool) {
    return nullptr;
}

template <class T>
void transpose(const T* from, std::size_t ld, std::size_t rows, std::size_t columns, T* to) {
    for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < columns; ++j) to[j * rows + i] = from[i * ld + j];
}
#endif

// The same, cached.
template <class T>
Kernel<T> kernel(std::size_t width, std::size_t rows, std::size_t terms, bool transpose_a,
                 std::size_t lda, std::size_t ldc, bool adds) {
    struct Entry {
        std::array<std::size_t, 7> key{};
        Kernel<T> found = nullptr;
    };
    thread_local std::array<Entry, 64> entries;
    const std::array<std::size_t, 7> key{width, rows, terms, transpose_a, lda, ldc, adds};
    const std::size_t hash =
        width / grain + 5 * rows + 11 * terms + transpose_a + (lda + ldc) / grain * 7 + 31 * adds;
    Entry& entry = entries[hash % entries.size()];
    if (entry.key != key)
        entry = {key, find_kernel<T>(width, rows, terms, transpose_a, lda, ldc, adds)};
    return entry.found;
}

constexpr std::size_t padded(std::size_t columns) { return (columns + grain - 1) / grain * grain; }

// Calls f(begin, size) for the blocks of [0, total).
template <class F>
void for_blocks(std::size_t total, std::size_t most, const F& f) {
    for (std::size_t begin = 0; begin < total; begin += most)
        f(begin, std::min(most, total - begin));
}

// If there is no memory for another kernel.
template <class T>
void multiply_slowly(std::size_t width, std::size_t rows, std::size_t terms, const T* panel,
                     const T* a, std::size_t row_stride, std::size_t term_stride, T* c,
                     std::size_t ldc, bool adds) {
    for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < width; ++j) {
            T sum = adds ? c[i * ldc + j] : T(0);
            for (std::size_t q = 0; q < terms; ++q)
                sum += a[i * row_stride + q * term_stride] * panel[q * width + j];
            c[i * ldc + j] = sum;
        }
}

template <class T>
struct Workspace {
    alignas(64) T rows[rows_at_once * packed_terms];
    alignas(64) T c[rows_at_once * columns_at_once];
    alignas(64) T packed[packed_terms * packed_columns];
};

// `k` terms, at most packed_terms, starting at `first`, of panels with `panel_terms` terms.
template <class T>
void multiply_block(bool transpose_a, std::size_t m, std::size_t n, std::size_t k, T alpha,
                    const T* a, std::size_t lda, const T* packed, std::size_t panel_terms,
                    std::size_t first, T beta, T* c, std::size_t ldc) {
    // Kernels are specific to leading dimensions, which do not matter for a single row.
    if (m == 1) {
        if (!transpose_a) lda = packed_terms;
        ldc = packed_columns;
    }
    const bool copy_rows = lda % grain != 0;
    const bool direct_c = alpha == T(1) && (beta == T(0) || beta == T(1)) && ldc % grain == 0;
    Workspace<T>& space = per_thread<Workspace<T>>();
    for_blocks(m, rows_at_once, [&](std::size_t row, std::size_t rows) {
        const T* left = a + (transpose_a ? row : row * lda);
        std::size_t ld_left = lda;
        if (copy_rows) {
            const std::size_t lines = transpose_a ? k : rows, length = transpose_a ? rows : k;
            ld_left = transpose_a ? rows_at_once : packed_terms;
            for (std::size_t i = 0; i < lines; ++i)
                std::copy_n(left + i * lda, length, space.rows + i * ld_left);
            left = space.rows;
        }
        for_blocks(n, columns_at_once, [&](std::size_t column, std::size_t columns) {
            const std::size_t width = padded(columns);
            const bool direct = direct_c && width == columns;
            T* const target = c + row * ldc + column;
            T* const out = direct ? target : space.c;
            const std::size_t ld_out = direct ? ldc : columns_at_once;
            for_blocks(k, terms_at_once, [&](std::size_t term, std::size_t terms) {
                const bool adds = term != 0 || (direct && beta == T(1));
                const T* const panel = packed + column * panel_terms + (first + term) * width;
                const T* const some = left + (transpose_a ? term * ld_left : term);
                if (const auto f =
                        kernel<T>(width, rows, terms, transpose_a, ld_left, ld_out, adds))
                    f(panel, some, out);
                else
                    multiply_slowly(width, rows, terms, panel, some, transpose_a ? 1 : ld_left,
                                    transpose_a ? ld_left : 1, out, ld_out, adds);
            });
            if (direct) return;
            for (std::size_t i = 0; i < rows; ++i) {
                const T* const from = out + i * columns_at_once;
                T* const to = target + i * ldc;
                if (beta == T(0))
                    for (std::size_t j = 0; j < columns; ++j) to[j] = alpha * from[j];
                else
                    for (std::size_t j = 0; j < columns; ++j)
                        to[j] = alpha * from[j] + beta * to[j];
            }
        });
    });
}

} // namespace

std::string name() {
#if UNROLL_HAS_XSMM
    return "libxsmm " LIBXSMM_VERSION " for " + std::string(libxsmm_get_target_arch());
#else
    return "";
#endif
}

bool available() {
    static const bool found =
        kernel<float>(grain, 1, grain, false, grain, grain, false) != nullptr &&
        kernel<double>(grain, 1, grain, true, grain, grain, true) != nullptr;
    return found;
}

std::size_t packed_size(std::size_t k, std::size_t n) { return k * padded(n); }

template <class T>
void pack(const T* b, std::size_t ldb, bool transposed, std::size_t k, std::size_t n, T* packed) {
    for_blocks(n, columns_at_once, [&](std::size_t column, std::size_t columns) {
        T* const panel = packed + column * k;
        const std::size_t width = padded(columns);
        if (transposed && width == columns)
            return transpose(b + column * ldb, ldb, width, k, panel);
        for (std::size_t q = 0; q < k; ++q) {
            T* const row = panel + q * width;
            if (transposed)
                for (std::size_t j = 0; j < columns; ++j) row[j] = b[(column + j) * ldb + q];
            else
                std::copy_n(b + q * ldb + column, columns, row);
            std::fill(row + columns, row + width, T(0));
        }
    });
}

template <class T>
void multiply(bool transpose_a, std::size_t m, std::size_t n, std::size_t k, T alpha, const T* a,
              std::size_t lda, const T* packed, T beta, T* c, std::size_t ldc) {
    for (std::size_t term = 0; term < k; term += packed_terms)
        multiply_block(transpose_a, m, n, std::min(packed_terms, k - term), alpha,
                       a + (transpose_a ? term * lda : term), lda, packed, k, term,
                       term == 0 ? beta : T(1), c, ldc);
}

template <class T>
void multiply(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
              T alpha, const T* a, std::size_t lda, const T* b, std::size_t ldb, T beta, T* c,
              std::size_t ldc) {
    T* const packed = per_thread<Workspace<T>>().packed;
    for (std::size_t column = 0; column < n; column += packed_columns) {
        const std::size_t columns = std::min(packed_columns, n - column);
        for (std::size_t term = 0; term < k; term += packed_terms) {
            const std::size_t terms = std::min(packed_terms, k - term);
            pack(b + (transpose_b ? column * ldb + term : term * ldb + column), ldb, transpose_b,
                 terms, columns, packed);
            multiply_block(transpose_a, m, columns, terms, alpha,
                           a + (transpose_a ? term * lda : term), lda, packed, terms, 0,
                           term == 0 ? beta : T(1), c + column, ldc);
        }
    }
}

#define INSTANTIATE(T)                                                                             \
    template void pack(const T*, std::size_t, bool, std::size_t, std::size_t, T*);                 \
    template void multiply(bool, std::size_t, std::size_t, std::size_t, T, const T*, std::size_t,  \
                           const T*, T, T*, std::size_t);                                          \
    template void multiply(bool, bool, std::size_t, std::size_t, std::size_t, T, const T*,         \
                           std::size_t, const T*, std::size_t, T, T*, std::size_t);
INSTANTIATE(float)
INSTANTIATE(double)

} // namespace unroll::panels
