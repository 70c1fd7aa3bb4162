#include <unroll/core/autograd/backward/linear_maps.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/views.hpp>

namespace unroll {

namespace {

Indices checked(const Op& op, const Indices& indices, std::size_t rows) {
    const Indices dense = indices.contiguous();
    bool fits = true; // one loop without branches, for long lists
    for (std::size_t i = 0; i < dense.size(); ++i)
        fits &= static_cast<std::uint64_t>(dense.data()[i]) < rows;
    for (std::size_t i = 0; !fits && i < dense.size(); ++i) {
        const std::int64_t index = dense.data()[i];
        if (index < 0 || static_cast<std::uint64_t>(index) >= rows)
            fail(op, "index " + std::to_string(index) + " at position " + std::to_string(i) +
                         " is outside [0, " + std::to_string(rows) + ")");
    }
    return dense;
}

// For every element of `indices` in row-major order, the element of a row-major x that it means:
// that at its own position, with `indices` along the axis.
Indices elements_along(const Op& op, const Shape& x, std::size_t axis, const Indices& indices) {
    const Indices along = checked(op, indices, x[axis]);
    const Strides strides = row_major(x);
    Indices flat(Shape{along.size()});
    Shape position = x;
    std::fill(position.begin(), position.end(), 0);
    std::int64_t* const to = flat.data();
    for (std::size_t k = 0; k < along.size(); ++k) {
        std::ptrdiff_t at = along.data()[k] * strides[axis];
        for (std::size_t a = 0; a < x.size(); ++a)
            if (a != axis) at += static_cast<std::ptrdiff_t>(position[a]) * strides[a];
        to[k] = at;
        for (std::size_t a = x.size(); a-- > 0;) {
            if (++position[a] < indices.shape(a)) break;
            position[a] = 0;
        }
    }
    return flat;
}

// Whether a is no longer than b on any axis but `except`.
bool fits(const Shape& a, const Shape& b, std::size_t except) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (i != except && a[i] > b[i]) return false;
    return true;
}

// The axis, once the shapes of x, indices and values are found to fit.
std::size_t scatter_axis(const Op& op, const Shape& x, std::ptrdiff_t axis, const Shape& indices,
                         const Shape& values) {
    const std::size_t along = normal_axis(op, axis, x.size());
    if (!fits(indices, x, along) || !fits(indices, values, x.size()))
        fail(op, "x " + to_string(x) + ", indices " + to_string(indices) + ", values " +
                     to_string(values) +
                     "; expected indices no longer than values on any axis, "
                     "nor than x on any but axis " +
                     std::to_string(along));
    return along;
}

// The first elements of x along each axis, as many as `shape` has: [size of shape].
template <class T>
Variable<T> corner(const Variable<T>& x, const Shape& shape) {
    Variable<T> part = x;
    for (std::size_t a = 0; a < shape.size(); ++a)
        if (shape[a] < x.shape(a)) part = slice(part, static_cast<std::ptrdiff_t>(a), 0, shape[a]);
    return flatten(part);
}

} // namespace

template <class T>
Variable<T> take(const Variable<T>& x, const Indices& indices, Op op, const OutputSlot<T>& slot) {
    x.require_value(op);
    if (x.dimension() == 0) fail(op, "a scalar has no rows");
    const Indices rows = checked(op, indices, x.shape(0));
    return detail::with_operand(gather_rows(op, x, rows, slot), "indices", indices);
}

template <class T>
Variable<T> scatter_add(const Variable<T>& x, const Indices& indices, std::size_t rows, Op op,
                        const OutputSlot<T>& slot) {
    if (x.dimension() == 0 || indices.dimension() != 1 || indices.shape(0) != x.shape(0))
        fail(op, "x " + to_string(x.shape()) + " and indices " + to_string(indices.shape()) +
                     "; expected [n, ...] and [n]");
    const Indices targets = checked(op, indices, rows);
    Shape shape = x.shape();
    shape[0] = rows;
    return detail::with_operand(scatter_rows(op, x, targets, shape, slot), "indices", indices);
}

template <class T>
Variable<T> pick(const Variable<T>& x, const Indices& indices, Op op) {
    x.require_value(op);
    if (x.dimension() == 0 || indices.shape() != Shape(x.shape().begin(), x.shape().end() - 1))
        fail(op, "x " + to_string(x.shape()) + " and indices " + to_string(indices.shape()) +
                     "; expected [..., C] and [...]");
    const std::size_t classes = x.shape().back();
    const Indices columns = checked(op, indices, classes);
    Indices flat(Shape{columns.size()});
    for (std::size_t i = 0; i < flat.size(); ++i)
        flat.data()[i] = static_cast<std::int64_t>(i * classes) + columns.data()[i];
    const Composite composite(op);
    return detail::with_operand(reshape(take(flatten(x), flat, op), indices.shape()), "indices",
                                indices, &composite);
}

