#include <unroll/nn/initialize.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/scans/sru.hpp>
#include <unroll/ops/fuse/fuse.hpp>

#include <cmath>

namespace unroll::nn {

namespace {

std::size_t checked(std::size_t input, std::size_t hidden, const SruOptions& o, Where where) {
    const Op op("SruCell", where);
    require_sizes(op, {{"input", input}, {"hidden", hidden}});
    if (!std::isfinite(o.highway_bias))
        fail(op, "expected a finite highway_bias, got " + std::to_string(o.highway_bias));
    return input;
}

} // namespace

template <class T>
SruCell<T>::SruCell(std::size_t input, std::size_t hidden, Options options, Where where)
    : options(options), input(checked(input, hidden, options, where)), hidden(hidden),
      alpha(options.rescale ? std::sqrt(1 + 2 * std::exp(options.highway_bias)) : 1.0),
      gates({.input = input, .output = 2 * hidden}),
      candidate({.input = input, .output = hidden, .bias = false}),
      peephole("peephole", uniform<T>({2, hidden}, std::sqrt(1.5), next_stream())) {
    if (input != hidden) skip.emplace(LinearOptions{input, hidden, false});
    const auto initialise = [&](Linear<T>& part, double variance) {
        part.weight.set(uniform<T>(part.weight.shape(), std::sqrt(3 * variance), next_stream()));
    };
    const double variance = 1 / static_cast<double>(input);
    initialise(gates, variance / 2);
    initialise(candidate, variance);
    if (skip) initialise(*skip, variance);
    gates.bias.change().fill(T(0));
    gates.bias.change().slice(0, hidden, 2 * hidden).fill(static_cast<T>(options.highway_bias));
}

template <class T>
void SruCell<T>::members(Members<T>& m) {
    m(module_name)("gates", gates)("candidate", candidate)("peephole", peephole);
    if (skip) m("skip", *skip);
}

template <class T>
Variable<T> SruCell<T>::project(const Variable<T>& x, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::project, caller);
    return concatenate({gates(x), candidate(x), skip ? (*skip)(x) : x}, -1);
}

template <class T>
State<T, 2> SruCell<T>::step(const Variable<T>& z, const State<T, 2>& state,
                             const StepContext<T>& context, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::step, caller);
    return fuse_into(
        context.h, "sru",
        named("f r g x vf vr c -> h c'",
              [alpha = alpha](auto f, auto r, auto g, auto x, auto vf, auto vr, auto c) {
                  const auto keep = sigmoid(f + vf * c), read = sigmoid(r + vr * c);
                  const auto next = keep * c + (1 - keep) * g;
                  return outputs(read * next + (1 - read) * (alpha * x), next);
              }),
        block(z, 0, 4), block(z, 1, 4), block(z, 2, 4), block(z, 3, 4), select(peephole, 0, 0),
        select(peephole, 0, 1), state[1]);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct SruCell<T>;                                                                    \
    template class Recurrent<SruCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
