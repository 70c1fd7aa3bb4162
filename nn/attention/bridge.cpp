#include <unroll/nn/attention/bridge.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>

namespace unroll::nn {

template <class T>
Bridge<T>::Bridge(const Options& options, Where where) : options(options) {
    for (std::size_t s = 0; s < options.to.size(); ++s)
        if (options.kind == BridgeKind::copy && options.from[source(s)] != options.to[s])
            fail(Op("Bridge", where), "states of width " + std::to_string(options.from[source(s)]) +
                                          " cannot be copied to a decoder of " +
                                          std::to_string(options.to[s]));
    if (options.kind != BridgeKind::project) return;
    for (std::size_t layer = 0; layer < options.layers; ++layer)
        for (std::size_t s = 0; s < options.to.size(); ++s)
            projections.push_back(
                Linear<T>({.input = options.from[source(s)], .output = options.to[s]}, where));
}

template <class T>
Variable<T> layer_state(const Variable<T>& states, std::size_t layer, std::size_t directions) {
    if (directions == 1) return select(states, 0, layer);
    std::vector<Variable<T>> both;
    for (std::size_t d = 0; d < directions; ++d)
        both.push_back(select(states, 0, layer * directions + d));
    return concatenate(both, -1);
}

template <class T>
std::vector<std::vector<Variable<T>>> Bridge<T>::operator()(std::span<const Variable<T>> states,
                                                            std::size_t directions,
                                                            Where caller) const {
    const Scope scope(module_name, caller);
    const Variable<T>& h = states[0];
    const std::size_t from_layers = h.shape(0) / directions, batch = h.shape(1);
    std::vector<std::vector<Variable<T>>> first(options.layers);
    for (std::size_t layer = 0; layer < options.layers; ++layer)
        for (std::size_t s = 0; s < options.to.size(); ++s) {
            if (options.kind == BridgeKind::zeros) {
                first[layer].push_back(Tensor<T>::zeros({batch, options.to[s]}));
                continue;
            }
            const Variable<T> state =
                layer_state(states[source(s)], std::min(layer, from_layers - 1), directions);
            first[layer].push_back(options.kind == BridgeKind::copy
                                       ? state
                                       : tanh(projections[layer * options.to.size() + s](state)));
        }
    return first;
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template class Bridge<T>;                                                                      \
    template Variable<T> layer_state(const Variable<T>&, std::size_t, std::size_t);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
