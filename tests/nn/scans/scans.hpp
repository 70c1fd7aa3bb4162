// What holds for every cell of nn/scans, against a reference that loops over one sequence.
#pragma once

#include "nn/recurrent/cells.hpp"

#include <algorithm>
#include <limits>

namespace test {

using Vector = std::vector<double>;
using Steps = std::vector<Vector>;

inline Vector row(const Tensor<double>& x) { return x.to_vector(); }
inline Tensor<double> vector_of(const Vector& x) { return {{x.size()}, std::span(x)}; }
template <class To, class From>
Tensor<To> converted(const Tensor<From>& x) {
    const auto values = x.to_vector();
    const std::vector<To> to(values.begin(), values.end());
    return {x.shape(), std::span<const To>(to)};
}

// W x + b of one vector.
inline Vector affine(const nn::Linear<double>& layer, const Vector& x) {
    const auto weight = layer.weight.value().to_vector();
    Vector y(layer.options.output);
    for (std::size_t i = 0; i < y.size(); ++i) {
        if (layer.options.bias) y[i] = layer.bias.value().to_vector()[i];
        for (std::size_t j = 0; j < x.size(); ++j) y[i] += weight[i * x.size() + j] * x[j];
    }
    return y;
}
inline double plain_sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
inline double plain_softplus(double x) { return std::log1p(std::exp(x)); }
inline double plain_silu(double x) { return x * plain_sigmoid(x); }

// Biases and factors that are equal or 0 at first, too.
template <class Cell>
void shake(Cell& cell) {
    std::uint64_t seed = 70;
    for (auto p : parameters(cell)) p.set((p + random_tensor(p.shape(), seed++, 0.2)).value());
}

template <class Cell>
typename nn::cell_state<Cell> states_of(const Cell& cell, std::size_t batch, std::size_t hidden) {
    nn::cell_state<Cell> state;
    const auto widths = nn::detail::widths(cell, hidden);
    for (std::size_t s = 0; s < state.size(); ++s)
        state[s] = random_tensor({batch, widths[s]}, 20 + s);
    if (std::string_view(Cell::name) == "SLstm") state[2] = square(state[2]) + 1;
    return state;
}

// reference(cell, steps of one sequence, states): outputs; updates the states.
template <class Cell, class Reference>
void check_against(const Cell& cell, std::size_t input, std::size_t hidden,
                   const Reference& reference) {
    const std::size_t steps = 5, batch = 3;
    const Tensor<double> x = random_tensor({steps, batch, input}, 3);
    for (const bool from_zero : {false, true})
        for (const bool backwards : {false, true})
            for (const Lengths& lengths : {Lengths{}, Lengths{5, 0, 3}}) {
                CAPTURE(from_zero);
                CAPTURE(backwards);
                CAPTURE(lengths.size());
                auto start = states_of(cell, batch, hidden);
                if (from_zero)
                    for (auto& s : start) s = Tensor<double>::zeros(s.shape());
                Tensor<double> padded = x.copy();
                for (std::size_t b = 0; b < lengths.size(); ++b)
                    for (std::size_t t = lengths[b]; t < steps; ++t)
                        padded.select(0, t).select(0, b).fill(0);
                const auto found = nn::Scan<Cell>::run(cell, V(padded), start, backwards, lengths);
                Tensor<double> output = Tensor<double>::zeros({steps, batch, hidden});
                for (std::size_t b = 0; b < batch; ++b) {
                    const std::size_t length = lengths.empty() ? steps : lengths[b];
                    Steps in;
                    for (std::size_t t = 0; t < length; ++t)
                        in.push_back(row(x.select(0, backwards ? length - 1 - t : t).select(0, b)));
                    std::vector<Vector> state;
                    for (const auto& s : start) state.push_back(row(s.value().select(0, b)));
                    const Steps out = reference(cell, in, state);
                    for (std::size_t t = 0; t < length; ++t)
                        output.select(0, backwards ? length - 1 - t : t)
                            .select(0, b)
                            .assign(vector_of(out[t]));
                    for (std::size_t s = 0; s < start.size(); ++s) {
                        CAPTURE(s);
                        CHECK(distance(found.state[s].value().select(0, b), vector_of(state[s])) <
                              1e-12);
                    }
                }
                CHECK(distance(found.output.value(), output) < 1e-12);
            }
}

template <template <class> class Cell>
void check_layer(const nn::cell_options<Cell<double>>& options, std::size_t input,
                 std::size_t hidden) {
    using Net = nn::Recurrent<Cell<double>>;
    Net net({.input = input, .hidden = hidden, .cell = options});
    shake(net);
    const Cell<double>& cell = net.cells()[0];
    const Tensor<double> x = random_tensor({6, 3, input}, 4);
    const auto whole = net(x);
    {
        CAPTURE("one step at a time");
        typename Net::States state;
        for (std::size_t s = 0; s < state.size(); ++s)
            state[s] = Tensor<double>::zeros({3, net.widths()[s]});
        for (std::size_t t = 0; t < 6; ++t) {
            state = cell.step(cell.project(V(x.select(0, t))), state);
            CHECK(distance(state[0].value(), whole.output.value().select(0, t)) < 1e-12);
        }
        for (std::size_t s = 0; s < state.size(); ++s)
            CHECK(distance(state[s].value(), whole.state[s].value().select(0, 0)) < 1e-12);
    }
    {
        CAPTURE("continued");
        const auto first = net(V(x.slice(0, 0, 1)));
        const auto second = net(V(x.slice(0, 1, 4)), first.state);
        const auto third = net(V(x.slice(0, 4, 6)), second.state);
        CHECK(distance(concatenate({first.output, second.output, third.output}).value(),
                       whole.output.value()) < 1e-12);
        for (std::size_t s = 0; s < net.widths().size(); ++s)
            CHECK(distance(third.state[s].value(), whole.state[s].value()) < 1e-12);
    }
    {
        CAPTURE("zoneout of nothing steps through the same");
        Net steps({.input = input, .hidden = hidden, .cell = options, .zoneout = 1e-300});
        const auto from = parameters(net);
        auto to = parameters(steps);
        for (std::size_t i = 0; i < to.size(); ++i) to[i].set(from[i].value());
        const Lengths lengths{6, 0, 4};
        CHECK(distance(steps(x, {}, lengths).output.value(), net(x, {}, lengths).output.value()) <
              1e-12);
    }
    {
        CAPTURE("float");
        nn::Recurrent<Cell<float>> small({.input = input, .hidden = hidden, .cell = options});
        const auto from = parameters(net);
        auto to = parameters(small);
        for (std::size_t i = 0; i < to.size(); ++i) to[i].set(converted<float>(from[i].value()));
        CHECK(distance(converted<double>(small(converted<float>(x)).output.value()),
                       whole.output.value()) < 1e-5);
    }
    {
        CAPTURE("padding");
        Net both({.input = input, .hidden = hidden, .bidirectional = true, .cell = options});
        const Lengths lengths{6, 0, 4};
        Tensor<double> padded = x.copy();
        for (std::size_t t = 0; t < 6; ++t)
            for (std::size_t b = 0; b < 3; ++b)
                if (t >= lengths[b])
                    padded.select(0, t).select(0, b).fill(std::numeric_limits<double>::quiet_NaN());
        const auto clean = both(x, {}, lengths), found = both(padded, {}, lengths);
        CHECK(found.output.value().to_vector() == clean.output.value().to_vector());
        for (std::size_t t = 4; t < 6; ++t)
            for (const double h : found.output.value().select(0, t).select(0, 2).to_vector())
                CHECK(h == 0);
        CHECK(distance(both(x.slice(0, 0, 4)).output.value().select(1, 2),
                       found.output.value().slice(0, 0, 4).select(1, 2)) < 1e-12);
        CHECK(both(x.slice(0, 0, 0)).output.shape() == Shape{0, 3, 2 * net.widths()[0]});
        CHECK(both(x.slice(1, 0, 0)).output.shape() == Shape{6, 0, 2 * net.widths()[0]});
    }
    {
        CAPTURE("layers");
        Net deep({.input = input,
                  .hidden = hidden,
                  .layers = 2,
                  .bidirectional = true,
                  .cell = options});
        const auto first = deep(V(x.slice(0, 0, 2)));
        CHECK(deep(V(x.slice(0, 2, 6)), first.state, Lengths{4, 0, 1}).output.shape() ==
              Shape{4, 3, 2 * net.widths()[0]});
    }
    {
        Net both({.input = input, .hidden = hidden, .bidirectional = true, .cell = options});
        shake(both);
        for (const int order : {1, 2})
            check_gradients(both, random_tensor({3, 2, input}, 5), {3, 2}, order);
    }
}

// The message of a constructor, with the line of the test.
template <class Make>
void check_refused(const Make& make, const std::string& problem) {
    const std::string message = error_of(make);
    CAPTURE(message);
    CHECK(contains(message, problem));
    CHECK(contains(message, ".cpp:"));
    CHECK(contains(message, "scans"));
}

} // namespace test
