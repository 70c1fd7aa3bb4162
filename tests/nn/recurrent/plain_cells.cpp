// Cells of plain operations equal the built-in ones, with every option of a layer.

#include "cells.hpp"

#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/nn/recurrent/rnn.hpp>

using namespace test;

namespace {

template <class C>
nn::RecurrentOptions<C> converted(const auto& o) {
    nn::RecurrentOptions<C> to{.input = o.input,
                               .hidden = o.hidden,
                               .layers = o.layers,
                               .dropout = o.dropout,
                               .bidirectional = o.bidirectional,
                               .merge = o.merge,
                               .input_dropout = o.input_dropout,
                               .output_dropout = o.output_dropout,
                               .zoneout = o.zoneout,
                               .learned_state = o.learned_state,
                               .connection = o.connection};
    if constexpr (requires { to.cell.projection; }) to.cell.projection = o.cell.projection;
    return to;
}

struct Run {
    std::vector<Tensor<double>> values, gradients;
};
template <class Net>
Run run(Net& net, const Tensor<double>& x, const Lengths& lengths, bool with_state,
        bool evaluating) {
    Run all;
    const auto given = [&](auto make) {
        typename Net::States state;
        for (std::size_t s = 0; with_state && s < state.size(); ++s)
            state[s] =
                make(random_tensor({net.cells().size(), x.shape(1), net.widths()[s]}, 20 + s));
        return state;
    };
    {
        const auto plain = net(x, given([](const auto& t) { return V(t); }), lengths);
        all.values.push_back(plain.output.value());
        for (const auto& s : plain.state) all.values.push_back(s.value());
    }
    for (const auto& p : parameters(net)) p.clear_gradient();
    Tape<double> tape;
    tape.set_random(Random(7));
    tape.set_evaluating(evaluating);
    const auto in = tape.variable(x);
    const auto state = given([&](const auto& t) { return tape.variable(t); });
    const auto result = net(in, state, lengths);
    all.values.push_back(result.output.value());
    for (const auto& s : result.state) all.values.push_back(s.value());
    tape.backward(weighed<Net>(result));
    all.gradients.push_back(tape.gradient(in));
    for (std::size_t s = 0; with_state && s < state.size(); ++s)
        all.gradients.push_back(tape.gradient(state[s]));
    return all;
}

// Compares a built-in cell with a plain one for one set of options.
template <class Built, class Plain>
void compare(nn::RecurrentOptions<Built> options, const Shape& shape, const Lengths& lengths = {},
             bool with_state = false) {
    options.input = shape[2];
    options.hidden = 3;
    nn::Recurrent<Built> built(options);
    nn::Recurrent<Plain> plain(converted<Plain>(options));
    REQUIRE(built.cells().size() == plain.cells().size());
    for (std::size_t i = 0; i < built.cells().size(); ++i)
        copy_weights(built.cells()[i], plain.cells()[i]);
    const auto others = [](auto& net) { // highways and initial states
        std::vector<NamedParameter<double>> found;
        for (const auto& p : parameters(net))
            if (p.path.starts_with("highway") || p.path.starts_with("initial")) found.push_back(p);
        return found;
    };
    const auto from = others(built);
    auto to = others(plain);
    REQUIRE(from.size() == to.size());
    for (std::size_t i = 0; i < from.size(); ++i) to[i].set(from[i].value());

    const auto x = random_tensor(shape);
    for (const bool evaluating : {false, true}) {
        const Run a = run(built, x, lengths, with_state, evaluating);
        const Run b = run(plain, x, lengths, with_state, evaluating);
        for (std::size_t i = 0; i < a.values.size(); ++i)
            CHECK(distance(b.values[i], a.values[i]) < 1e-12);
        for (std::size_t i = 0; i < a.gradients.size(); ++i)
            CHECK(distance(b.gradients[i], a.gradients[i]) < 1e-12);
        for (std::size_t i = 0; i < built.cells().size(); ++i) {
            auto& p = built.cells()[i];
            auto& q = plain.cells()[i];
            CHECK(distance(q.of_x.weight.gradient(), p.weight_ih.gradient()) < 1e-12);
            CHECK(distance(q.of_h.weight.gradient(), p.weight_hh.gradient()) < 1e-12);
            CHECK(distance(q.of_x.bias.gradient(), p.bias_ih.gradient()) < 1e-12);
        }
    }
    if (element_count(shape) == 0 || !options.bidirectional) return;
    for (const int order : {1, 2}) check_gradients(plain, x, lengths, order);
}

template <class Built, class Plain>
void compare_all(const typename Built::Options& cell = {}) {
    using Options = nn::RecurrentOptions<Built>;
    const auto with = [&](Options o) {
        o.cell = cell;
        return o;
    };
    const Shape shape{4, 3, 2}, square{4, 3, nn::detail::widths(Built(1, 3, cell), 3)[0]};
    const Lengths lengths{4, 0, 2};
    const auto all = [&](const char* what, Options o, const Shape& shape) {
        CAPTURE(what);
        Options one = o;
        one.merge = nn::Merge::concatenate;
        compare<Built, Plain>(with(one), shape);
        compare<Built, Plain>(with(one), shape, lengths);
        o.bidirectional = true;
        compare<Built, Plain>(with(o), shape, lengths, !o.learned_state);
    };
    all("plain", {}, shape);
    all("layers", {.layers = 2}, shape);
    all("dropout", {.layers = 2, .dropout = 0.4}, shape);
    all("locked dropout", {.input_dropout = 0.3, .output_dropout = 0.3}, shape);
    all("zoneout", {.zoneout = 0.3}, shape);
    all("zoneout of all elements", {.zoneout = 1}, shape);
    all("learned state", {.learned_state = true}, shape);
    all("merged", {.merge = nn::Merge::multiply}, shape);
    all("residual", {.layers = 2, .merge = nn::Merge::add, .connection = nn::Connection::residual},
        square);
    all("highway",
        {.layers = 2, .merge = nn::Merge::average, .connection = nn::Connection::highway}, square);
    CAPTURE("edges");
    compare<Built, Plain>(with({.layers = 2}), {0, 3, 2}, {}, true);
    compare<Built, Plain>(with({.bidirectional = true}), {4, 0, 2});
    compare<Built, Plain>(with({}), {4, 3, 2}, {0, 0, 0}, true);
    compare<Built, Plain>(with({}), {1, 1, 2});
}

} // namespace

TEST_CASE("a cell of only project and step equals the built-in one: Rnn") {
    compare_all<nn::RnnCell<double>, PlainRnn>();
}

TEST_CASE("a cell of only project and step equals the built-in one: Lstm") {
    compare_all<nn::LstmCell<double>, PlainLstm<double>>();
}

TEST_CASE("a cell of only project and step equals the built-in one: h narrower than c") {
    compare_all<nn::LstmCell<double>, PlainProjected>({.projection = 2});
}

TEST_CASE("long inputs are projected in pieces") {
    nn::Lstm<double> lstm({.input = 2, .hidden = 64});
    nn::Recurrent<PlainLstm<double>> net({.input = 2, .hidden = 64});
    copy_weights(lstm.cells()[0], net.cells()[0]);
    const auto x = random_tensor({40, 64, 2});
    CHECK(distance(net(x).output.value(), lstm(x).output.value()) < 1e-12);
}
