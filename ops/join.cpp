#include <unroll/ops/join.hpp>
#include <unroll/ops/views.hpp>

namespace unroll {

namespace {

template <class T>
std::vector<const Variable<T>*> pointers(std::span<const Variable<T>> pieces) {
    std::vector<const Variable<T>*> all;
    for (const auto& piece : pieces) all.push_back(&piece);
    return all;
}

} // namespace

template <class T>
Variable<T> concatenate(std::span<const Variable<T>> pieces, std::ptrdiff_t axis, Op op) {
    if (pieces.empty()) fail(op, "there are no pieces to join");
    for (const auto& piece : pieces) piece.require_value(op);
    const std::size_t a = normal_axis(op, axis, pieces[0].dimension());
    Shape shape = pieces[0].shape();
    for (const auto& piece : pieces.subspan(1)) {
        Shape other = piece.shape();
        if (other.size() == shape.size()) other[a] = shape[a];
        if (other != shape)
            fail(op, "pieces of shapes " + to_string(pieces[0].shape()) + " and " +
                         to_string(piece.shape()) + " do not fit along axis " + std::to_string(a));
        shape[a] += piece.shape(a);
    }
    Tensor<T> value(shape);
    std::vector<std::size_t> ends{0};
    for (const auto& piece : pieces) {
        ends.push_back(ends.back() + piece.shape(a));
        value.slice(axis, ends.end()[-2], ends.back()).assign(piece.value());
    }
    const auto inputs = pointers(pieces);
    return detail::with_notation(
        record<T>(op, std::span(inputs), std::move(value), save_for_backward(),
                  [a, ends](const Adjoints<T>& to, const Variable<T>& g) {
                      for (std::size_t i = 0; i + 1 < ends.size(); ++i)
                          to[i].add(slice(g, static_cast<std::ptrdiff_t>(a), ends[i], ends[i + 1]));
                  }),
        Notation::ordered);
}

template <class T>
Variable<T> stack(std::span<const Variable<T>> pieces, std::ptrdiff_t axis, Op op) {
    if (pieces.empty()) fail(op, "there are no pieces to join");
    for (const auto& piece : pieces) piece.require_value(op);
    Shape shape = pieces[0].shape();
    const std::size_t a = normal_axis(op, axis, shape.size() + 1);
    for (const auto& piece : pieces)
        if (piece.shape() != shape)
            fail(op, "shapes differ: " + to_string(shape) + " and " + to_string(piece.shape()));
    shape.insert(a, pieces.size());
    Tensor<T> value(shape);
    const auto along = static_cast<std::ptrdiff_t>(a);
    for (std::size_t i = 0; i < pieces.size(); ++i)
        value.select(along, i).assign(pieces[i].value());
    const auto inputs = pointers(pieces);
    return detail::with_notation(
        record<T>(op, std::span(inputs), std::move(value), save_for_backward(),
                  [along, count = inputs.size()](const Adjoints<T>& to, const Variable<T>& g) {
                      for (std::size_t i = 0; i < count; ++i) to[i].add(select(g, along, i));
                  }),
        Notation::ordered);
}

template <class T>
Variable<T> pad(const Variable<T>& x, std::ptrdiff_t axis, std::size_t before, std::size_t after,
                double value, Op op) {
    x.require_value(op);
    const std::size_t a = normal_axis(op, axis, x.dimension());
    const auto first = static_cast<std::ptrdiff_t>(before),
               last = static_cast<std::ptrdiff_t>(after);
    if (first < 0 || last < 0)
        fail(op, std::to_string(first) + " elements before x and " + std::to_string(last) +
                     " after it; neither may be negative");
    Shape shape = x.shape();
    shape[a] = before;
    const Composite composite(op);
    const Variable<T> front(Tensor<T>::full(shape, static_cast<T>(value)));
    shape[a] = after;
    const Variable<T> back(Tensor<T>::full(shape, static_cast<T>(value)));
    return detail::with_literals(
        concatenate({front, x, back}, axis, op), 1,
        {static_cast<double>(a), static_cast<double>(before), static_cast<double>(after), value},
        &composite);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> concatenate(std::span<const Variable<T>>, std::ptrdiff_t, Op);            \
    template Variable<T> stack(std::span<const Variable<T>>, std::ptrdiff_t, Op);                  \
    template Variable<T> pad(const Variable<T>&, std::ptrdiff_t, std::size_t, std::size_t, double, \
                             Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
