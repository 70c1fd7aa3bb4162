#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/padding.hpp>
#include <unroll/nn/recurrent/scan.hpp>
#include <unroll/nn/scans/complex_scan.hpp>
#include <unroll/nn/scans/past.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/pointwise.hpp>

#include <cmath>

namespace unroll::nn::detail {

template <class T>
ComplexScan<T> complex_scan(const Complex<T>& a, const Complex<T>& b, const Complex<T>& h0,
                            const LinearScanOptions& options) {
    const std::size_t steps = b.re.shape(0);
    Complex<T> h = h0;
    std::vector<Variable<T>> re(steps), im(steps);
    for (std::size_t k = 0; k < steps; ++k) {
        const std::size_t t = options.backwards ? steps - 1 - k : k;
        const Scope step("t", static_cast<std::int64_t>(t));
        const Variable<T> runs =
            options.lengths.empty() ? Variable<T>(T(1)) : active<T>(options.lengths, t);
        const auto next =
            fuse("complex_scan",
                 named("runs a a' b b' h h' -> h h'",
                       [](auto runs, auto a, auto ai, auto b, auto bi, auto h, auto hi) {
                           return outputs(where(runs > 0, a * h - ai * hi + b, h),
                                          where(runs > 0, a * hi + ai * h + bi, hi));
                       }),
                 runs, a.re, a.im, select(b.re, 0, t), select(b.im, 0, t), h.re, h.im);
        h = {next[0], next[1]};
        re[t] = h.re;
        im[t] = h.im;
    }
    return {
        {without_padding(stack(re), options.lengths), without_padding(stack(im), options.lengths)},
        h};
}

template <class T>
Complex<T> complex_exp(const Complex<T>& z) {
    const auto [re, im] =
        fuse("complex_exp",
             named("x y -> e^x·cos e^x·sin",
                   [](auto x, auto y) { return outputs(exp(x) * cos(y), exp(x) * sin(y)); }),
             z.re, z.im);
    return {re, im};
}

template <class T>
Complex<T> complex_exp_quotient(const Complex<T>& z) {
    const auto [re, im] =
        fuse("complex_exp_quotient",
             named("x y -> re im",
                   [](auto x, auto y) {
                       const auto half = sin(0.5 * y);
                       const auto n = expm1(x) * cos(y) - 2 * half * half;
                       const auto m = exp(x) * sin(y);
                       const auto square = x * x + y * y;
                       return outputs((n * x + m * y) / square, (m * x - n * y) / square);
                   }),
             z.re, z.im);
    return {re, im};
}

template <class T>
Complex<T> multiply(const Complex<T>& a, const Complex<T>& b) {
    const auto [re, im] = fuse("complex_multiply",
                               named("a a' b b' -> re im",
                                     [](auto a, auto ai, auto b, auto bi) {
                                         return outputs(a * b - ai * bi, a * bi + ai * b);
                                     }),
                               a.re, a.im, b.re, b.im);
    return {re, im};
}

template <class T>
Scanned<T, 3> read_states(const Complex<T>& a, const Complex<T>& b, const Variable<T>& d,
                          const Linear<T>& output_matrix, const State<T, 3>& state,
                          const LinearScanOptions& options) {
    const auto [states, last] = complex_scan(a, b, {state[1], state[2]}, options);
    const Variable<T> output = without_padding(
        output_matrix(concatenate({states.re, states.im}, -1)) + d, options.lengths);
    return {output, {last_steps(output, state[0], 1, options), last.re, last.im}};
}

template <class T>
void initialise_state_space(Linear<T>& b, Linear<T>& c, Linear<T>& d) {
    const auto initialise = [](Linear<T>& part, double variance) {
        part.weight.set(normal<T>(part.weight.shape(), std::sqrt(variance), next_stream()));
    };
    const auto input = static_cast<double>(b.options.input);
    initialise(b, 0.5 / input);
    initialise(c, 2.0 / static_cast<double>(c.options.input));
    initialise(d, 1.0 / input);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template ComplexScan<T> complex_scan(const Complex<T>&, const Complex<T>&, const Complex<T>&,  \
                                         const LinearScanOptions&);                                \
    template Complex<T> complex_exp(const Complex<T>&);                                            \
    template Complex<T> complex_exp_quotient(const Complex<T>&);                                   \
    template Complex<T> multiply(const Complex<T>&, const Complex<T>&);                            \
    template Scanned<T, 3> read_states(const Complex<T>&, const Complex<T>&, const Variable<T>&,   \
                                       const Linear<T>&, const State<T, 3>&,                       \
                                       const LinearScanOptions&);                                  \
    template void initialise_state_space(Linear<T>&, Linear<T>&, Linear<T>&);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn::detail
