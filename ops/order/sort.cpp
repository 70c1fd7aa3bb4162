#include <unroll/ops/index.hpp>
#include <unroll/ops/order/sort.hpp>
#include <unroll/ops/reduce.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace unroll {

namespace {

// The positions of a row in ascending order of its elements.
template <class T>
void sort_row(const T* row, std::int64_t* order, std::size_t n) {
    std::iota(order, order + n, std::int64_t{0});
    std::stable_sort(order, order + n, [row](std::int64_t a, std::int64_t b) {
        return row[a] < row[b] || (!std::isnan(row[a]) && std::isnan(row[b]));
    });
}

// x with an axis exchanged with the last one.
template <class U>
Tensor<U> swapped(const Tensor<U>& x, std::size_t axis) {
    Shape order(x.dimension());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::swap(order[axis], order.back());
    return x.transpose({order.begin(), order.size()}).contiguous();
}

} // namespace

template <class T>
Indices argsort(const Variable<T>& x, std::ptrdiff_t axis, Op op) {
    x.require_value(op);
    const std::size_t a = normal_axis(op, axis, x.dimension());
    const Tensor<T> in = swapped(x.value(), a);
    Indices order(in.shape());
    const std::size_t n = in.shape().back();
    for (std::size_t i = 0; i < in.size(); i += n) sort_row(in.data() + i, order.data() + i, n);
    return swapped(order, a);
}

template <class T>
Variable<T> sort(const Variable<T>& x, std::ptrdiff_t axis, Op op) {
    return gather(x, axis, argsort(x, axis, op), op);
}

template <class T>
Variable<T> topk_values(const Variable<T>& x, std::size_t k, Op op) {
    x.require_value(op);
    return gather(x, -1, topk(x, k, op).indices, op);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> sort(const Variable<T>&, std::ptrdiff_t, Op);                             \
    template Indices argsort(const Variable<T>&, std::ptrdiff_t, Op);                              \
    template Variable<T> topk_values(const Variable<T>&, std::size_t, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
