#include <unroll/core/base/error.hpp>
#include <unroll/core/base/scope.hpp>
#include <unroll/nn/initialize.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

namespace unroll::nn {

namespace {

std::atomic<std::uint64_t> current_seed{0};
std::atomic<std::uint64_t> streams{0};

std::pair<double, double> fans(const char* name, const Shape& shape) {
    if (shape.size() < 2)
        fail(name, "expected a weight of at least two dimensions, got " + to_string(shape));
    return {static_cast<double>(element_count(shape) / std::max<std::size_t>(shape[0], 1)),
            static_cast<double>(shape[0])};
}

// Gram-Schmidt on the rows of a block, applied twice against rounding errors.
void orthonormalise(std::vector<double>& rows, std::size_t count, std::size_t width) {
    for (std::size_t i = 0; i < count; ++i) {
        double* row = rows.data() + i * width;
        for (int pass = 0; pass < 2; ++pass) {
            for (std::size_t j = 0; j < i; ++j) {
                const double* other = rows.data() + j * width;
                double dot = 0;
                for (std::size_t k = 0; k < width; ++k) dot += row[k] * other[k];
                for (std::size_t k = 0; k < width; ++k) row[k] -= dot * other[k];
            }
            double norm = 0;
            for (std::size_t k = 0; k < width; ++k) norm += row[k] * row[k];
            for (std::size_t k = 0; k < width; ++k) row[k] /= std::sqrt(norm);
        }
    }
}

} // namespace

void seed(std::uint64_t value) {
    current_seed = value;
    streams = 0;
}

Random next_stream() { return Random(current_seed).split(streams++); }

template <class T>
Tensor<T> uniform(const Shape& shape, double bound, Random random) {
    Tensor<T> values(shape);
    random.fill_uniform(values.data(), values.size(), static_cast<T>(-bound),
                        static_cast<T>(bound));
    return values;
}

template <class T>
Tensor<T> normal(const Shape& shape, double deviation, Random random) {
    Tensor<T> values(shape);
    random.fill_normal(values.data(), values.size(), T(0), static_cast<T>(deviation));
    return values;
}

template <class T>
Tensor<T> xavier(const Shape& shape, Random random, Where where) {
    const Called here(where);
    const auto [in, out] = fans("xavier", shape);
    return uniform<T>(shape, std::sqrt(6.0 / std::max(in + out, 1.0)), random);
}

template <class T>
Tensor<T> he(const Shape& shape, Random random, Where where) {
    const Called here(where);
    const auto [in, out] = fans("he", shape);
    static_cast<void>(out);
    return normal<T>(shape, std::sqrt(2.0 / std::max(in, 1.0)), random);
}

template <class T>
Tensor<T> orthogonal(const Shape& shape, Random random, std::size_t block, Where where) {
    const Called here(where);
    if (shape.size() != 2) fail("orthogonal", "expected a matrix, got " + to_string(shape));
    const std::size_t rows = block == 0 ? shape[0] : block, width = shape[1];
    if (rows == 0 || shape[0] % rows != 0)
        fail("orthogonal", to_string(shape) + " cannot be split into blocks of " +
                               std::to_string(rows) + " rows");
    Tensor<T> values(shape);
    const bool wide = rows <= width;
    const std::size_t count = std::min(rows, width), length = std::max(rows, width);
    std::vector<double> basis(count * length);
    for (std::size_t begin = 0; begin < shape[0]; begin += rows) {
        random.fill_normal(basis.data(), basis.size(), 0.0, 1.0);
        orthonormalise(basis, count, length);
        for (std::size_t i = 0; i < rows; ++i)
            for (std::size_t j = 0; j < width; ++j)
                values.data()[(begin + i) * width + j] =
                    static_cast<T>(wide ? basis[i * length + j] : basis[j * length + i]);
    }
    return values;
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Tensor<T> uniform(const Shape&, double, Random);                                      \
    template Tensor<T> normal(const Shape&, double, Random);                                       \
    template Tensor<T> xavier(const Shape&, Random, Where);                                        \
    template Tensor<T> he(const Shape&, Random, Where);                                            \
    template Tensor<T> orthogonal(const Shape&, Random, std::size_t, Where);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
