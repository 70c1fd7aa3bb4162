#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/padding.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/scans/mamba.hpp>
#include <unroll/nn/scans/past.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/reduce.hpp>

#include <cmath>

namespace unroll::nn {

namespace {

std::size_t checked(std::size_t input, std::size_t hidden, const MambaOptions& o, Where where) {
    require_sizes(Op("MambaCell", where), {{"input", input},
                                           {"hidden", hidden},
                                           {"states", o.states},
                                           {"window", o.window},
                                           {"expand", o.expand}});
    return hidden;
}

} // namespace

template <class T>
MambaCell<T>::MambaCell(std::size_t input, std::size_t hidden, Options options, Where where)
    : options(options), hidden(checked(input, hidden, options, where)),
      width(options.expand * hidden), rank(options.rank > 0 ? options.rank : (hidden + 15) / 16),
      from_input({.input = input, .output = 2 * width, .bias = false}),
      selection({.input = width, .output = rank + 2 * options.states, .bias = false}),
      step_size({.input = rank, .output = width}),
      output({.input = width, .output = hidden, .bias = false}) {
    const double bound = 1 / std::sqrt(static_cast<double>(options.window));
    taps = Parameter<T>("taps", uniform<T>({options.window, width}, bound, next_stream()));
    taps_bias = Parameter<T>("taps_bias", uniform<T>({width}, bound, next_stream()));
    step_size.weight.set(uniform<T>(step_size.weight.shape(),
                                    1 / std::sqrt(static_cast<double>(rank)), next_stream()));
    Tensor<double> steps({width});
    next_stream().fill_uniform(steps.data(), width, std::log(0.001), std::log(0.1));
    Tensor<T> bias({width}), decays({width, options.states});
    for (std::size_t i = 0; i < width; ++i) { // softplus(bias) = step
        bias.data()[i] = static_cast<T>(std::log(std::expm1(std::exp(steps.data()[i]))));
        for (std::size_t n = 0; n < options.states; ++n)
            decays(i, n) = static_cast<T>(std::log(static_cast<double>(n + 1)));
    }
    step_size.bias.set(bias);
    log_decay = Parameter<T>("log_decay", decays);
    direct = Parameter<T>("direct", Tensor<T>::ones({width}));
}

template <class T>
void MambaCell<T>::members(Members<T>& m) {
    m(module_name)("input", from_input)("taps", taps)("taps_bias", taps_bias)("selection",
                                                                              selection)(
        "step_size", step_size)("log_decay", log_decay)("direct", direct)("output", output);
}

template <class T>
std::array<std::size_t, 3> MambaCell<T>::widths() const {
    return {hidden, width * options.states, (options.window - 1) * width};
}

template <class T>
Variable<T> MambaCell<T>::project(const Variable<T>& x, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::project, caller);
    return from_input(x);
}

template <class T>
Scanned<T, 3> MambaCell<T>::scan(const Variable<T>& z, const State<T, 3>& state,
                                 const LinearScanOptions& options) const {
    const std::size_t steps = z.shape(0), batch = z.shape(1), N = this->options.states,
                      past = this->options.window - 1;
    const Variable<T> u = block(z, 0, 2), gate = block(z, 1, 2);
    const Variable<T> v =
        silu(sum(detail::windows(u, state[2], past, options) * taps, {2}) + taps_bias);

    const Variable<T> selected = selection(v);
    const Variable<T> step = softplus(step_size(slice(selected, -1, 0, rank)));
    // States [T, B, N, width]: their rows are as wide as the channels.
    const Shape by_channel{steps, batch, 1, width}, by_state{steps, batch, N, 1};
    const auto [a, b] =
        fuse("mamba",
             named("Δ A B u -> e^ΔA B·u", [](auto step, auto decay, auto b,
                                             auto u) { return outputs(exp(step * decay), b * u); }),
             reshape(step, by_channel), -exp(transpose(log_decay)),
             reshape(slice(selected, -1, rank, rank + N), by_state), reshape(step * v, by_channel));
    const Variable<T> start = transpose(reshape(state[1], Shape{batch, width, N}), {0, 2, 1});
    const auto [states, s] = linear_scan(a, b, start, options);
    const Variable<T> weights =
        reshape(slice(selected, -1, rank + N, rank + 2 * N), Shape{steps, batch, 1, N});
    const Variable<T> read = reshape(matmul(weights, states), Shape{steps, batch, width});
    const Variable<T> gated =
        fuse("mamba",
             named("y D v g -> y", [](auto y, auto direct, auto v,
                                      auto gate) { return (y + direct * v) * silu(gate); }),
             read, direct, v, gate);
    const Variable<T> h = without_padding(output(gated), options.lengths);
    return {h,
            {detail::last_steps(h, state[0], 1, options),
             reshape(transpose(s, {0, 2, 1}), Shape{batch, width * N}),
             detail::last_steps(u, state[2], past, options)}};
}

template <class T>
State<T, 3> MambaCell<T>::step(const Variable<T>& z, const State<T, 3>& state, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::step, caller);
    return detail::scan_step(*this, z, state);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct MambaCell<T>;                                                                  \
    template class Recurrent<MambaCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
