#include <unroll/ops/resize/axis_map.hpp>

#include <algorithm>

namespace unroll::detail {

namespace {

// Calls f(row, i) for every row of the map at each position of the axes before the axis, the i-th
// of all; a row reads or writes `inner` neighbouring elements for each weight.
template <class F>
void for_rows(const Shape& shape, std::size_t axis, const AxisMap& map, const F& f) {
    const std::size_t outer = element_count(Shape(shape.begin(), shape.begin() + axis));
    for (std::size_t o = 0, i = 0; o < outer; ++o)
        for (const AxisMap::Row& row : map.rows) f(row, o * map.extent + row.first, i++);
}
std::size_t inner_count(const Shape& shape, std::size_t axis) {
    return element_count(Shape(shape.begin() + axis + 1, shape.end()));
}
Shape with_extent(Shape shape, std::size_t axis, std::size_t extent) {
    shape[axis] = extent;
    return shape;
}

template <class T>
Tensor<T> forward(const Tensor<T>& x, std::size_t axis, const AxisMap& map) {
    Tensor<T> y(with_extent(x.shape(), axis, map.rows.size()));
    const Tensor<T> dense = x.contiguous();
    const std::size_t inner = inner_count(x.shape(), axis);
    std::vector<double> sums(inner);
    for_rows(x.shape(), axis, map, [&](const AxisMap::Row& row, std::size_t from, std::size_t to) {
        const T* in = dense.data() + from * inner;
        T* const out = y.data() + to * inner;
        if (inner == 1) { // the last axis, for which the loops below are slow
            double sum = 0;
            for (const double weight : row.weights) sum += weight * static_cast<double>(*in++);
            *out = static_cast<T>(sum / row.divisor);
            return;
        }
        std::fill(sums.begin(), sums.end(), 0.0);
        for (const double weight : row.weights)
            for (std::size_t n = 0; n < inner; ++n) sums[n] += weight * static_cast<double>(*in++);
        for (std::size_t n = 0; n < inner; ++n) out[n] = static_cast<T>(sums[n] / row.divisor);
    });
    return y;
}

template <class T>
Tensor<T> adjoint(const Tensor<T>& y, std::size_t axis, const AxisMap& map) {
    const Shape shape = with_extent(y.shape(), axis, map.extent);
    std::vector<double> sums(element_count(shape), 0.0);
    const Tensor<T> dense = y.contiguous();
    const std::size_t inner = inner_count(shape, axis);
    for_rows(shape, axis, map, [&](const AxisMap::Row& row, std::size_t to, std::size_t from) {
        const T* const in = dense.data() + from * inner;
        double* out = sums.data() + to * inner;
        for (const double weight : row.weights)
            for (std::size_t n = 0; n < inner; ++n)
                *out++ += weight * static_cast<double>(in[n]) / row.divisor;
    });
    Tensor<T> x(shape);
    std::transform(sums.begin(), sums.end(), x.data(), [](double v) { return static_cast<T>(v); });
    return x;
}

// The map and its adjoint are each other's derivative.
template <class T>
Variable<T> map_back(const Op& op, const Variable<T>& y, std::size_t axis,
                     const std::shared_ptr<const AxisMap>& map) {
    return record<T>(op, {&y}, adjoint(y.value(), axis, *map), save_for_backward(),
                     [axis, map](const Adjoints<T>& to, const Variable<T>& x) {
                         to[0].add(map_axis(to[0].operation(), x, axis, map));
                     });
}

} // namespace

template <class T>
Variable<T> map_axis(const Op& op, const Variable<T>& x, std::size_t axis,
                     const std::shared_ptr<const AxisMap>& map) {
    return record<T>(op, {&x}, forward(x.value(), axis, *map), save_for_backward(),
                     [axis, map](const Adjoints<T>& to, const Variable<T>& y) {
                         to[0].add(map_back(to[0].operation(), y, axis, map));
                     });
}

template Variable<float> map_axis(const Op&, const Variable<float>&, std::size_t,
                                  const std::shared_ptr<const AxisMap>&);
template Variable<double> map_axis(const Op&, const Variable<double>&, std::size_t,
                                   const std::shared_ptr<const AxisMap>&);

} // namespace unroll::detail
