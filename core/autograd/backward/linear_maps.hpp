#pragma once

#include <unroll/core/autograd/record.hpp>

namespace unroll {

// Recorded forms of the linear operations behind Adjoint. A recorded backward pass puts them on the
// tape; their rules use Adjoint in turn. The callers check shapes and indices.

// Sums x, pairwise, over the axes that are missing or 1 in `shape`. Axes missing in x are not
// added: the caller broadcasts.
template <class T>
Tensor<T> summed_to(const Tensor<T>& x, const Shape& shape);

// scale * x, summed along the axes that `shape` lacks and repeated along those that x lacks.
template <class T>
Variable<T> sum_to(const Op& op, const Variable<T>& x, const Shape& shape, T scale = 1);

// scale * a b, for matrices or for batches of them whose leading axes broadcast.
template <class T>
Variable<T> product(const Op& op, const Variable<T>& a, const Variable<T>& b, T scale = 1);

// x with its last two axes exchanged, a view.
template <class T>
Variable<T> transposed(const Variable<T>& x);

// Row indices[i] of x for every i: [n..., ...] of an x [m, ...].
template <class T>
Variable<T> gather_rows(const Op& op, const Variable<T>& x, const Indices& indices,
                        const OutputSlot<T>& slot = {});
// Scatter-add: out[indices[i]] += x[i] for every i, starting from zeros of `shape`.
template <class T>
Variable<T> scatter_rows(const Op& op, const Variable<T>& x, const Indices& indices,
                         const Shape& shape, const OutputSlot<T>& slot = {});

// A value and the part of a buffer that it belongs to.
template <class T>
struct Part {
    StridedView view;
    Variable<T> value;
};
// Sums overlapping parts of one buffer into the view `target`; uncovered elements are 0.
template <class T>
Variable<T> assemble(const Op& op, std::span<const Part<T>> parts, const StridedView& target);

// target[indices[i]] += rows[i], rows along the first axis.
template <class T>
void add_rows(Tensor<T>& target, const Indices& indices, const Tensor<T>& rows);

} // namespace unroll
