#include <unroll/core/base/per_thread.hpp>
#include <unroll/core/kernels/panels.hpp>
#include <unroll/core/tensor/storage.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <limits>

#if __has_include(<libxsmm.h>)
#include <libxsmm.h>
#define UNROLL_HAS_XSMM 1
#endif

namespace unroll::panels {

namespace {

// Generating a kernel takes 60 us and up to 25 KB of memory, so kernels exist for few shapes: at
// most 64 columns (panel_columns), 64 rows and 256 terms, and few leading dimensions (has_kernels).
// Operands with other leading dimensions are copied.
constexpr std::size_t most_columns = 64, rows_at_once = 64, terms_at_once = 256, grain = 16;

// Columns of B that all rows are multiplied by before the next ones: 256 terms of them fit in a
// second-level cache.
constexpr std::size_t columns_in_cache = 512;

template <class T>
using Kernel = void (*)(const T* panel, const T* rows, T* c, ...);

// The columns that a kernel computes: four registers of floats.
std::size_t panel_columns() {
#if UNROLL_HAS_XSMM
    static const std::size_t columns =
        libxsmm_get_target_archid() >= LIBXSMM_X86_AVX512 ? most_columns : most_columns / 2;
    return columns;
#else
    return most_columns;
#endif
}

constexpr std::size_t padded(std::size_t columns) { return (columns + grain - 1) / grain * grain; }

// c [rows, columns] = a [rows, terms] panel [terms, columns] + (adds ? c : 0), with columns padded
// in the panel.
struct KernelShape {
    std::uint32_t columns, rows, terms;
    bool transpose_a, adds;
    std::uint32_t lda, ldc;

