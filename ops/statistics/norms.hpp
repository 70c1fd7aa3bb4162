#pragma once

#include <unroll/ops/reduce.hpp>

namespace unroll {

// More norms, over all elements or over the axes listed, as in ops/reduce.hpp. Names are xtensor's;
// see norm_l2 there. Over no elements all but norm_linf, which throws Error, are 0.

// sum |x|
template <class T>
Variable<T> norm_l1(const Variable<T>& x, Op op = "norm_l1");
template <class T>
Variable<T> norm_l1(const Variable<T>& x, Axes axes, bool keep_dims = false, Op op = "norm_l1");
// max |x|; the gradient goes to the first of equals.
template <class T>
Variable<T> norm_linf(const Variable<T>& x, Op op = "norm_linf");
template <class T>
Variable<T> norm_linf(const Variable<T>& x, Axes axes, bool keep_dims = false, Op op = "norm_linf");
// sum x^2
template <class T>
Variable<T> norm_sq(const Variable<T>& x, Op op = "norm_sq");
template <class T>
Variable<T> norm_sq(const Variable<T>& x, Axes axes, bool keep_dims = false, Op op = "norm_sq");
// (sum |x|^p)^(1/p), for p from 1 to infinity; it neither overflows nor underflows before its
// result does, and its derivative at 0 is 0. Throws Error for other p.
template <class T>
Variable<T> norm_lp(const Variable<T>& x, double p, Op op = "norm_lp");
template <class T>
Variable<T> norm_lp(const Variable<T>& x, double p, Axes axes, bool keep_dims = false,
                    Op op = "norm_lp");

// The cosine of the angle between x and y along an axis, which is dropped: the product of x /
// norm_l2(x) and y / norm_l2(y). 0 without a gradient where one of them is 0. x and y broadcast.
// Throws Error if their shapes do not.
template <class T>
Variable<T> cosine_similarity(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                              std::ptrdiff_t axis = -1, Op op = "cosine_similarity");

// The same for tensors.
auto norm_l1(const TensorOperand auto& x, Op op = "norm_l1") {
    return norm_l1(detail::variable(x), op);
}
auto norm_l1(const TensorOperand auto& x, Axes axes, bool keep_dims = false, Op op = "norm_l1") {
    return norm_l1(detail::variable(x), axes, keep_dims, op);
}
auto norm_linf(const TensorOperand auto& x, Op op = "norm_linf") {
    return norm_linf(detail::variable(x), op);
}
auto norm_linf(const TensorOperand auto& x, Axes axes, bool keep_dims = false,
               Op op = "norm_linf") {
    return norm_linf(detail::variable(x), axes, keep_dims, op);
}
auto norm_sq(const TensorOperand auto& x, Op op = "norm_sq") {
    return norm_sq(detail::variable(x), op);
}
auto norm_sq(const TensorOperand auto& x, Axes axes, bool keep_dims = false, Op op = "norm_sq") {
    return norm_sq(detail::variable(x), axes, keep_dims, op);
}
auto norm_lp(const TensorOperand auto& x, double p, Op op = "norm_lp") {
    return norm_lp(detail::variable(x), p, op);
}
auto norm_lp(const TensorOperand auto& x, double p, Axes axes, bool keep_dims = false,
             Op op = "norm_lp") {
    return norm_lp(detail::variable(x), p, axes, keep_dims, op);
}
template <TensorOperand X>
auto cosine_similarity(const X& x, const Variable<scalar_t<X>>& y, std::ptrdiff_t axis = -1,
                       Op op = "cosine_similarity") {
    return cosine_similarity(detail::variable(x), y, axis, op);
}

} // namespace unroll
