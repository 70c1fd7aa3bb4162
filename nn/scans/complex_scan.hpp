#pragma once

#include <unroll/nn/recurrent/cell.hpp>
#include <unroll/ops/order/linear_scan.hpp>

namespace unroll::nn {

namespace detail {

// Complex numbers as two real planes.
template <class T>
struct Complex {
    Variable<T> re, im;
};

template <class T>
struct ComplexScan {
    Complex<T> output, state;
};

// linear_scan() with factors a [N] that are the same at all steps, b [T, B, N] and h0 [B, N].
template <class T>
ComplexScan<T> complex_scan(const Complex<T>& a, const Complex<T>& b, const Complex<T>& h0,
                            const LinearScanOptions& options);

// e^(x + i y), and (e^(x + i y) - 1) / (x + i y) without cancellation.
template <class T>
Complex<T> complex_exp(const Complex<T>& z);
template <class T>
Complex<T> complex_exp_quotient(const Complex<T>& z);
template <class T>
Complex<T> multiply(const Complex<T>& a, const Complex<T>& b);

// A diagonal state space s' = a s + b, h' = Re(C s') + d, whose states are h, Re s, Im s.
// `output_matrix`: [Re C, -Im C].
template <class T>
Scanned<T, 3> read_states(const Complex<T>& a, const Complex<T>& b, const Variable<T>& d,
                          const Linear<T>& output_matrix, const State<T, 3>& state,
                          const LinearScanOptions& options);
// Normally, with variances 1 / (2 input) for complex B, 1 / width for C, 1 / input for D.
template <class T>
void initialise_state_space(Linear<T>& b, Linear<T>& c, Linear<T>& d);

} // namespace detail

} // namespace unroll::nn
