#pragma once

#include <unroll/core/autograd/record.hpp>

namespace unroll::detail {

// Sums along the first axis of [n, ...], n > 0, with rounding errors that do not grow with n, here
// and in the derivatives of every order.

// y[i] = e^p[i] (v[0] e^q[0] + ... + v[i] e^q[i]), or over v[i], v[i + 1], ... backwards, for
// operands of one shape. Only the result must be within the range of numbers. Terms with q = -inf
// are 0.
template <class T>
Variable<T> weighted_sums(const Op& op, const Variable<T>& v, const Variable<T>& p,
                          const Variable<T>& q, bool backwards);

// y[i] = log(e^x[0] + ... + e^x[i]). Elements of -inf get no gradient; if a sum is infinite, its
// infinite terms have all the weight.
template <class T>
Variable<T> log_sums(const Op& op, const Variable<T>& x);

} // namespace unroll::detail
