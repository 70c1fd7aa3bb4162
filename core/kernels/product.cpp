#include <unroll/core/kernels/gemm.hpp>
#include <unroll/core/kernels/loops.hpp>
#include <unroll/core/kernels/product.hpp>
#include <unroll/core/kernels/threads.hpp>
#include <unroll/core/kernels/weights.hpp>

#include <algorithm>

namespace unroll {

namespace {

// A matrix in GEMM layout: contiguous rows or columns.
template <class T>
struct Matrix {
    Tensor<T> tensor;
    bool transposed;
    std::size_t leading;
};

// The leading dimension if `along` is the unit-stride axis of the matrix; 0 if it is not.
template <class T>
std::size_t leading(const Tensor<T>& x, std::size_t along) {
    const std::size_t across = 1 - along;
    const auto width = static_cast<std::ptrdiff_t>(std::max<std::size_t>(x.shape(along), 1));
    if (x.strides()[along] != 1 && x.shape(along) != 1) return 0;
    if (x.shape(across) <= 1) return static_cast<std::size_t>(width);
    return x.strides()[across] >= width ? static_cast<std::size_t>(x.strides()[across]) : 0;
}

template <class T>
Matrix<T> as_matrix(const Tensor<T>& x) {
    if (const std::size_t ld = leading(x, 1)) return {x, false, ld};
    if (const std::size_t ld = leading(x, 0)) return {x, true, ld};
    const Tensor<T> copy = x.copy();
    return {copy, false, leading(copy, 1)};
}

template <class T>
void multiply_matrices(const Tensor<T>& a, const Tensor<T>& b, T scale, T beta, Tensor<T>& out) {
    const std::size_t ld = leading(out, 1);
    if (ld == 0) {
        if (leading(out, 0) != 0) {
            Tensor<T> flipped = out.transpose();
            return multiply_matrices(b.transpose(), a.transpose(), scale, beta, flipped);
        }
        Tensor<T> compact = beta == T(0) ? Tensor<T>(out.shape()) : out.copy();
        multiply_matrices(a, b, scale, beta, compact);
        return out.assign(compact);
    }
    const Matrix<T> left = as_matrix(a), right = as_matrix(b);
    if (const T* const packed = weights::packed(right.tensor, right.transposed, right.leading))
        return gemm(left.transposed, out.shape(0), out.shape(1), a.shape(1), scale,
                    left.tensor.data(), left.leading, packed, beta, out.data(), ld);
    gemm(left.transposed, right.transposed, out.shape(0), out.shape(1), a.shape(1), scale,
         left.tensor.data(), left.leading, right.tensor.data(), right.leading, beta, out.data(),
         ld);
}

// The matrices in the last two axes of a tensor, in GEMM layout.
template <class T>
struct Matrices {
    explicit Matrices(const Tensor<T>& x) : tensor(x) {
        const std::size_t rank = x.dimension();
        const Tensor<T> first(StorageRef(), nullptr, {x.shape(rank - 2), x.shape(rank - 1)},
                              {x.strides()[rank - 2], x.strides()[rank - 1]});
        leading = unroll::leading(first, 1);
        if (leading != 0) return;
        leading = unroll::leading(first, 0);
        transposed = true;
    }
    // Offset of the i-th matrix, in row-major order of the other axes.
    std::ptrdiff_t at(std::size_t i) const {
        std::ptrdiff_t offset = 0;
        for (std::size_t a = tensor.dimension() - 2; a-- > 0; i /= tensor.shape(a))
            offset += static_cast<std::ptrdiff_t>(i % tensor.shape(a)) * tensor.strides()[a];
        return offset;
    }

    const Tensor<T>& tensor;
    bool transposed = false;
    std::size_t leading; // 0: not in GEMM layout
};

} // namespace

template <class T>
void multiply(const Tensor<T>& a, const Tensor<T>& b, T scale, T beta, Tensor<T>& out) {
    if (out.size() == 0) return;
    const std::size_t rank = out.dimension();
    if (rank == 2) return multiply_matrices(a, b, scale, beta, out);
    const auto batches = [&](const Tensor<T>& x) {
        Shape shape(out.shape().begin(), out.shape().end() - 2);
        shape.push_back(x.shape(x.dimension() - 2));
        shape.push_back(x.shape(x.dimension() - 1));
        return x.broadcast_to(shape);
    };
    const Tensor<T> left = batches(a), right = batches(b);
    const Matrices<T> x(left), y(right), z(out);
    if (x.leading == 0 || y.leading == 0 || z.leading == 0 || z.transposed) {
        for (std::size_t i = 0; i < out.shape(0); ++i) {
            Tensor<T> part = out.select(0, i);
            multiply(left.select(0, i), right.select(0, i), scale, beta, part);
        }
        return;
    }
    const std::size_t m = out.shape(rank - 2), n = out.shape(rank - 1), k = left.shape(rank - 1);
    const auto some = [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i)
            gemm(x.transposed, y.transposed, m, n, k, scale, left.data() + x.at(i), x.leading,
                 right.data() + y.at(i), y.leading, beta, out.data() + z.at(i), z.leading);
    };
    const std::size_t count = out.size() / (m * n);
    const double operations = 2.0 * static_cast<double>(out.size()) * static_cast<double>(k);
    if (threads::worth_splitting(operations))
        threads::for_pieces(count, 1, some);
    else
        some(0, count);
}

template <class T>
void add_into(Tensor<T>& out, const Tensor<T>& x, T scale) {
    map_elements(out.shape(), std::array{InputOperand<T>(x)},
                 std::array{OutputOperand<T>(out, true)}, [scale](auto v) { return v * scale; });
}

template void multiply(const Tensor<float>&, const Tensor<float>&, float, float, Tensor<float>&);
template void multiply(const Tensor<double>&, const Tensor<double>&, double, double,
                       Tensor<double>&);
template void add_into(Tensor<float>&, const Tensor<float>&, float);
template void add_into(Tensor<double>&, const Tensor<double>&, double);

} // namespace unroll
