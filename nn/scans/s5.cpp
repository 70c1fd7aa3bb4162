#include <unroll/nn/initialize.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/scans/complex_scan.hpp>
#include <unroll/nn/scans/s5.hpp>
#include <unroll/ops/fuse/fuse.hpp>

#include <cmath>
#include <numbers>

namespace unroll::nn {

namespace {

std::size_t checked(std::size_t input, std::size_t hidden, const S5Options& o, Where where) {
    const Op op("S5Cell", where);
    require_sizes(op, {{"input", input}, {"hidden", hidden}});
    if (!(o.shortest > 0 && o.shortest < o.longest && std::isfinite(o.longest)))
        fail(op, "expected 0 < shortest < longest, got shortest " + std::to_string(o.shortest) +
                     " and longest " + std::to_string(o.longest));
    return hidden;
}

} // namespace

template <class T>
S5Cell<T>::S5Cell(std::size_t input, std::size_t hidden, Options options, Where where)
    : options(options), hidden(checked(input, hidden, options, where)),
      width(options.width > 0 ? options.width : hidden),
      input_matrix({.input = input, .output = 2 * width, .bias = false}),
      output_matrix({.input = 2 * width, .output = hidden, .bias = false}),
      skip({.input = input, .output = hidden, .bias = false}) {
    Tensor<T> real({width}), angle({width}), step({width});
    next_stream().fill_uniform(step.data(), width, static_cast<T>(std::log(options.shortest)),
                               static_cast<T>(std::log(options.longest)));
    for (std::size_t n = 0; n < width; ++n) {
        real.data()[n] = static_cast<T>(std::log(0.5));
        angle.data()[n] = static_cast<T>(std::numbers::pi * static_cast<double>(n));
    }
    log_real = Parameter<T>("log_real", real);
    imaginary = Parameter<T>("imaginary", angle);
    log_step = Parameter<T>("log_step", step);
    detail::initialise_state_space(input_matrix, output_matrix, skip);
}

template <class T>
void S5Cell<T>::members(Members<T>& m) {
    m(module_name)("log_real", log_real)("imaginary", imaginary)("log_step", log_step)(
        "input_matrix", input_matrix)("output_matrix", output_matrix)("skip", skip);
}

template <class T>
std::array<std::size_t, 3> S5Cell<T>::widths() const {
    return {hidden, width, width};
}

template <class T>
Variable<T> S5Cell<T>::project(const Variable<T>& x, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::project, caller);
    return concatenate({input_matrix(x), skip(x)}, -1);
}

template <class T>
Scanned<T, 3> S5Cell<T>::scan(const Variable<T>& z, const State<T, 3>& state,
                              const LinearScanOptions& options) const {
    const auto [re, im, step] =
        fuse("s5",
             named("α ω δ -> Δ·A Δ·A' Δ",
                   [](auto log_real, auto imaginary, auto log_step) {
                       const auto step = exp(log_step);
                       return outputs(-step * exp(log_real), step * imaginary, step);
                   }),
             log_real, imaginary, log_step);
    const detail::Complex<T> exponent{re, im};
    const detail::Complex<T> quotient = detail::complex_exp_quotient(exponent);
    const detail::Complex<T> of_input{slice(z, -1, 0, width), slice(z, -1, width, 2 * width)};
    const detail::Complex<T> added =
        detail::multiply<T>({step * quotient.re, step * quotient.im}, of_input);
    return detail::read_states(detail::complex_exp(exponent), added,
                               slice(z, -1, 2 * width, 2 * width + hidden), output_matrix, state,
                               options);
}

template <class T>
State<T, 3> S5Cell<T>::step(const Variable<T>& z, const State<T, 3>& state, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::step, caller);
    return detail::scan_step(*this, z, state);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct S5Cell<T>;                                                                     \
    template class Recurrent<S5Cell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
