#include <unroll/ops/views.hpp>

#include <numeric>

namespace unroll {

namespace {

// -1 as the user wrote it, and not 18446744073709551615.
std::string as_written(std::size_t n) { return std::to_string(static_cast<std::ptrdiff_t>(n)); }

} // namespace

template <class T>
Variable<T> reshape(const Variable<T>& x, const Shape& shape, Op op) {
    x.require_value(op);
    Tensor<T> value = x.value().reshape(shape, op);
    if (value.storage() == x.value().storage()) return record_view(op, x, std::move(value));
    return record<T>(op, {&x}, std::move(value), save_for_backward(),
                     [shape = x.shape()](const Adjoints<T>& to, const Variable<T>& g) {
                         to[0].add(reshape(g, shape));
                     });
}

template <class T>
Variable<T> reshape(const Variable<T>& x, std::initializer_list<std::ptrdiff_t> extents, Op op) {
    x.require_value(op);
    Shape shape;
    std::size_t known = 1, open = 0, at = 0;
    for (const std::ptrdiff_t n : extents) {
        if (n < -1) fail(op, "an extent is " + std::to_string(n));
        if (n == -1) {
            ++open;
            at = shape.size();
        } else {
            known *= static_cast<std::size_t>(n);
        }
        shape.push_back(n == -1 ? 1 : static_cast<std::size_t>(n));
    }
    if (open > 1) fail(op, "more than one extent is -1");
    if (open == 1) {
        if (known == 0 || x.size() % known != 0)
            fail(op, "no extent for -1 fits " + std::to_string(x.size()) + " elements of " +
                         to_string(x.shape()) + " over " + std::to_string(known));
        shape[at] = x.size() / known;
    }
    return reshape(x, shape, op);
}

template <class T>
Variable<T> flatten(const Variable<T>& x, Op op) {
    return reshape(x, Shape{x.size()}, op);
}

template <class T>
Variable<T> slice(const Variable<T>& x, std::ptrdiff_t axis, std::size_t begin, std::size_t end,
                  Op op) {
    x.require_value(op);
    return record_view(op, x, x.value().slice(axis, begin, end, op));
}

template <class T>
Variable<T> select(const Variable<T>& x, std::ptrdiff_t axis, std::size_t index, Op op) {
    x.require_value(op);
    return record_view(op, x, x.value().select(axis, index, op));
}

template <class T>
Variable<T> block(const Variable<T>& x, std::size_t i, std::size_t n, Op op) {
    x.require_value(op);
    const std::size_t last = x.dimension() == 0 ? 0 : x.shape().back();
    if (x.dimension() == 0 || n == 0 || last % n != 0 || i >= n)
        fail(op, "block " + as_written(i) + " of " + as_written(n) + " on the last axis of " +
                     to_string(x.shape()) +
                     "; the number of blocks must divide its extent, and blocks count from 0");
    const std::size_t width = last / n;
    return record_view(op, x, x.value().slice(-1, i * width, (i + 1) * width));
}

template <class T>
std::vector<Variable<T>> split(const Variable<T>& x, std::size_t n, std::ptrdiff_t axis, Op op) {
    x.require_value(op);
    const std::size_t extent = x.shape(normal_axis(op, axis, x.dimension()));
    if (n == 0 || extent % n != 0)
        fail(op, "an axis of " + std::to_string(extent) + " elements cannot be split into " +
                     as_written(n) + " equal parts");
    std::vector<Variable<T>> parts;
    for (std::size_t i = 0; i < n; ++i)
        parts.push_back(slice(x, axis, i * (extent / n), (i + 1) * (extent / n), op));
    return parts;
}

template <class T>
std::vector<Variable<T>> unstack(const Variable<T>& x, std::ptrdiff_t axis, Op op) {
    x.require_value(op);
    const std::size_t extent = x.shape(normal_axis(op, axis, x.dimension()));
    std::vector<Variable<T>> parts;
    for (std::size_t i = 0; i < extent; ++i) parts.push_back(select(x, axis, i, op));
    return parts;
}

template <class T>
Variable<T> view(const Variable<T>& x, const Slice& s0, const Slice& s1, const Slice& s2,
                 const Slice& s3, const Slice& s4, const Slice& s5, const Slice& s6,
                 const Slice& s7, Op op) {
    x.require_value(op);
    const std::array<Slice, max_rank> slices{s0, s1, s2, s3, s4, s5, s6, s7};
    return record_view(op, x, view(op, x.value(), slices));
}

template <class T>
Variable<T> Variable<T>::operator()(ElementIndex a, ElementIndex b, ElementIndex c, ElementIndex d,
                                    ElementIndex e, ElementIndex f, ElementIndex g, ElementIndex h,
                                    Where where) const {
    const Op op("element", where);
    std::array<Slice, max_rank> slices;
    std::size_t count = 0;
    for (const ElementIndex& i : {a, b, c, d, e, f, g, h})
        if (i.is_given) slices[count++] = i.value;
    if (count != dimension())
        fail(op, std::to_string(count) + " indices for an element of shape " + to_string(shape()));
    if (count == 0) return *this;
    return record_view(op, *this, view(op, value(), std::span(slices).first(count)));
}

template <class T>
Variable<T> transpose(const Variable<T>& x, Op op) {
    x.require_value(op);
    return record_view(op, x, x.value().transpose());
}

template <class T>
Variable<T> transpose(const Variable<T>& x, std::initializer_list<std::size_t> order, Op op) {
    x.require_value(op);
    return record_view(op, x, x.value().transpose({order.begin(), order.size()}, op));
}

template <class T>
Variable<T> swapaxes(const Variable<T>& x, std::ptrdiff_t axis1, std::ptrdiff_t axis2, Op op) {
    x.require_value(op);
    Shape order(x.dimension());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::swap(order[normal_axis(op, axis1, x.dimension())],
              order[normal_axis(op, axis2, x.dimension())]);
    return record_view(op, x, x.value().transpose({order.begin(), order.size()}));
}

template <class T>
Variable<T> flip(const Variable<T>& x, std::ptrdiff_t axis, Op op) {
    x.require_value(op);
    return record_view(op, x, x.value().flip(axis, op));
}

template <class T>
Variable<T> expand_dims(const Variable<T>& x, std::ptrdiff_t axis, Op op) {
    x.require_value(op);
    return record_view(op, x, x.value().expand_dims(axis, op));
}

template <class T>
Variable<T> squeeze(const Variable<T>& x, std::ptrdiff_t axis, Op op) {
    x.require_value(op);
    return record_view(op, x, x.value().squeeze(axis, op));
}

template <class T>
Variable<T> broadcast_to(const Variable<T>& x, const Shape& shape, Op op) {
    x.require_value(op);
    return record_view(op, x, x.value().broadcast_to(shape, op));
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> reshape(const Variable<T>&, std::initializer_list<std::ptrdiff_t>, Op);   \
    template Variable<T> reshape(const Variable<T>&, const Shape&, Op);                            \
    template Variable<T> flatten(const Variable<T>&, Op);                                          \
    template Variable<T> slice(const Variable<T>&, std::ptrdiff_t, std::size_t, std::size_t, Op);  \
    template Variable<T> select(const Variable<T>&, std::ptrdiff_t, std::size_t, Op);              \
    template Variable<T> block(const Variable<T>&, std::size_t, std::size_t, Op);                  \
    template std::vector<Variable<T>> split(const Variable<T>&, std::size_t, std::ptrdiff_t, Op);  \
    template std::vector<Variable<T>> unstack(const Variable<T>&, std::ptrdiff_t, Op);             \
    template Variable<T> view(const Variable<T>&, const Slice&, const Slice&, const Slice&,        \
                              const Slice&, const Slice&, const Slice&, const Slice&,              \
                              const Slice&, Op);                                                   \
    template Variable<T> Variable<T>::operator()(ElementIndex, ElementIndex, ElementIndex,         \
                                                 ElementIndex, ElementIndex, ElementIndex,         \
                                                 ElementIndex, ElementIndex, Where) const;         \
    template Variable<T> transpose(const Variable<T>&, Op);                                        \
    template Variable<T> transpose(const Variable<T>&, std::initializer_list<std::size_t>, Op);    \
    template Variable<T> swapaxes(const Variable<T>&, std::ptrdiff_t, std::ptrdiff_t, Op);         \
    template Variable<T> flip(const Variable<T>&, std::ptrdiff_t, Op);                             \
    template Variable<T> expand_dims(const Variable<T>&, std::ptrdiff_t, Op);                      \
    template Variable<T> squeeze(const Variable<T>&, std::ptrdiff_t, Op);                          \
    template Variable<T> broadcast_to(const Variable<T>&, const Shape&, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
