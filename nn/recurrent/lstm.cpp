#include <unroll/nn/initialize.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/views.hpp>

#include <cmath>

namespace unroll::nn {

template <class T>
LstmCell<T>::LstmCell(std::size_t input, std::size_t hidden, Options options, Where where)
    : CellParameters<T>(Op("LstmCell", where), input, hidden, options.coupled_gates ? 3 : 4,
                        options.layer_norm, options.projection),
      options(options) {
    const std::size_t forget = (this->gates - 3) * hidden;
    for (std::size_t i = forget; i < forget + hidden; ++i)
        this->bias_ih.change().data()[i] += static_cast<T>(options.forget_bias);
    const double bound = 1.0 / std::sqrt(static_cast<double>(hidden));
    if (options.peephole)
        peephole =
            Parameter<T>("peephole", uniform<T>({this->gates - 1, hidden}, bound, next_stream()));
    if (options.projection > 0)
        weight_hr = Parameter<T>("weight_hr",
                                 uniform<T>({options.projection, hidden}, bound, next_stream()));
    if (options.layer_norm) norm_c.emplace(hidden);
}

template <class T>
void LstmCell<T>::members(Members<T>& m) {
    CellParameters<T>::members(m);
    if (options.peephole) m("peephole", peephole);
    if (options.projection > 0) m("weight_hr", weight_hr);
    if (norm_c) m("norm_c", *norm_c);
}

template <class T>
Variable<T> LstmCell<T>::project(const Variable<T>& x, Where caller) const {
    const detail::CellScope scope(this->module_name, detail::CellScope::Part::project, caller);
    return this->inputs(x, this->bias_ih + this->bias_hh);
}

template <class T>
State<T, 2> LstmCell<T>::step(const Variable<T>& z, const State<T, 2>& state,
                              const StepContext<T>& context, Where caller) const {
    const detail::CellScope scope(this->module_name, detail::CellScope::Part::step, caller);
    const Variable<T> gates = this->add_recurrent(z, state[0], context);
    if (options.peephole || options.coupled_gates || options.layer_norm || options.projection > 0)
        return step_with_options(gates, state[1], context);
    return fuse_into(context.h, "lstm",
                     named("i f g o c -> h c'",
                           [](auto i, auto f, auto g, auto o, auto c) {
                               const auto next = sigmoid(f) * c + sigmoid(i) * tanh(g);
                               return outputs(sigmoid(o) * tanh(next), next);
                           }),
                     block(gates, 0, 4), block(gates, 1, 4), block(gates, 2, 4), block(gates, 3, 4),
                     state[1]);
}

template <class T>
State<T, 2> LstmCell<T>::step_with_options(const Variable<T>& gates, const Variable<T>& c,
                                           const StepContext<T>& context) const {
    const std::size_t n = this->gates;
    // The gate `back` positions before the last, with its peephole.
    const auto gate = [&](std::size_t back, std::ptrdiff_t row, const Variable<T>& cell_state) {
        const Variable<T> plain = block(gates, n - back, n);
        if (!options.peephole || row < 0) return plain;
        return plain + select(peephole, 0, static_cast<std::size_t>(row)) * cell_state;
    };
    const std::ptrdiff_t first = options.coupled_gates ? -1 : 0;
    const Variable<T> f = gate(3, first + 1, c), g = gate(2, -1, c);
    const Variable<T> next =
        options.coupled_gates ? fuse("lstm",
                                     named("f g c -> c'",
                                           [](auto f, auto g, auto c) {
                                               return sigmoid(f) * c + (1 - sigmoid(f)) * tanh(g);
                                           }),
                                     f, g, c)
                              : fuse("lstm",
                                     named("i f g c -> c'",
                                           [](auto i, auto f, auto g, auto c) {
                                               return sigmoid(f) * c + sigmoid(i) * tanh(g);
                                           }),
                                     gate(4, 0, c), f, g, c);
    const Variable<T> o = gate(1, first + 2, next);
    const bool projects = options.projection > 0;
    const Variable<T> h =
        fuse_into(projects ? OutputSlot<T>() : context.h, "lstm",
                  named("o c' -> h", [](auto o, auto c) { return sigmoid(o) * tanh(c); }), o,
                  norm_c ? (*norm_c)(next) : next);
    if (!projects) return {h, next};
    const Composite composite("linear"); // without a bias
    return {linear(h, weight_hr, Variable<T>(T(0)), context.h), next};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct LstmCell<T>;                                                                   \
    template class Recurrent<LstmCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
