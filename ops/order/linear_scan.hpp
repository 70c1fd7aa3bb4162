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
template <Number A, Operand B>
auto linear_scan(A a, const B& b, const Variable<scalar_t<B>>& h0 = scalar_t<B>(0),
                 const LinearScanOptions& options = {}, Op op = "linear_scan") {
    return linear_scan(detail::operand<scalar_t<B>>(a), detail::variable(b), h0, options, op);
}

// Complex numbers as two real operands of equal shape; numbers and shapes that broadcast, too.
template <class T = float>
struct Complex {
    Variable<T> re, im;
};

template <class T = float>
struct ComplexLinearScan {
    Complex<T> output; // the states h of all steps; 0 after the end of a sequence
    Complex<T> state;  // the state after the last step, or h0 if there is none
};

// linear_scan() of complex numbers, as one operation.
template <class T>
ComplexLinearScan<T>
complex_linear_scan(const Complex<T>& a, const std::type_identity_t<Complex<T>>& b,
                    const std::type_identity_t<Complex<T>>& h0 = {T(0), T(0)},
                    const LinearScanOptions& options = {}, Op op = "complex_linear_scan");

namespace detail {

// The states of a linear scan and the one that it starts from: [T + 1, ...], h0 first, or last if
// backwards. a and b have the same shape [T, ...], and h0 broadcasts to [...]. `compensated`: with
// rounding errors that do not grow with T, here and in the derivatives.
template <class T>
Variable<T> scan_states(const Op& op, const Variable<T>& a, const Variable<T>& b,
                        const Variable<T>& h0, bool backwards, bool compensated = false);

// The same for complex numbers: [2, T + 1, ...], the real parts first. `conjugate`: of a.
template <class T>
Variable<T> complex_scan_states(const Op& op, const Complex<T>& a, const Complex<T>& b,
                                const Complex<T>& h0, bool backwards, bool conjugate = false);

} // namespace detail

} // namespace unroll
