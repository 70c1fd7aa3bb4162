#include <unroll/nn/initialize.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/scans/complex_scan.hpp>
#include <unroll/nn/scans/lru.hpp>
#include <unroll/ops/fuse/fuse.hpp>

#include <cmath>

namespace unroll::nn {

namespace {

std::size_t checked(std::size_t input, std::size_t hidden, const LruOptions& o, Where where) {
    const Op op("LruCell", where);
    require_sizes(op, {{"input", input}, {"hidden", hidden}});
    if (!(o.smallest >= 0 && o.smallest < o.largest && o.largest <= 1 && o.phase > 0))
        fail(op, "expected 0 <= smallest < largest <= 1 and phase > 0, got smallest " +
                     std::to_string(o.smallest) + ", largest " + std::to_string(o.largest) +
                     " and phase " + std::to_string(o.phase));
    return hidden;
}

} // namespace

template <class T>
LruCell<T>::LruCell(std::size_t input, std::size_t hidden, Options options, Where where)
    : options(options), hidden(checked(input, hidden, options, where)),
      width(options.width > 0 ? options.width : hidden),
      input_matrix({.input = input, .output = 2 * width, .bias = false}),
      output_matrix({.input = 2 * width, .output = hidden, .bias = false}),
      skip({.input = input, .output = hidden, .bias = false}) {
    Tensor<double> draws({2, width});
    next_stream().fill_uniform(draws.data(), draws.size(), 0.0, 1.0);
    Tensor<T> log_decays({width}), log_angles({width});
    const double low = options.smallest * options.smallest,
                 high = options.largest * options.largest;
    for (std::size_t i = 0; i < width; ++i) {
        // Draws in (0, 1): the logarithms are finite.
        const double u = std::max(draws(0, i), 1e-12), v = std::max(draws(1, i), 1e-12);
        log_decays.data()[i] = static_cast<T>(std::log(-0.5 * std::log(low + u * (high - low))));
        log_angles.data()[i] = static_cast<T>(std::log(v * options.phase));
    }
    nu = Parameter<T>("nu", log_decays);
    theta = Parameter<T>("theta", log_angles);
    detail::initialise_state_space(input_matrix, output_matrix, skip);
}

template <class T>
void LruCell<T>::members(Members<T>& m) {
    m(module_name)("nu", nu)("theta", theta)("input_matrix", input_matrix)(
        "output_matrix", output_matrix)("skip", skip);
}

template <class T>
std::array<std::size_t, 3> LruCell<T>::widths() const {
    return {hidden, width, width};
}

template <class T>
Variable<T> LruCell<T>::project(const Variable<T>& x, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::project, caller);
    return concatenate({input_matrix(x), skip(x)}, -1);
}

template <class T>
Scanned<T, 3> LruCell<T>::scan(const Variable<T>& z, const State<T, 3>& state,
                               const LinearScanOptions& options) const {
    const auto [re, im, gamma] =
        fuse("lru",
             named("ν θ -> Λ Λ' γ",
                   [](auto nu, auto theta) {
                       const auto decay = exp(nu), angle = exp(theta);
                       return outputs(exp(-decay) * cos(angle), exp(-decay) * sin(angle),
                                      sqrt(-expm1(-2 * decay)));
                   }),
             nu, theta);
    const detail::Complex<T> added{slice(z, -1, 0, width) * gamma,
                                   slice(z, -1, width, 2 * width) * gamma};
    return detail::read_states<T>({re, im}, added, slice(z, -1, 2 * width, 2 * width + hidden),
                                  output_matrix, state, options);
}

template <class T>
State<T, 3> LruCell<T>::step(const Variable<T>& z, const State<T, 3>& state, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::step, caller);
    return detail::scan_step(*this, z, state);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct LruCell<T>;                                                                    \
    template class Recurrent<LruCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