template <class T>
Variable<T> gather(const Variable<T>& x, std::ptrdiff_t axis, const Indices& indices, Op op) {
    x.require_value(op);
    const std::size_t along = normal_axis(op, axis, x.dimension());
    if (!fits(indices.shape(), x.shape(), along))
        fail(op, "x " + to_string(x.shape()) + " and indices " + to_string(indices.shape()) +
                     "; expected as many axes, of which none but axis " + std::to_string(along) +
                     " is longer than that of x");
    const Indices flat = elements_along(op, x.shape(), along, indices);
    const Composite composite(op);
    return detail::with_operand(reshape(gather_rows(op, flatten(x), flat), indices.shape()),
                                "indices", indices, &composite);
}

template <class T>
Variable<T> scatter_add(const Variable<T>& x, std::ptrdiff_t axis, const Indices& indices,
                        const std::type_identity_t<Variable<T>>& values, Op op) {
    x.require_value(op);
    values.require_value(op);
    const std::size_t along = scatter_axis(op, x.shape(), axis, indices.shape(), values.shape());
    const Indices flat = elements_along(op, x.shape(), along, indices);
    const Composite composite(op);
    const auto sums = scatter_rows(op, corner(values, indices.shape()), flat, Shape{x.size()});
    return detail::with_operand(x + reshape(sums, x.shape()), "indices", indices, &composite);
}

template <class T>
Variable<T> scatter(const Variable<T>& x, std::ptrdiff_t axis, const Indices& indices,
                    const std::type_identity_t<Variable<T>>& values, Op op) {
    x.require_value(op);
    values.require_value(op);
    const std::size_t along = scatter_axis(op, x.shape(), axis, indices.shape(), values.shape());
    const Indices flat = elements_along(op, x.shape(), along, indices);
    const Composite composite(op);
    std::vector<std::int64_t> last(x.size(), -1); // index that wrote each element last
    for (std::size_t k = 0; k < flat.size(); ++k)
        last[static_cast<std::size_t>(flat.data()[k])] = static_cast<std::int64_t>(k);
    Mask replaced(x.shape());
    std::vector<std::int64_t> from, to;
    for (std::size_t i = 0; i < last.size(); ++i) {
        replaced.data()[i] = last[i] >= 0;
        if (last[i] < 0) continue;
        from.push_back(last[i]);
        to.push_back(static_cast<std::int64_t>(i));
    }
    const auto as_indices = [](const std::vector<std::int64_t>& all) {
        return Indices({all.size()}, std::span(all));
    };
    const auto chosen = gather_rows(op, corner(values, indices.shape()), as_indices(from));
    const auto placed = scatter_rows(op, chosen, as_indices(to), Shape{x.size()});
    return detail::with_operand(where(replaced, reshape(placed, x.shape()), x, op), "indices",
                                indices, &composite);
}

template <class T>
Variable<T> masked_fill(const Variable<T>& x, const Mask& mask, double value, Op op) {
    if (!broadcasts_to(mask.shape(), x.shape()))
        fail(op, "the mask " + to_string(mask.shape()) + " does not broadcast to x " +
                     to_string(x.shape()));
    const Composite composite(op);
    const auto filled =
        detail::with_operand(where(mask, value, x, op), "mask", mask, &composite, 1);
    return detail::with_literals(filled, 2, {value}, &composite);
}

template <class T>
Variable<T> masked_select(const Variable<T>& x, const Mask& mask, Op op) {
    if (mask.shape() != x.shape())
        fail(op, "x " + to_string(x.shape()) + " and mask " + to_string(mask.shape()) +
                     " differ in shape");
    const Mask dense = mask.contiguous();
    std::vector<std::int64_t> chosen;
    for (std::size_t i = 0; i < dense.size(); ++i)
        if (dense.data()[i]) chosen.push_back(static_cast<std::int64_t>(i));
    const Composite composite(op);
    return detail::with_operand(
        take(flatten(x), Indices({chosen.size()}, std::span<const std::int64_t>(chosen)), op),
        "mask", mask, &composite);
}

template <class T>
Tensor<T> one_hot(const Indices& indices, std::size_t classes, Op op) {
    const Indices dense = checked(op, indices, classes);
    Shape shape = indices.shape();
    shape.push_back(classes);
    Tensor<T> value = Tensor<T>::zeros(shape);
    for (std::size_t i = 0; i < dense.size(); ++i)
        value.data()[i * classes + static_cast<std::size_t>(dense.data()[i])] = T(1);
    return value;
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> take(const Variable<T>&, const Indices&, Op, const OutputSlot<T>&);       \
    template Variable<T> scatter_add(const Variable<T>&, const Indices&, std::size_t, Op,          \
                                     const OutputSlot<T>&);                                        \
    template Variable<T> pick(const Variable<T>&, const Indices&, Op);                             \
    template Variable<T> gather(const Variable<T>&, std::ptrdiff_t, const Indices&, Op);           \
    template Variable<T> scatter_add(const Variable<T>&, std::ptrdiff_t, const Indices&,           \
                                     const Variable<T>&, Op);                                      \
    template Variable<T> scatter(const Variable<T>&, std::ptrdiff_t, const Indices&,               \
                                 const Variable<T>&, Op);                                          \
    template Variable<T> masked_fill(const Variable<T>&, const Mask&, double, Op);                 \
    template Variable<T> masked_select(const Variable<T>&, const Mask&, Op);                       \
    template Tensor<T> one_hot(const Indices&, std::size_t, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
