#include <unroll/core/autograd/backward/linear_maps.hpp>
#include <unroll/core/autograd/inner_run.hpp>
#include <unroll/core/kernels/loops.hpp>
#include <unroll/core/kernels/product.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/views.hpp>

namespace unroll {

namespace {

template <class T>
Variable<T> rows_of(const Variable<T>& x) {
    const std::size_t width = x.shape().back();
    return reshape(x,
                   Shape{width == 0 ? element_count(Shape(x.shape().begin(), x.shape().end() - 1))
                                    : x.size() / width,
                         width});
}

Shape with_last(const Shape& shape, std::size_t last) {
    Shape out = shape;
    out.back() = last;
    return out;
}

} // namespace

template <class T>
Variable<T> matmul(const Variable<T>& a, const std::type_identity_t<Variable<T>>& b, Op op) {
    a.require_value(op);
    b.require_value(op);
    if (a.dimension() == 0 || b.dimension() == 0)
        fail(op, "a scalar has no rows: " + to_string(a.shape()) + " and " + to_string(b.shape()));
    const Composite composite(op);
    const auto ordered = [&](Variable<T> y) {
        return detail::with_notation(std::move(y), Notation::ordered, &composite);
    };
    if (a.dimension() == 1)
        return ordered(squeeze(matmul(expand_dims(a, 0), b, op), b.dimension() == 1 ? 0 : -2));
    if (b.dimension() == 1) return ordered(squeeze(matmul(a, expand_dims(b, 1), op), -1));
    const std::size_t inner = a.shape().back();
    if (b.shape(b.dimension() - 2) != inner)
        fail(op, "inner extents differ: " + to_string(a.shape()) + " and " + to_string(b.shape()));
    if (a.dimension() > 2 && b.dimension() == 2)
        return ordered(reshape(matmul(rows_of(a), b, op), with_last(a.shape(), b.shape(1))));
    return ordered(product(op, a, b));
}

template <class T>
Variable<T> scaled_matmul(const Variable<T>& a, const std::type_identity_t<Variable<T>>& b,
                          double scale, Op op) {
    if (a.dimension() < 2 || b.dimension() < 2 || a.shape().back() != b.shape(b.dimension() - 2))
        fail(op, to_string(a.shape()) + " and " + to_string(b.shape()) +
                     "; expected [..., m, k] and [..., k, n]");
    const auto y =
        detail::with_notation(product(op, a, b, static_cast<T>(scale)), Notation::ordered);
    return detail::with_literals(y, 2, {scale});
}

template <class T>
Variable<T> linear(const Variable<T>& x, const std::type_identity_t<Variable<T>>& weight,
                   const std::type_identity_t<Variable<T>>& bias, const OutputSlot<T>& slot,
                   Op op) {
    if (x.dimension() == 0 || weight.dimension() != 2 || x.shape().back() != weight.shape(1) ||
        (bias.dimension() != 0 && bias.shape() != Shape{weight.shape(0)}))
        fail(op, "x " + to_string(x.shape()) + ", weight " + to_string(weight.shape()) + ", bias " +
                     to_string(bias.shape()) + "; expected [..., in], [out, in], [out]");
    const Composite composite(op);
    if (x.dimension() != 2)
        return reshape(linear(rows_of(x), weight, bias, slot, op),
                       with_last(x.shape(), weight.shape(0)));

    Tensor<T> value = slot.take({x.shape(0), weight.shape(0)});
    map_elements(value.shape(), std::array{InputOperand<T>(bias.value())},
                 std::array{result_operand(value)}, [](auto b) { return b; });
    Tensor<T> target = unversioned(value);
    multiply(x.value(), weight.value().transpose(), T(1), T(1), target);
    return record<T>(
        op, {&x, &weight, &bias}, std::move(value), save_for_backward(x, weight),
        [](const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& x,
           const Variable<T>& weight) {
            to[0].add_product(g, weight);
            to[1].add_product(transpose(g), x);
            to[2].add(g);
        },
        slot);
}

template <class T>
Variable<T> linear(const Variable<T>& x, const std::type_identity_t<Variable<T>>& weight, Op op) {
    if (x.dimension() == 0 || weight.dimension() != 2 || x.shape().back() != weight.shape(1))
        fail(op, "x " + to_string(x.shape()) + ", weight " + to_string(weight.shape()) +
                     "; expected [..., in], [out, in]");
    const Composite composite(op);
    return matmul(x, transpose(weight), op);
}

namespace {

// Whether x, or what it is a view of, comes from outside of a function that is run again, and must
// keep its value.
template <class T>
bool is_from_outside(const Variable<T>& x) {
    if (unroll::detail::InnerRun<T>::current() == nullptr) return false;
    const Tape<T>& tape = *x.tape();
    return &tape != Tape<T>::recording(x) || tape.node(tape.node(x.node()).root).is_leaf();
}

} // namespace

template <class T>
Variable<T> add_linear(const Variable<T>& z, const Variable<T>& x,
                       const std::type_identity_t<Variable<T>>& weight, Op op) {
    if (x.dimension() != 2 || weight.dimension() != 2 || x.shape(1) != weight.shape(1) ||
        z.shape() != Shape{x.shape(0), weight.shape(0)})
        fail(op, "z " + to_string(z.shape()) + ", x " + to_string(x.shape()) + ", weight " +
                     to_string(weight.shape()) + "; expected [B, out], [B, in], [out, in]");
    const Variable<T>* const inputs[] = {&z, &x, &weight};
    const Tape<T>* const tape = Tape<T>::of(op, inputs).tape;
    const bool in_place = tape != nullptr && z.is_recorded() && !is_from_outside(z) &&
                          !repeats({0, z.value().layout()}) && !overlap(z.value(), x.value()) &&
                          !overlap(z.value(), weight.value());
    const OutputSlot<T> slot = in_place ? in_place_of(op, z) : OutputSlot<T>();
    Tensor<T> value = in_place ? slot.memory : z.value().copy();
    Tensor<T> target = unversioned(value);
    multiply(x.value(), weight.value().transpose(), T(1), T(1), target);
    return record<T>(
        op, {&z, &x, &weight}, std::move(value), save_for_backward(x, weight),
        [in_place](const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& x,
                   const Variable<T>& weight) {
            if (!in_place) to[0].add(g); // otherwise it is already stored in z's gradient
            to[1].add_product(g, weight);
            to[2].add_product(transpose(g), x);
        },
        slot);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> matmul(const Variable<T>&, const Variable<T>&, Op);                       \
    template Variable<T> scaled_matmul(const Variable<T>&, const Variable<T>&, double, Op);        \
    template Variable<T> linear(const Variable<T>&, const Variable<T>&, const Variable<T>&,        \
                                const OutputSlot<T>&, Op);                                         \
    template Variable<T> linear(const Variable<T>&, const Variable<T>&, Op);                       \
    template Variable<T> add_linear(const Variable<T>&, const Variable<T>&, const Variable<T>&, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
