#include <unroll/core/autograd/backward/linear_maps.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/rearrange/diagonal.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <cstdint>

namespace unroll {

namespace {

// The elements of diagonal k of a row-major matrix [rows, columns].
Indices on_diagonal(std::size_t rows, std::size_t columns, std::ptrdiff_t k) {
    // Unsigned, since -k may not be representable.
    const auto distance = static_cast<std::size_t>(k);
    const std::size_t row = k < 0 ? 0 - distance : 0, column = k > 0 ? distance : 0;
    const bool is_inside = row < rows && column < columns;
    Indices elements(Shape{is_inside ? std::min(rows - row, columns - column) : 0});
    for (std::size_t i = 0; i < elements.size(); ++i)
        elements.data()[i] = static_cast<std::int64_t>((row + i) * columns + column + i);
    return elements;
}

// True where column - row <= k.
Mask lower(const Op& op, const Shape& shape, std::ptrdiff_t k) {
    if (shape.size() < 2) fail(op, "x " + to_string(shape) + "; expected [..., m, n]");
    const std::size_t rows = shape[shape.size() - 2], columns = shape.back();
    Mask mask({rows, columns});
    for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < columns; ++j)
            mask.data()[i * columns + j] =
                static_cast<std::ptrdiff_t>(j) - static_cast<std::ptrdiff_t>(i) <= k;
    return mask;
}

} // namespace

template <class T>
Variable<T> diagonal(const Variable<T>& x, std::ptrdiff_t k, std::ptrdiff_t axis1,
                     std::ptrdiff_t axis2, Op op) {
    x.require_value(op);
    const std::size_t rows = normal_axis(op, axis1, x.dimension()),
                      columns = normal_axis(op, axis2, x.dimension());
    if (rows == columns)
        fail(op, "both axes are axis " + std::to_string(rows) + " of " + to_string(x.shape()));
    Shape order{rows, columns}, shape, last_first;
    for (std::size_t a = 0; a < x.dimension(); ++a) {
        if (a == rows || a == columns) continue;
        order.push_back(a);
        shape.push_back(x.shape(a));
    }
    const Composite composite(op);
    const Variable<T> matrices =
        record_view(op, x, x.value().transpose({order.begin(), order.size()}));
    const Indices elements = on_diagonal(x.shape(rows), x.shape(columns), k);
    const Shape flat{x.shape(rows) * x.shape(columns), element_count(shape)};
    shape.insert(0, elements.size());
    const Variable<T> found = reshape(gather_rows(op, reshape(matrices, flat), elements), shape);
    for (std::size_t a = 1; a < shape.size(); ++a) last_first.push_back(a);
    last_first.push_back(0);
    return record_view(op, found, found.value().transpose({last_first.begin(), last_first.size()}));
}

template <class T>
Variable<T> diag(const Variable<T>& x, std::ptrdiff_t k, Op op) {
    if (x.dimension() == 2) return diagonal(x, k, 0, 1, op);
    if (x.dimension() != 1) fail(op, "x " + to_string(x.shape()) + "; expected [n] or [m, n]");
    const auto distance = static_cast<std::size_t>(k);
    const std::size_t away = k < 0 ? 0 - distance : distance, n = x.size() + away;
    const Shape shape{n, n};
    if (n < away) fail(op, "no matrix has a diagonal " + std::to_string(k));
    const std::size_t elements = checked_count(shape);
    const Composite composite(op);
    return reshape(scatter_rows(op, x, on_diagonal(n, n, k), Shape{elements}), shape);
}

template <class T>
Variable<T> tril(const Variable<T>& x, std::ptrdiff_t k, Op op) {
    return where(lower(op, x.shape(), k), x, 0, op);
}
template <class T>
Variable<T> triu(const Variable<T>& x, std::ptrdiff_t k, Op op) {
    const std::ptrdiff_t below = std::max(k, PTRDIFF_MIN + 1) - 1; // without overflow
    return where(!lower(op, x.shape(), below), x, 0, op);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> diagonal(const Variable<T>&, std::ptrdiff_t, std::ptrdiff_t,              \
                                  std::ptrdiff_t, Op);                                             \
    template Variable<T> diag(const Variable<T>&, std::ptrdiff_t, Op);                             \
    template Variable<T> tril(const Variable<T>&, std::ptrdiff_t, Op);                             \
    template Variable<T> triu(const Variable<T>&, std::ptrdiff_t, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
