#include <unroll/ops/join.hpp>
#include <unroll/ops/rearrange/repeat.hpp>
#include <unroll/ops/views.hpp>

namespace unroll {

namespace {

// Each element n times along an axis, or the whole axis n times.
template <class T>
Variable<T> copies(const Variable<T>& x, std::size_t n, std::size_t axis, bool whole) {
    if (n == 1) return x;
    const Shape& shape = x.shape();
    const std::size_t outer = element_count(Shape(shape.begin(), shape.begin() + axis)),
                      inner = element_count(Shape(shape.begin() + axis + 1, shape.end()));
    Shape spread{outer, shape[axis], 1, inner};
    if (whole) std::swap(spread[1], spread[2]);
    const Variable<T> parts = reshape(x, spread);
    spread[whole ? 1 : 2] = n;
    checked_count(spread);
    Shape joined = shape;
    joined[axis] *= n;
    return reshape(broadcast_to(parts, spread), joined);
}

} // namespace

template <class T>
Variable<T> roll(const Variable<T>& x, std::ptrdiff_t shift, std::ptrdiff_t axis, Op op) {
    x.require_value(op);
    const std::size_t n = x.shape(normal_axis(op, axis, x.dimension()));
    const auto extent = static_cast<std::ptrdiff_t>(n);
    if (n == 0 || shift % extent == 0) return x;
    const auto last = static_cast<std::size_t>((shift % extent + extent) % extent);
    const Composite composite(op);
    return concatenate({slice(x, axis, n - last, n), slice(x, axis, 0, n - last)}, axis, op);
}
template <class T>
Variable<T> roll(const Variable<T>& x, std::ptrdiff_t shift, Op op) {
    x.require_value(op);
    const Composite composite(op);
    return reshape(roll(flatten(x), shift, 0, op), x.shape());
}

template <class T>
Variable<T> repeat(const Variable<T>& x, std::size_t n, std::ptrdiff_t axis, Op op) {
    x.require_value(op);
    const std::size_t a = normal_axis(op, axis, x.dimension());
    const Composite composite(op);
    return copies(x, n, a, false);
}

template <class T>
Variable<T> tile(const Variable<T>& x, std::initializer_list<std::size_t> counts, Op op) {
    x.require_value(op);
    if (counts.size() > max_rank)
        fail(op, std::to_string(counts.size()) + " counts; a tensor has at most " +
                     std::to_string(max_rank) + " axes");
    const Composite composite(op);
    Variable<T> y = x;
    while (y.dimension() < counts.size()) y = expand_dims(y, 0);
    std::size_t axis = y.dimension() - counts.size();
    for (const std::size_t n : counts) y = copies(y, n, axis++, true);
    return y;
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> roll(const Variable<T>&, std::ptrdiff_t, Op);                             \
    template Variable<T> roll(const Variable<T>&, std::ptrdiff_t, std::ptrdiff_t, Op);             \
    template Variable<T> repeat(const Variable<T>&, std::size_t, std::ptrdiff_t, Op);              \
    template Variable<T> tile(const Variable<T>&, std::initializer_list<std::size_t>, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
