// Cells as users write them: project and step, of plain operations.
#pragma once

#include "support.hpp"

#include <unroll/core/check/gradcheck.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recurrent/recurrent.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

namespace test {

using V = Variable<double>;
using Lengths = std::vector<std::size_t>;

// h' = tanh(W x + b + U h + b'), with a state that is one variable.
struct PlainRnn {
    PlainRnn(std::size_t input, std::size_t hidden)
        : of_x({.input = input, .output = hidden}), of_h({.input = hidden, .output = hidden}) {}
    V project(const V& x) const { return of_x(x); }
    V step(const V& z, const V& h) const { return tanh(z + of_h(h)); }
    void members(nn::Members<double>& m) { m("of_x", of_x)("of_h", of_h); }

    nn::Linear<double> of_x, of_h;
};

template <class T>
struct PlainLstm {
    PlainLstm(std::size_t input, std::size_t hidden)
        : of_x({.input = input, .output = 4 * hidden}),
          of_h({.input = hidden, .output = 4 * hidden}) {}
    Variable<T> project(const Variable<T>& x) const { return of_x(x); }
    nn::State<T, 2> step(const Variable<T>& z, const nn::State<T, 2>& state) const {
        const auto gates = split(z + of_h(state[0]), 4, -1);
        const auto c = sigmoid(gates[1]) * state[1] + sigmoid(gates[0]) * tanh(gates[2]);
        return {sigmoid(gates[3]) * tanh(c), c};
    }
    void members(nn::Members<T>& m) { m("of_x", of_x)("of_h", of_h); }

    nn::Linear<T> of_x, of_h;
};

// An LSTM whose h is narrower than its c.
struct PlainProjected {
    struct Options {
        std::size_t projection = 0;
    };
    PlainProjected(std::size_t input, std::size_t hidden, Options options)
        : all{options.projection, hidden}, of_x({.input = input, .output = 4 * hidden}),
          of_h({.input = options.projection, .output = 4 * hidden}),
          narrow({.input = hidden, .output = options.projection, .bias = false}) {}
    V project(const V& x) const { return of_x(x); }
    nn::State<double, 2> step(const V& z, const nn::State<double, 2>& state) const {
        const auto gates = split(z + of_h(state[0]), 4, -1);
        const auto c = sigmoid(gates[1]) * state[1] + sigmoid(gates[0]) * tanh(gates[2]);
        return {narrow(sigmoid(gates[3]) * tanh(c)), c};
    }
    std::array<std::size_t, 2> widths() const { return all; }
    void members(nn::Members<double>& m) { m("of_x", of_x)("of_h", of_h)("narrow", narrow); }

    std::array<std::size_t, 2> all;
    nn::Linear<double> of_x, of_h, narrow;
};

template <class Built, class Plain>
void copy_weights(Built& from, Plain& to) {
    to.of_x.weight.set(from.weight_ih.value());
    to.of_x.bias.set(from.bias_ih.value());
    to.of_h.weight.set(from.weight_hh.value());
    to.of_h.bias.set(from.bias_hh.value());
    if constexpr (requires { to.narrow; }) to.narrow.weight.set(from.weight_hr.value());
}

template <class Net>
V weighed(const typename Net::Result& result) {
    V total = sum(sin(result.output * 3));
    for (const auto& s : result.state) total = total + sum(square(s + 0.5));
    return total;
}
// With initial states as inputs, unless these are learned.
template <class Net>
void check_gradients(Net& net, const Tensor<double>& x, const Lengths& lengths, int order) {
    std::vector<Tensor<double>> inputs{x};
    for (std::size_t s = 0; s < net.widths().size() && !net.options().learned_state; ++s)
        inputs.push_back(random_tensor({net.cells().size(), x.shape(1), net.widths()[s]}, 20 + s));
    const auto report = gradcheck(
        [&](const auto& in) {
            typename Net::States state;
            for (std::size_t s = 1; s < in.size(); ++s) state[s - 1] = in[s];
            return weighed<Net>(net(in[0], state, lengths));
        },
        inputs, parameters(net), {.order = order, .full = 20});
    CAPTURE(order);
    INFO(report.text());
    CHECK(report.passed());
}

} // namespace test
