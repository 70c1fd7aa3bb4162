#include <unroll/core/kernels/sums.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/order/linear_scan.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/statistics/reduced_rows.hpp>
#include <unroll/ops/statistics/statistics.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace unroll {

namespace {

using detail::ReducedRows;

// The last state of a scan: h[i] = x[i] h[i - 1] from 1.
template <class T>
Variable<T> prod_of(const Op& op, const ReducedRows<T>& x, bool keep_dims) {
    const Variable<T> factors = transpose(x.rows);
    const Variable<T> zeros = constant(Tensor<T>::scalar(0).broadcast_to(factors.shape()));
    const Variable<T> products =
        detail::scan_states(op, factors, zeros, Variable<T>(T(1)), false, true);
    return x.shaped(select(products, 0, x.count()), keep_dims);
}

// The rounding error of the mean is a constant that is subtracted, too.
template <class T>
Variable<T> stddev_of(const Op& op, const ReducedRows<T>& x, std::size_t ddof, bool keep_dims) {
    const Variable<T> centre = mean(x.rows, {1}, true);
    const Variable<T> distance = fuse(
        op, [](auto x, auto mean, auto rest) { return x - mean - rest; }, x.rows, centre,
        constant(mean_rest(x.rows.value(), centre.value())));
    const auto n = static_cast<T>(x.count() - ddof);
    return x.shaped(norm_l2(distance, {1}, false, op) / std::sqrt(n), keep_dims);
}

// The middle elements of each row, twice the same if there is only one.
template <class T>
std::array<Indices, 2> middles(const Tensor<T>& rows) {
    const std::size_t n = rows.shape(1);
    std::array<Indices, 2> found{Indices(Shape{rows.shape(0)}), Indices(Shape{rows.shape(0)})};
    std::vector<std::size_t> order(n);
    for (std::size_t i = 0; i < rows.shape(0); ++i) {
        const T* const row = rows.data() + i * n;
        const auto put = [&](std::size_t which, std::size_t at) {
            found[which].data()[i] = static_cast<std::int64_t>(i * n + at);
        };
        const T* const nan = std::find_if(row, row + n, [](T v) { return std::isnan(v); });
        if (nan != row + n) {
            put(0, static_cast<std::size_t>(nan - row));
            put(1, static_cast<std::size_t>(nan - row));
            continue;
        }
        std::iota(order.begin(), order.end(), std::size_t{0});
        const auto before = [row](std::size_t a, std::size_t b) {
            return row[a] < row[b] || (row[a] == row[b] && a < b);
        };
        const auto upper = order.begin() + static_cast<std::ptrdiff_t>(n / 2);
        std::nth_element(order.begin(), upper, order.end(), before);
        put(1, *upper);
        put(0, n % 2 == 1 ? *upper : *std::max_element(order.begin(), upper, before));
    }
    return found;
}

template <class T>
Variable<T> median_of(const Op& op, const ReducedRows<T>& x, bool keep_dims) {
    if (x.count() == 0 && x.rows.shape(0) != 0)
        fail(op, "there are no elements to reduce for " + to_string(x.kept));
    const auto [low, high] = middles(x.rows.value().contiguous());
    const Variable<T> all = flatten(x.rows);
    const Variable<T> middle = fuse(
        op, [](auto low, auto high) { return 0.5 * low + 0.5 * high; }, take(all, low, op),
        take(all, high, op));
    return x.shaped(middle, keep_dims);
}

} // namespace

template <class T>
Variable<T> prod(const Variable<T>& x, Op op) {
    const Composite composite(op);
    return prod_of(op, ReducedRows<T>::all(op, x), false);
}
template <class T>
Variable<T> prod(const Variable<T>& x, Axes axes, bool keep_dims, Op op) {
    const Composite composite(op);
    return prod_of(op, ReducedRows<T>::over(op, x, axes), keep_dims);
}

template <class T>
Variable<T> stddev(const Variable<T>& x, Op op) {
    const Composite composite(op);
    return stddev_of(op, ReducedRows<T>::all(op, x), 0, false);
}
template <class T>
Variable<T> stddev(const Variable<T>& x, Axes axes, std::size_t ddof, bool keep_dims, Op op) {
    const Composite composite(op);
    const auto rows = ReducedRows<T>::over(op, x, axes);
    if (rows.count() <= ddof)
        fail(op, std::to_string(rows.count()) + " elements are too few for ddof " +
                     std::to_string(ddof));
    return stddev_of(op, rows, ddof, keep_dims);
}

template <class T>
Variable<T> median(const Variable<T>& x, Op op) {
    const Composite composite(op);
    return median_of(op, ReducedRows<T>::all(op, x), false);
}
template <class T>
Variable<T> median(const Variable<T>& x, Axes axes, bool keep_dims, Op op) {
    const Composite composite(op);
    return median_of(op, ReducedRows<T>::over(op, x, axes), keep_dims);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> prod(const Variable<T>&, Op);                                             \
    template Variable<T> prod(const Variable<T>&, Axes, bool, Op);                                 \
    template Variable<T> stddev(const Variable<T>&, Op);                                           \
    template Variable<T> stddev(const Variable<T>&, Axes, std::size_t, bool, Op);                  \
    template Variable<T> median(const Variable<T>&, Op);                                           \
    template Variable<T> median(const Variable<T>&, Axes, bool, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
