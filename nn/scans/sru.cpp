#include <unroll/nn/initialize.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/scans/sru.hpp>
#include <unroll/ops/fuse/fuse.hpp>

#include <cmath>

namespace unroll::nn {

namespace {

std::size_t checked(std::size_t input, std::size_t hidden, Where where) {
    require_sizes(Op("SruCell", where), {{"input", input}, {"hidden", hidden}});
    return input;
}

} // namespace

template <class T>
SruCell<T>::SruCell(std::size_t input, std::size_t hidden, Where where)
    : input(checked(input, hidden, where)), hidden(hidden),
      gates({.input = input, .output = 2 * hidden}),
      candidate({.input = input, .output = hidden, .bias = false}),
      peephole("peephole", uniform<T>({2, hidden}, std::sqrt(3.0), next_stream())) {
    if (input != hidden) skip.emplace(LinearOptions{input, hidden, false});
    const double bound = std::sqrt(3.0 / static_cast<double>(input));
    const auto initialise = [&](Linear<T>& part) {
        part.weight.set(uniform<T>(part.weight.shape(), bound, next_stream()));
    };
    initialise(gates);
    initialise(candidate);
    if (skip) initialise(*skip);
    gates.bias.change().fill(T(0));
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
    return fuse_into(context.h, "sru",
                     named("f r g x vf vr c -> h c'",
                           [](auto f, auto r, auto g, auto x, auto vf, auto vr, auto c) {
                               const auto keep = sigmoid(f + vf * c), read = sigmoid(r + vr * c);
                               const auto next = keep * c + (1 - keep) * g;
                               return outputs(read * next + (1 - read) * x, next);
                           }),
                     block(z, 0, 4), block(z, 1, 4), block(z, 2, 4), block(z, 3, 4),
                     select(peephole, 0, 0), select(peephole, 0, 1), state[1]);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct SruCell<T>;                                                                    \
    template class Recurrent<SruCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
