#pragma once

#include <unroll/ops/operand.hpp>

#include <span>

namespace unroll {

struct LinearScanOptions {
    // One for each of the B sequences of [T, B, ...]; empty: all have T steps. May be 0.
    std::span<const std::size_t> lengths = {};
    bool backwards = false; // from the end of each sequence to its first step
};

template <class T = float>
struct LinearScan {
    Variable<T> output; // the states h of all steps; 0 after the end of a sequence
    Variable<T> state;  // the state after the last step, or h0 if there is none
};

// h[t] = a[t] h[t - 1] + b[t] along the first axis, from h0, or h[t] = a[t] h[t + 1] + b[t]
// backwards. a and b broadcast to a common shape [T, ...], h0 to [...]. After the end of a sequence
// a and b are not read. Throws Error if shapes or lengths do not match.
template <class T>
LinearScan<T> linear_scan(const Variable<T>& a, const std::type_identity_t<Variable<T>>& b,
                          const std::type_identity_t<Variable<T>>& h0 = T(0),
                          const LinearScanOptions& options = {}, Op op = "linear_scan");
template <TensorOperand A>
auto linear_scan(const A& a, const Variable<scalar_t<A>>& b,
                 const Variable<scalar_t<A>>& h0 = scalar_t<A>(0),
                 const LinearScanOptions& options = {}, Op op = "linear_scan") {
    return linear_scan(detail::variable(a), b, h0, options, op);
}

namespace detail {

// The states of a linear scan and the one that it starts from: [T + 1, ...], h0 first, or last if
// backwards. a and b have the same shape [T, ...], and h0 broadcasts to [...].
template <class T>
Variable<T> scan_states(const Op& op, const Variable<T>& a, const Variable<T>& b,
                        const Variable<T>& h0, bool backwards);

} // namespace detail

} // namespace unroll
