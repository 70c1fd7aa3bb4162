#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/padding.hpp>
#include <unroll/nn/scans/past.hpp>
#include <unroll/nn/scans/state_space.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/pointwise.hpp>

#include <cmath>

namespace unroll::nn::detail {

std::size_t state_space_width(const Op& cell, std::size_t input, std::size_t hidden,
                              std::size_t width) {
    require_sizes(cell, {{"input", input}, {"hidden", hidden}});
    return width > 0 ? width : hidden;
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

template <class T>
Scanned<T, 3> scan_state_space(const StateSpaceCoefficients<T>& coefficients, const Variable<T>& z,
                               const Linear<T>& output_matrix, const State<T, 3>& state,
                               const LinearScanOptions& options) {
    const auto& [a, b] = coefficients;
    const std::size_t width = output_matrix.options.input / 2;
    const auto [re, im] = fuse("state_space",
                               named("b b' u u' -> re im",
                                     [](auto b, auto bi, auto u, auto ui) {
                                         return outputs(b * u - bi * ui, b * ui + bi * u);
                                     }),
                               b.re, b.im, slice(z, -1, 0, width), slice(z, -1, width, 2 * width));
    const auto [s, last] =
        complex_linear_scan<T>(a, {re, im}, {state[1], state[2]}, options, "state_space");
    const Variable<T> output =
        without_padding(output_matrix(concatenate({s.re, s.im}, -1)) +
                            slice(z, -1, 2 * width, 2 * width + output_matrix.options.output),
                        options.lengths);
    return {output, {last_steps(output, state[0], 1, options), last.re, last.im}};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template void initialise_state_space(Linear<T>&, Linear<T>&, Linear<T>&);                      \
    template Scanned<T, 3> scan_state_space(const StateSpaceCoefficients<T>&, const Variable<T>&,  \
                                            const Linear<T>&, const State<T, 3>&,                  \
                                            const LinearScanOptions&);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn::detail
