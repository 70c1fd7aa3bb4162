#pragma once

#include <unroll/ops/operand.hpp>

namespace unroll {

// Gathers rows: x [V, ...], indices [...] -> [indices..., ...]. Indices may repeat; gradients
// accumulate. Throws Error for an index outside [0, V), with its position.
template <class T>
Variable<T> take(const Variable<T>& x, const Indices& indices, Op op = "take",
                 const OutputSlot<T>& slot = {});

// Scatter-add: out[indices[i]] += x[i], starting from zeros; x [n, ...], indices [n] -> [rows,
// ...].
template <class T>
Variable<T> scatter_add(const Variable<T>& x, const Indices& indices, std::size_t rows,
                        Op op = "scatter_add", const OutputSlot<T>& slot = {});

// One element of the last axis for each row: x [..., C], indices [...] -> [...].
template <class T>
Variable<T> pick(const Variable<T>& x, const Indices& indices, Op op = "pick");

// One element of an axis for each index: along axis 0, out[i][j] = x[indices[i][j]][j]. indices has
// as many axes as x, and no other axis longer than that of x; the result has its shape. Indices may
// repeat. Throws Error if shapes do not fit, and for an index outside the axis.
template <class T>
Variable<T> gather(const Variable<T>& x, std::ptrdiff_t axis, const Indices& indices,
                   Op op = "gather");

// x with `values` added where gather would read: along axis 0, out[indices[i][j]][j] +=
// values[i][j]. indices has as many axes as x and values. None is longer than that of values or,
// except for `axis`, than that of x; elements of values beyond indices are not used. Throws Error
// as gather does.
template <class T>
Variable<T> scatter_add(const Variable<T>& x, std::ptrdiff_t axis, const Indices& indices,
                        const std::type_identity_t<Variable<T>>& values, Op op = "scatter_add");

// The same with elements replaced. Of values for one element, the last in row-major order counts;
// the others receive no gradient.
template <class T>
Variable<T> scatter(const Variable<T>& x, std::ptrdiff_t axis, const Indices& indices,
                    const std::type_identity_t<Variable<T>>& values, Op op = "scatter");

// x with `value` where the mask, which broadcasts to x, is true, and no gradient there.
template <class T>
Variable<T> masked_fill(const Variable<T>& x, const Mask& mask, double value,
                        Op op = "masked_fill");

// The elements where the mask, of x's shape, is true, in row-major order: [count].
template <class T>
Variable<T> masked_select(const Variable<T>& x, const Mask& mask, Op op = "masked_select");

// indices [...] -> [..., classes] with a 1 at each index.
template <class T = float>
Tensor<T> one_hot(const Indices& indices, std::size_t classes, Op op = "one_hot");

// The same for tensors.
template <TensorOperand X>
auto take(const X& x, const Indices& indices, Op op = "take",
          const OutputSlot<scalar_t<X>>& slot = {}) {
    return take(detail::variable(x), indices, op, slot);
}
template <TensorOperand X>
auto scatter_add(const X& x, const Indices& indices, std::size_t rows, Op op = "scatter_add",
                 const OutputSlot<scalar_t<X>>& slot = {}) {
    return scatter_add(detail::variable(x), indices, rows, op, slot);
}
auto pick(const TensorOperand auto& x, const Indices& indices, Op op = "pick") {
    return pick(detail::variable(x), indices, op);
}
auto gather(const TensorOperand auto& x, std::ptrdiff_t axis, const Indices& indices,
            Op op = "gather") {
    return gather(detail::variable(x), axis, indices, op);
}
template <TensorOperand X>
auto scatter_add(const X& x, std::ptrdiff_t axis, const Indices& indices,
                 const Variable<scalar_t<X>>& values, Op op = "scatter_add") {
    return scatter_add(detail::variable(x), axis, indices, values, op);
}
template <TensorOperand X>
auto scatter(const X& x, std::ptrdiff_t axis, const Indices& indices,
             const Variable<scalar_t<X>>& values, Op op = "scatter") {
    return scatter(detail::variable(x), axis, indices, values, op);
}
auto masked_fill(const TensorOperand auto& x, const Mask& mask, double value,
                 Op op = "masked_fill") {
    return masked_fill(detail::variable(x), mask, value, op);
}
auto masked_select(const TensorOperand auto& x, const Mask& mask, Op op = "masked_select") {
    return masked_select(detail::variable(x), mask, op);
}

} // namespace unroll
