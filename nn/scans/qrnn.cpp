#include <unroll/nn/initialize.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/scans/past.hpp>
#include <unroll/nn/scans/qrnn.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/pointwise.hpp>

#include <cmath>

namespace unroll::nn {

namespace {

LinearOptions of_taps(std::size_t input, std::size_t hidden, std::size_t window, Where where) {
    require_sizes(Op("QrnnCell", where),
                  {{"input", input}, {"hidden", hidden}, {"window", window}});
    return {.input = input, .output = window * 3 * hidden, .bias = false};
}

} // namespace

template <class T>
QrnnCell<T>::QrnnCell(std::size_t input, std::size_t hidden, Options options, Where where)
    : options(options), hidden(hidden), taps(of_taps(input, hidden, options.window, where)) {
    const double bound = 1 / std::sqrt(static_cast<double>(options.window * input));
    taps.weight.set(uniform<T>(taps.weight.shape(), bound, next_stream()));
    bias = Parameter<T>("bias", uniform<T>({3 * hidden}, bound, next_stream()));
}

template <class T>
void QrnnCell<T>::members(Members<T>& m) {
    m(module_name)("taps", taps)("bias", bias);
}

template <class T>
std::array<std::size_t, 3> QrnnCell<T>::widths() const {
    const std::size_t past = options.window - 1;
    return {hidden, hidden, past * past * 3 * hidden};
}

template <class T>
Variable<T> QrnnCell<T>::project(const Variable<T>& x, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::project, caller);
    return taps(x);
}

template <class T>
Scanned<T, 3> QrnnCell<T>::scan(const Variable<T>& taps, const State<T, 3>& state,
                                const LinearScanOptions& options) const {
    const std::size_t past = this->options.window - 1, width = 3 * hidden;
    // The sum over the window; the products of later taps are kept for later steps.
    Variable<T> z = slice(taps, -1, 0, width) + bias, products = state[2];
    if (past > 0) {
        const Variable<T> later = slice(taps, -1, width, (past + 1) * width);
        const Variable<T> seen = detail::windows(later, state[2], past, options);
        for (std::size_t lag = 1; lag <= past; ++lag)
            z = z + slice(select(seen, 2, past - lag), -1, (lag - 1) * width, lag * width);
        products = detail::last_steps(later, state[2], past, options);
    }
    const auto [keep, added] =
        fuse("qrnn",
             named("z f -> f' (1−f')·z'",
                   [](auto z, auto f) { return outputs(sigmoid(f), sigmoid(-f) * tanh(z)); }),
             block(z, 0, 3), block(z, 1, 3));
    const auto [cells, c] = linear_scan(keep, added, state[1], options);
    const Variable<T> output =
        fuse("qrnn", named("o c -> h", [](auto o, auto c) { return sigmoid(o) * c; }),
             block(z, 2, 3), cells);
    return {output, {detail::last_steps(output, state[0], 1, options), c, products}};
}

template <class T>
State<T, 3> QrnnCell<T>::step(const Variable<T>& z, const State<T, 3>& state, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::step, caller);
    return detail::scan_step(*this, z, state);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct QrnnCell<T>;                                                                   \
    template class Recurrent<QrnnCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