    bool operator==(const KernelShape&) const = default;
    std::size_t hash() const {
        return columns + 67 * rows + 131 * terms + 31 * transpose_a + 61 * adds + 17 * lda +
               257 * ldc;
    }
};

// libxsmm's matrices are column-major: its first factor is the panel.
#if UNROLL_HAS_XSMM
template <class T>
Kernel<T> find_kernel(const KernelShape& shape) {
    const auto number = [](std::size_t n) { return static_cast<libxsmm_blasint>(n); };
    const libxsmm_blasint columns = number(shape.columns), rows = number(shape.rows),
                          terms = number(shape.terms), ld_panel = number(padded(shape.columns)),
                          ld_rows = number(shape.lda), ld_c = number(shape.ldc);
    const T alpha = 1, beta = shape.adds ? 1 : 0;
    const int flags = shape.transpose_a ? LIBXSMM_GEMM_FLAG_TRANS_B : LIBXSMM_GEMM_FLAG_NONE;
    if constexpr (sizeof(T) == sizeof(float))
        return libxsmm_smmdispatch(columns, rows, terms, &ld_panel, &ld_rows, &ld_c, &alpha, &beta,
                                   &flags, nullptr);
    else
        return libxsmm_dmmdispatch(columns, rows, terms, &ld_panel, &ld_rows, &ld_c, &alpha, &beta,
                                   &flags, nullptr);
}

template <class T>
void transpose(const T* from, std::size_t ld, std::size_t rows, std::size_t columns, T* to) {
    libxsmm_otrans(to, from, sizeof(T), static_cast<libxsmm_blasint>(columns),
                   static_cast<libxsmm_blasint>(rows), static_cast<libxsmm_blasint>(ld),
                   static_cast<libxsmm_blasint>(rows));
}

#else
template <class T>
Kernel<T> find_kernel(const KernelShape&) {
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
Kernel<T> kernel(const KernelShape& shape) {
    struct Entry {
        KernelShape shape{};
        Kernel<T> found = nullptr;
    };
    thread_local std::array<Entry, 256> entries;
    Entry& entry = entries[shape.hash() % entries.size()];
    if (entry.shape != shape) entry = {shape, find_kernel<T>(shape)};
    return entry.found;
}

// Multiples of 16, and the first other leading dimensions that are asked for.
bool has_kernels(std::size_t ld) {
    if (ld > std::numeric_limits<std::int32_t>::max()) return false;
    if (ld % grain == 0) return true;
    static std::array<std::atomic<std::size_t>, 24> others{};
    for (auto& other : others) {
        std::size_t known = other.load(std::memory_order_relaxed);
        if (known == 0 && other.compare_exchange_strong(known, ld, std::memory_order_relaxed))
            return true;
        if (known == ld) return true;
    }
    return false;
}

// Calls f(begin, size) for the blocks of [0, total).
template <class F>
void for_blocks(std::size_t total, std::size_t most, const F& f) {
    for (std::size_t begin = 0; begin < total; begin += most)
        f(begin, std::min(most, total - begin));
}

// If there is no memory for another kernel.
template <class T>
void multiply_slowly(const KernelShape& shape, const T* panel, const T* a, T* c) {
    const std::size_t ld_panel = padded(shape.columns),
                      row_stride = shape.transpose_a ? 1 : shape.lda,
                      term_stride = shape.transpose_a ? shape.lda : 1;
    for (std::size_t i = 0; i < shape.rows; ++i)
        for (std::size_t j = 0; j < shape.columns; ++j) {
            T sum = shape.adds ? c[i * shape.ldc + j] : T(0);
            for (std::size_t q = 0; q < shape.terms; ++q)
                sum += a[i * row_stride + q * term_stride] * panel[q * ld_panel + j];
            c[i * shape.ldc + j] = sum;
        }
}

template <class T>
struct Workspace {
    alignas(64) T rows[rows_at_once * terms_at_once];
    alignas(64) T c[rows_at_once * most_columns];
    alignas(64) T packed[terms_at_once * columns_in_cache];
};

// A block of packed panels: `terms` terms from `first` on of panels with `panel_terms` terms.
template <class T>
struct Block {
    const T* panels;
    std::size_t panel_terms, first, terms, columns;

    const T* panel(std::size_t column) const {
        const std::size_t width = padded(std::min(columns - column, panel_columns()));
        return panels + column * panel_terms + first * width;
    }
};

template <class T>
void multiply_block(bool transpose_a, std::size_t m, T alpha, const T* a, std::size_t lda,
                    const Block<T>& b, T beta, T* c, std::size_t ldc) {
    // Kernels are specific to leading dimensions, which do not matter for a single row.
    if (m == 1) {
        if (!transpose_a) lda = terms_at_once;
        ldc = columns_in_cache;
    }
    // A transposed A is read with large strides for every panel, unless it is copied.
    const bool copies_rows = !has_kernels(lda) || (transpose_a && b.columns > 128);
    const bool direct = alpha == T(1) && (beta == T(0) || beta == T(1)) && has_kernels(ldc);
    const auto number = [](std::size_t n) { return static_cast<std::uint32_t>(n); };
    Workspace<T>& space = per_thread<Workspace<T>>();
    for_blocks(m, rows_at_once, [&](std::size_t row, std::size_t rows) {
        const T* left = a + (transpose_a ? row : row * lda);
        std::size_t ld_left = lda;
        if (copies_rows) {
            const std::size_t lines = transpose_a ? b.terms : rows,
                              length = transpose_a ? rows : b.terms;
            ld_left = transpose_a ? rows_at_once : terms_at_once;
            for (std::size_t i = 0; i < lines; ++i)
                std::copy_n(left + i * lda, length, space.rows + i * ld_left);
            left = space.rows;
        }
        for_blocks(b.columns, panel_columns(), [&](std::size_t column, std::size_t columns) {
            T* const target = c + row * ldc + column;
            T* const out = direct ? target : space.c;
            const KernelShape shape{number(columns),
                                    number(rows),
                                    number(b.terms),
                                    transpose_a,
                                    direct && beta == T(1),
                                    number(ld_left),
                                    number(direct ? ldc : most_columns)};
            if (const auto f = kernel<T>(shape))
                f(b.panel(column), left, out);
            else
                multiply_slowly(shape, b.panel(column), left, out);
            if (direct) return;
            for (std::size_t i = 0; i < rows; ++i) {
                const T* const from = out + i * most_columns;
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

// `block(term, terms, column, columns)` provides the blocks of B.
template <class T, class F>
void multiply_blocks(bool transpose_a, std::size_t m, std::size_t n, std::size_t k, T alpha,
                     const T* a, std::size_t lda, const F& block, T beta, T* c, std::size_t ldc) {
    const StorageRef storage(
        k > terms_in_sequence ? Storage::allocate(m * columns_in_cache * sizeof(T)) : nullptr);
    for_blocks(n, columns_in_cache, [&](std::size_t column, std::size_t columns) {
        for_blocks(k, terms_in_sequence, [&](std::size_t first, std::size_t part_terms) {
            T* const target = c + column;
            T* const part = first == 0 ? target : static_cast<T*>(storage->data());
            const std::size_t ld_part = first == 0 ? ldc : columns_in_cache;
            for_blocks(part_terms, terms_at_once, [&](std::size_t from, std::size_t terms) {
                const std::size_t term = first + from;
                const T kept = term == 0 ? beta : from == 0 ? T(0) : T(1);
                multiply_block(transpose_a, m, alpha, a + (transpose_a ? term * lda : term), lda,
                               block(term, terms, column, columns), kept, part, ld_part);
            });
            if (first == 0) return;
            for (std::size_t i = 0; i < m; ++i)
                for (std::size_t j = 0; j < columns; ++j)
                    target[i * ldc + j] += part[i * ld_part + j];
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
        kernel<float>({grain, 1, grain, false, false, grain, grain}) != nullptr &&
        kernel<double>({grain, 1, grain, true, true, grain, grain}) != nullptr;
    return found;
}

std::size_t packed_size(std::size_t k, std::size_t n) { return k * padded(n); }

template <class T>
void pack(const T* b, std::size_t ldb, bool transposed, std::size_t k, std::size_t n, T* packed) {
    for_blocks(n, panel_columns(), [&](std::size_t column, std::size_t columns) {
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
    const auto block = [&](std::size_t term, std::size_t terms, std::size_t column,
                           std::size_t columns) {
        return Block<T>{packed + column * k, k, term, terms, columns};
    };
    multiply_blocks(transpose_a, m, n, k, alpha, a, lda, block, beta, c, ldc);
}

template <class T>
void multiply(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
              T alpha, const T* a, std::size_t lda, const T* b, std::size_t ldb, T beta, T* c,
              std::size_t ldc) {
    T* const packed = per_thread<Workspace<T>>().packed;
    const auto block = [&](std::size_t term, std::size_t terms, std::size_t column,
                           std::size_t columns) {
        pack(b + (transpose_b ? column * ldb + term : term * ldb + column), ldb, transpose_b, terms,
             columns, packed);
        return Block<T>{packed, terms, 0, terms, columns};
    };
    multiply_blocks(transpose_a, m, n, k, alpha, a, lda, block, beta, c, ldc);
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
