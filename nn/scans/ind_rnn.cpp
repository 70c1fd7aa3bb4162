#include <unroll/nn/initialize.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/scans/ind_rnn.hpp>
#include <unroll/ops/fuse/fuse.hpp>

namespace unroll::nn {

namespace {

LinearOptions of_input(std::size_t input, std::size_t hidden, Where where) {
    require_sizes(Op("IndRnnCell", where), {{"input", input}, {"hidden", hidden}});
    return {.input = input, .output = hidden};
}

} // namespace

template <class T>
IndRnnCell<T>::IndRnnCell(std::size_t input, std::size_t hidden, Options options, Where where)
    : options(options), from_input(of_input(input, hidden, where)) {
    Tensor<T> u({hidden});
    next_stream().fill_uniform(u.data(), u.size(), T(0), T(1));
    recurrent = Parameter<T>("recurrent", u);
}

template <class T>
void IndRnnCell<T>::members(Members<T>& m) {
    m(module_name)("input", from_input)("recurrent", recurrent);
}

template <class T>
Variable<T> IndRnnCell<T>::project(const Variable<T>& x, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::project, caller);
    return from_input(x);
}

template <class T>
State<T, 1> IndRnnCell<T>::step(const Variable<T>& z, const State<T, 1>& state,
                                const StepContext<T>& context, Where caller) const {
    const detail::CellScope scope(module_name, detail::CellScope::Part::step, caller);
    const Variable<T> u = recurrent;
    if (options.relu)
        return {
            fuse_into(context.h, "ind_rnn",
                      named("z u h -> h'", [](auto z, auto u, auto h) { return relu(z + u * h); }),
                      z, u, state[0])};
    return {fuse_into(context.h, "ind_rnn",
                      named("z u h -> h'", [](auto z, auto u, auto h) { return tanh(z + u * h); }),
                      z, u, state[0])};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct IndRnnCell<T>;                                                                 \
    template class Recurrent<IndRnnCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
