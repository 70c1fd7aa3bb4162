#pragma once

#include <unroll/core/autograd/record.hpp>

namespace unroll {

// The linear operations that the verbs of an Adjoint are made of, recorded: a backward pass that is
// recorded puts these on the tape, and their own rules are the verbs again. The callers check
// shapes and indices.

// scale * x, summed along the axes that `shape` has fewer of and repeated along those that it has
// more of.
template <class T>
Variable<T> fit(const Op& op, const Variable<T>& x, const Shape& shape, T scale = 1);

// scale * a b, for matrices or for batches of them whose leading axes broadcast.
template <class T>
Variable<T> product(const Op& op, const Variable<T>& a, const Variable<T>& b, T scale = 1);

// x with its last two axes exchanged, a view.
template <class T>
Variable<T> transposed(const Variable<T>& x);

// Row indices[i] of x for every i: [n..., ...] of an x [m, ...].
template <class T>
Variable<T> take_rows(const Op& op, const Variable<T>& x, const Indices& indices,
                      const Place<T>& place = {});
// Zeros of `shape` to whose row indices[i] row i of x was added, for every i.
template <class T>
Variable<T> put_rows(const Op& op, const Variable<T>& x, const Indices& indices, const Shape& shape,
                     const Place<T>& place = {});

// What lies at `region` of a buffer.
template <class T>
struct Part {
    Region region;
    Variable<T> value;
};
// The sum of parts of one buffer as it is seen at `target`; zeros where there is none of them.
// Parts that do not meet the target have no influence.
template <class T>
Variable<T> gather(const Op& op, std::span<const Part<T>> parts, const Region& target);

// target[indices[i]] += rows[i], rows along the first axis.
template <class T>
void add_rows(Tensor<T>& target, const Indices& indices, const Tensor<T>& rows);

} // namespace unroll
