#include "cells.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/kernels/threads.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/recompute.hpp>
#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/nn/recurrent/rnn.hpp>
#include <unroll/nn/scans/min_gru.hpp>
#include <unroll/nn/scans/slstm.hpp>

#include <cstring>
#include <optional>

using namespace test;

namespace {

// Of this width and batch, eight steps are projected at once.
constexpr std::size_t width = 128, batch = 64, steps = 30;

template <class T>
bool same_bits(const Tensor<T>& a, const Tensor<T>& b) {
    return a.shape() == b.shape() &&
           std::memcmp(std::as_const(a).data(), std::as_const(b).data(), a.size() * sizeof(T)) == 0;
}

struct Trained {
    std::vector<Tensor<double>> all; // outputs, states and gradients
    std::size_t kept = 0, nodes = 0;
};

template <class Net>
Trained trained(typename Net::Options options, std::size_t every, const Lengths& lengths,
                bool last_only = false) {
    using T = typename Net::value_type;
    nn::seed(7);
    options.checkpoint_every = every;
    Net net(options);
    Trained found;
    Tape<T> tape;
    tape.set_random(Random(5));
    const auto x = tape.variable(random_tensor<T>({steps, batch, options.input}));
    const auto result = net(x, {}, lengths);
    Variable<T> loss = sum(square(result.state[0]));
    if (!last_only) loss = loss + sum(sin(result.output * 3.0));
    for (const auto& s : result.state) loss = loss + sum(sin(s));
    found.kept = tape.kept_bytes();
    found.nodes = tape.size();
    const auto keep = [&](const Tensor<T>& values) {
        Tensor<double> copy(values.shape());
        const Tensor<T> dense = values.contiguous();
        std::copy_n(std::as_const(dense).data(), dense.size(), copy.data());
        found.all.push_back(copy);
    };
    keep(result.output.value());
    for (const auto& s : result.state) keep(s.value());
    tape.backward(loss);
    keep(tape.gradient(x));
    for (const auto& p : parameters(net)) keep(p.gradient());
    return found;
}

template <class Net>
void check_same(const typename Net::Options& options, const Lengths& lengths = {},
                bool last_only = false) {
    const Trained plain = trained<Net>(options, 0, lengths, last_only);
    for (const std::size_t every : {1, 8, 9, 16, 1'000'000'000}) {
        CAPTURE(every);
        const Trained again = trained<Net>(options, every, lengths, last_only);
        REQUIRE(plain.all.size() == again.all.size());
        for (std::size_t i = 0; i < plain.all.size(); ++i) {
            CAPTURE(i);
            // Zeros may differ in sign if only the last outputs have gradients.
            if (last_only)
                CHECK(plain.all[i] == again.all[i]);
            else
                CHECK(same_bits(plain.all[i], again.all[i]));
        }
        CHECK(again.nodes < plain.nodes);
    }
}

const Lengths lengths = [] {
    Lengths all(batch);
    for (std::size_t b = 0; b < batch; ++b) all[b] = b * 7 % (steps + 1);
    return all;
}();

} // namespace

TEST_CASE("checkpoint_every: the same bits for every cell") {
    check_same<nn::Lstm<double>>({.input = 5, .hidden = width});
    check_same<nn::Lstm<float>>({.input = 5, .hidden = 2 * width});
    check_same<nn::Gru<double>>({.input = 5, .hidden = width});
    check_same<nn::Rnn<double>>({.input = 5, .hidden = width});
    check_same<nn::Gru<double>>(
        {.input = 5, .hidden = width, .cell = {.reset = nn::GruOptions::Reset::before}});
    check_same<nn::Lstm<double>>(
        {.input = 5,
         .hidden = width,
         .cell = {.peephole = true, .layer_norm = true, .projection = 16}});
    check_same<nn::Recurrent<PlainLstm<double>>>({.input = 5, .hidden = width});
    check_same<nn::Recurrent<PlainRnn>>({.input = 5, .hidden = width});
    check_same<nn::SLstm<double>>({.input = 5, .hidden = width});
}

TEST_CASE("checkpoint_every: the same bits with options, lengths and states") {
    check_same<nn::Lstm<double>>({.input = 5, .hidden = width}, lengths);
    check_same<nn::Gru<double>>({.input = 5,
                                 .hidden = width,
                                 .layers = 2,
                                 .dropout = 0.2,
                                 .bidirectional = true,
                                 .learned_state = true},
                                lengths);
    check_same<nn::Lstm<double>>({.input = 5,
                                  .hidden = width,
                                  .bidirectional = true,
                                  .merge = nn::Merge::add,
                                  .input_dropout = 0.1,
                                  .state_dropout = 0.1,
                                  .output_dropout = 0.1,
                                  .weight_dropout = 0.2,
                                  .zoneout = 0.1});
    check_same<nn::Gru<double>>(
        {.input = width, .hidden = width, .zoneout = 0.1, .connection = nn::Connection::residual},
        lengths);
    check_same<nn::Lstm<double>>({.input = 5, .hidden = width}, {}, true);
}

TEST_CASE("checkpoint_every: a cell with scan runs again as a whole") {
    check_same<nn::MinGru<double>>({.input = 5, .hidden = width, .bidirectional = true}, lengths);
    const nn::MinGru<double>::Options options{.input = 5, .hidden = width};
    CHECK(trained<nn::MinGru<double>>(options, 1, {}).kept <
          trained<nn::MinGru<double>>(options, 0, {}).kept / 2);
}

TEST_CASE("checkpoint_every: the tape keeps outputs, and one state for each segment") {
    const nn::Lstm<double>::Options options{.input = 5, .hidden = width};
    const Trained plain = trained<nn::Lstm<double>>(options, 0, {}),
                  again = trained<nn::Lstm<double>>(options, 8, {});
    const std::size_t outputs = steps * batch * width * sizeof(double);
    CHECK(plain.kept > 6 * outputs);
    CHECK(again.kept < 5 * outputs / 2);
    CHECK(again.nodes < plain.nodes / 4);
}

TEST_CASE("threads: checkpoint_every is bitwise identical for any number of threads") {
    const nn::Lstm<double>::Options options{.input = 5, .hidden = width, .bidirectional = true};
    threads::set(1);
    const Trained one = trained<nn::Lstm<double>>(options, 8, lengths);
    threads::set(2);
    const Trained two = trained<nn::Lstm<double>>(options, 8, lengths);
    for (std::size_t i = 0; i < one.all.size(); ++i) CHECK(same_bits(one.all[i], two.all[i]));
}

TEST_CASE("checkpoint_every: gradients of both orders agree with differences") {
    for (const int order : {1, 2}) {
        CAPTURE(order);
        nn::Lstm<double> lstm({.input = 2,
                               .hidden = 3,
                               .layers = 2,
                               .bidirectional = true,
                               .zoneout = 0.2,
                               .checkpoint_every = 2});
        check_gradients(lstm, random_tensor({4, 2, 2}), {4, 1}, order);
        nn::Gru<double> gru({.input = 2, .hidden = 3, .state_dropout = 0.2, .checkpoint_every = 2});
        check_gradients(gru, random_tensor({4, 2, 2}), {}, order);
        // Several segments.
        nn::Lstm<double> wide({.input = 2, .hidden = width, .checkpoint_every = 8});
        const auto report = gradcheck(
            [&](const auto& in) {
                const auto result = wide(in[0]);
                return mean(sin(result.output * 3.0)) + mean(square(result.state[1]));
            },
            {random_tensor({20, batch, 2})}, parameters(wide),
            {.mode = GradcheckOptions::Mode::together, .order = order});
        INFO(report.text());
        CHECK(report.passed());
    }
}

TEST_CASE("checkpoint_every: a carried state, and a layer that is gone before backward") {
    const auto run = [](std::size_t every) {
        nn::seed(3);
        auto lstm = std::make_optional<nn::Lstm<double>>(
            nn::Lstm<double>::Options{.input = 4, .hidden = width, .checkpoint_every = every});
        const auto all = parameters(*lstm);
        Tape<double> tape;
        const V x = tape.variable(random_tensor({18, batch, 4}));
        const auto first = (*lstm)(x);
        nn::Lstm<double> moved(std::move(*lstm));
        const auto second = moved(x, first.state);
        lstm.reset();
        moved = nn::Lstm<double>({.input = 4, .hidden = 3});
        tape.backward(sum(sin(second.output)) + sum(first.output));
        std::vector<Tensor<double>> found{tape.gradient(x)};
        for (const auto& p : all) found.push_back(p.gradient().copy());
        return found;
    };
    const auto plain = run(0), again = run(8);
    for (std::size_t i = 0; i < plain.size(); ++i) CHECK(same_bits(plain[i], again[i]));
}

TEST_CASE("checkpoint_every: within a checkpoint") {
    const auto run = [](std::size_t every, bool again) {
        nn::seed(3);
        nn::Lstm<double> lstm({.input = 4, .hidden = width, .checkpoint_every = every});
        Tape<double> tape;
        const V x = tape.variable(random_tensor({18, batch, 4}));
        const auto f = [&](const V& x) { return lstm(x); };
        const auto [output, state] = again ? checkpoint(f)(x) : f(x);
        tape.backward(sum(sin(output)) + sum(square(state[1])));
        std::vector<Tensor<double>> found{output.value(), tape.gradient(x)};
        for (const auto& p : parameters(lstm)) found.push_back(p.gradient().copy());
        return found;
    };
    const auto plain = run(0, false);
    for (const std::size_t every : {0, 8}) {
        const auto again = run(every, true);
        for (std::size_t i = 0; i < plain.size(); ++i) CHECK(same_bits(plain[i], again[i]));
    }
}

TEST_CASE("checkpoint_every: empty sequences, constants, and no tape") {
    nn::Lstm<double> lstm({.input = 3, .hidden = 4, .checkpoint_every = 2});
    const nn::Lstm<double> plain = lstm; // a copy has weights of its own
    CHECK(parameters(lstm)[0].body() != parameters(const_cast<nn::Lstm<double>&>(plain))[0].body());
    const auto x = random_tensor({5, 2, 3});
    const Tensor<double> expected = lstm(x).output.value();
    Tape<double> tape;
    CHECK(same_bits(lstm(x).output.value(), expected));
    CHECK(same_bits(plain(x).output.value(), expected));
    CHECK(lstm(Tensor<double>({0, 2, 3})).output.shape() == Shape{0, 2, 4});
    CHECK(lstm(Tensor<double>({5, 0, 3})).output.shape() == Shape{5, 0, 4});
    for (auto p : parameters(lstm)) p.set_trainable(false);
    const V y = lstm(x).output; // nothing needs a gradient
    CHECK_FALSE(y.is_recorded());
    CHECK(same_bits(y.value(), expected));
}

TEST_CASE("checkpoint_every: weights that change before backward are an error") {
    nn::Lstm<double> lstm({.input = 3, .hidden = 4, .checkpoint_every = 2});
    Tape<double> tape;
    const V y = sum(lstm(tape.variable(random_tensor({5, 2, 3}))).output);
    lstm.cells()[0].weight_hh.change().fill(0);
    const std::string error = error_of([&] { tape.backward(y); });
    CHECK(contains(error, "checkpoint"));
    CHECK(contains(error, "which was changed since it was recorded"));
    CHECK(contains(error, "Lstm.layer0"));
}
