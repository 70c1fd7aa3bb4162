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

} // namespace

template <class T>
Variable<T> take(const Variable<T>& x, const Indices& indices, Op op, const OutputSlot<T>& slot) {
    if (x.dimension() == 0) fail(op, "a scalar has no rows");
    const Indices rows = checked(op, indices, x.shape(0));
    return gather_rows(op, x, rows, slot);
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
    return scatter_rows(op, x, targets, shape, slot);
}

template <class T>
Variable<T> pick(const Variable<T>& x, const Indices& indices, Op op) {
    if (x.dimension() == 0 || indices.shape() != Shape(x.shape().begin(), x.shape().end() - 1))
        fail(op, "x " + to_string(x.shape()) + " and indices " + to_string(indices.shape()) +
                     "; expected [..., C] and [...]");
    const std::size_t classes = x.shape().back();
    const Indices columns = checked(op, indices, classes);
    Indices flat(Shape{columns.size()});
    for (std::size_t i = 0; i < flat.size(); ++i)
        flat.data()[i] = static_cast<std::int64_t>(i * classes) + columns.data()[i];
    return reshape(take(flatten(x), flat, op), indices.shape());
}

template <class T>
Variable<T> masked_fill(const Variable<T>& x, const Mask& mask, double value, Op op) {
    return where(mask, value, x, op);
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
    return take(flatten(x), Indices({chosen.size()}, std::span<const std::int64_t>(chosen)), op);
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
    template Variable<T> masked_fill(const Variable<T>&, const Mask&, double, Op);                 \
    template Variable<T> masked_select(const Variable<T>&, const Mask&, Op);                       \
    template Tensor<T> one_hot(const Indices&, std::size_t, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
