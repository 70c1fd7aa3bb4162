// Cells as users write them: project and step, of plain operations.

#include "cells.hpp"
#include "nn/trees/trees.hpp"

#include <unroll/nn/attention/seq2seq.hpp>
#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/nn/recurrent/rnn.hpp>
#include <unroll/nn/trees/recursive.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

#include <functional>
#include <optional>

using namespace test;

namespace {

// A cell whose step is a lambda: the new state from z and the old state, all of width `hidden`.
template <std::size_t N>
struct AnyCell {
    using value_type = double;
    static constexpr std::size_t states = N;
    using Step = std::function<nn::State<double, N>(const V&, const nn::State<double, N>&,
                                                    const nn::StepContext<double>&)>;
    struct Options {
        Step step;
        std::size_t gates = 1;
    };
    AnyCell(std::size_t input, std::size_t hidden, Options options)
        : options(options), of_x({.input = input, .output = options.gates * hidden}) {}
    V project(const V& x) const { return of_x(x); }
    nn::State<double, N> step(const V& z, const nn::State<double, N>& state,
                              const nn::StepContext<double>& context) const {
        return options.step(z, state, context);
    }
    void members(nn::Members<double>& m) { m("of_x", of_x); }

    Options options;
    nn::Linear<double> of_x;
};

template <std::size_t N>
using AnyStep = typename AnyCell<N>::Step;

template <std::size_t N>
nn::Recurrent<AnyCell<N>> any(const AnyStep<N>& step, std::size_t gates = 1,
                              nn::RecurrentOptions<AnyCell<N>> options = {}) {
    options.input = 2;
    options.hidden = 3;
    options.cell = {step, gates};
    return nn::Recurrent<AnyCell<N>>(options);
}

// Outputs of calling step directly, without a layer.
template <std::size_t N>
void check_by_hand(const AnyStep<N>& step, std::size_t gates = 1) {
    const auto x = random_tensor({4, 3, 2});
    for (const bool recorded : {false, true})
        for (const auto& lengths : {Lengths{}, Lengths{4, 0, 2}}) {
            auto net = any<N>(step, gates);
            std::optional<Tape<double>> tape;
            if (recorded) tape.emplace();
            const auto result = net(x, {}, lengths);
            nn::State<double, N> state;
            state.fill(V(Tensor<double>::zeros({3, 3})));
            const auto z = net.cells()[0].project(x);
            const NoRecording<double> paused;
            for (std::size_t t = 0; t < 4; ++t) {
                const auto next = step(V(z.value().select(0, t)), state, {});
                for (std::size_t b = 0; b < 3; ++b) {
                    const bool active = lengths.empty() || t < lengths[b];
                    for (std::size_t i = 0; i < 3; ++i)
                        CHECK(result.output.value()(t, b, i) ==
                              doctest::Approx(active ? next[0].value()(b, i) : 0));
                }
                for (std::size_t s = 0; s < N; ++s) {
                    Tensor<double> kept = next[s].value().copy();
                    for (std::size_t b = 0; b < 3; ++b)
                        if (!lengths.empty() && t >= lengths[b])
                            kept.select(0, b).assign(state[s].value().select(0, b));
                    state[s] = kept;
                }
            }
            for (std::size_t s = 0; s < N; ++s)
                CHECK(distance(result.state[s].value().select(0, 0), state[s].value()) < 1e-14);
        }
    for (const bool bidirectional : {false, true})
        for (const auto& lengths : {Lengths{}, Lengths{4, 0, 2}}) {
            auto net = any<N>(step, gates, {.layers = 1, .bidirectional = bidirectional});
            for (const int order : {1, 2}) check_gradients(net, x, lengths, order);
        }
}

struct NoStep {
    NoStep(std::size_t, std::size_t) {}
    V project(const V& x) const { return x; }
};
struct NoProject {
    NoProject(std::size_t, std::size_t) {}
    V step(const V& z, const V&) const { return z; }
};
struct WritesItself {
    WritesItself(std::size_t, std::size_t) {}
    V project(const V& x) const { return x; }
    V step(const V& z, const V&) { return z; } // not const
};
struct ReturnsTooFew {
    using value_type = double;
    static constexpr std::size_t states = 2;
    V project(const V& x) const { return x; }
    nn::State<double, 1> step(const V& z, const nn::State<double, 2>&) const { return {z}; }
};
// Without weights, and with a step that is a template.
struct Running {
    using value_type = double;
    Running(std::size_t, std::size_t) {}
    V project(const V& x) const { return x; }
    auto step(const auto& z, const auto& state) const { return nn::State<double, 1>{z + state[0]}; }
};

} // namespace

static_assert(nn::Cell<PlainRnn> && nn::Cell<PlainLstm<float>> && nn::Cell<PlainProjected>);
static_assert(nn::Cell<nn::RnnCell<float>> && nn::Cell<nn::LstmCell<double>>);
static_assert(nn::Cell<nn::GruCell<double>> && nn::Cell<Running>);
static_assert(!nn::Cell<NoStep> && !nn::Cell<NoProject> && !nn::Cell<WritesItself>);
static_assert(!nn::Cell<ReturnsTooFew> && !nn::Cell<int>);
static_assert(nn::cell_states<PlainRnn>() == 1 && nn::cell_states<PlainLstm<double>>() == 2);
static_assert(std::is_same_v<nn::cell_scalar<PlainRnn>, double>);
static_assert(std::is_same_v<nn::cell_scalar<PlainLstm<float>>, float>);

TEST_CASE("a step may return any variable of the right shape") {
    using S1 = nn::State<double, 1>;
    using S2 = nn::State<double, 2>;
    using C = nn::StepContext<double>;
    SUBCASE("the old state") {
        check_by_hand<1>([](const V&, const S1& s, const C&) { return s; });
    }
    SUBCASE("another part of the old state") {
        check_by_hand<2>([](const V& z, const S2& s, const C&) { return S2{s[1], z + s[0]}; });
    }
    SUBCASE("the input") {
        check_by_hand<1>([](const V& z, const S1&, const C&) { return S1{z}; });
    }
    SUBCASE("a constant") {
        const V one = Tensor<double>::ones({3, 3});
        check_by_hand<2>([=](const V& z, const S2& s, const C&) { return S2{one, z + s[1]}; });
        check_by_hand<2>([=](const V& z, const S2& s, const C&) { return S2{z * s[1], one}; });
    }
    SUBCASE("a constant at every other step") {
        check_by_hand<1>([](const V& z, const S1& s, const C&) {
            return z.value()(0, 0) > 0 ? S1{tanh(z + s[0])} : S1{Tensor<double>::ones({3, 3})};
        });
    }
    SUBCASE("h and c in the same buffer") {
        check_by_hand<2>([](const V& z, const S2& s, const C&) {
            const V c = tanh(z + s[1]);
            return S2{c, c};
        });
    }
    SUBCASE("h and c in the output buffer") {
        check_by_hand<2>([](const V& z, const S2& s, const C& context) {
            const V c = fuse_into(
                context.h, "c", [](auto z, auto c) { return tanh(z + c); }, z, s[1]);
            return S2{c, c};
        });
    }
    SUBCASE("views of one wider result") {
        check_by_hand<2>(
            [](const V& z, const S2& s, const C&) {
                const V all = tanh(z + concatenate({s[1], s[0]}, -1));
                return S2{block(all, 1, 2), block(all, 0, 2)};
            },
            2);
    }
    SUBCASE("a transposed view") {
        check_by_hand<1>([](const V& z, const S1& s, const C&) {
            return S1{transpose(tanh(transpose(z + s[0])))};
        });
    }
    SUBCASE("a broadcast view") {
        check_by_hand<1>([](const V& z, const S1& s, const C&) {
            return S1{broadcast_to(sum(z * tanh(s[0] + 1), {-1}, true), {3, 3})};
        });
    }
    SUBCASE("a value that does not depend on the state") {
        check_by_hand<1>([](const V& z, const S1&, const C&) { return S1{sin(z)}; });
    }
}

TEST_CASE("storing a different h than is returned is an error") {
    using S1 = nn::State<double, 1>;
    using C = nn::StepContext<double>;
    const auto x = random_tensor({4, 3, 2});
    const auto stored = [](const V& z, const C& context) {
        return fuse_into(
            context.h, "h", [](auto z) { return tanh(z); }, z);
    };
    const std::vector<AnyStep<1>> steps{
        [&](const V& z, const S1&, const C& context) { return S1{stored(z, context) * 2}; },
        [&](const V& z, const S1& s, const C& context) {
            stored(z, context);
            return s;
        }};
    for (const auto& step : steps) {
        const auto net = any<1>(step);
        const auto refused = [&] { return error_of([&] { net(x); }); };
        CHECK(contains(refused(), "AnyCell: step stored a value in StepContext::h but returned"));
        const Tape<double> tape;
        CHECK(contains(refused(), "AnyCell: step stored a value in StepContext::h but returned"));
    }
    const auto detached = any<1>(
        [&](const V& z, const S1&, const C& context) { return S1{detach(stored(z, context))}; });
    const Tape<double> tape;
    CHECK(contains(error_of([&] { detached(x); }), "step stored a value in StepContext::h"));
}

namespace {

// Carries a memory and a clock beside h.
template <bool is_named>
struct ThreeStates {
    ThreeStates(std::size_t, std::size_t) {}
    V project(const V& x) const { return x; }
    nn::State<double, 3> step(const V& z, const nn::State<double, 3>& s) const {
        return {tanh(z + s[1]), 0.5 * s[1] + z, is_wrong ? sum(s[2]) : s[2] + z};
    }
    bool is_wrong = false;
};
struct Named : ThreeStates<true> {
    using ThreeStates::ThreeStates;
    static constexpr std::array<const char*, 3> state_names{"h", "memory", "clock"};
};
std::vector<std::string> names_on(const Tape<double>& tape) {
    std::vector<std::string> all;
    for (const auto& [id, name] : tape.names()) all.emplace_back(name);
    return all;
}

} // namespace

TEST_CASE("a cell's states have names, for tapes and errors") {
    using Names = std::vector<std::string>;
    const auto x = random_tensor({2, 1, 3});
    const auto names = [&](const auto& net) {
        Tape<double> tape;
        net(tape.variable(x));
        Names all = names_on(tape);
        CHECK(all.size() % 2 == 0); // of two steps
        CHECK(Names(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2)) ==
              Names(all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2), all.end()));
        all.resize(all.size() / 2);
        return all;
    };
    CHECK(names(nn::Recurrent<Named>({.input = 3, .hidden = 3})) == Names{"h", "memory", "clock"});
    CHECK(names(nn::Recurrent<ThreeStates<false>>({.input = 3, .hidden = 3})) ==
          Names{"h", "state 1", "state 2"});
    CHECK(names(nn::Recurrent<PlainLstm<double>>({.input = 3, .hidden = 3})) == Names{"h", "c"});
    CHECK(names(nn::Recurrent<PlainRnn>({.input = 3, .hidden = 3})) == Names{"h"});

    nn::Recurrent<Named> net({.input = 3, .hidden = 3});
    const V right = random_tensor({1, 1, 3}), wrong = random_tensor({1, 4, 3});
    CHECK(contains(error_of([&] {
                       net(x, {right, wrong, right});
                   }),
                   "the state memory has shape [1, 4, 3], expected [1, 1, 3]"));
    net.cells()[0].is_wrong = true;
    CHECK(contains(error_of([&] { net(x); }), "Named: step returned clock of shape []"));
}

TEST_CASE("wrong shapes name the cell, the function, and what was expected") {
    using S1 = nn::State<double, 1>;
    using S2 = nn::State<double, 2>;
    using C = nn::StepContext<double>;
    const auto x = random_tensor({4, 3, 2});
    const auto of_h = any<1>([](const V& z, const S1&, const C&) { return S1{slice(z, 1, 0, 2)}; });
    CHECK(contains(error_of([&] { of_h(x); }),
                   "AnyCell: step returned h of shape [3, 2], expected [3, 3]"));
    const auto of_c = any<2>([](const V& z, const S2& s, const C&) {
        return S2{s[0], concatenate({z, z}, -1)};
    });
    CHECK(contains(error_of([&] { of_c(x); }),
                   "AnyCell: step returned c of shape [3, 6], expected [3, 3]"));
    const auto one_row =
        any<1>([](const V& z, const S1&, const C&) { return S1{sum(z, {0}, true)}; });
    CHECK(contains(error_of([&] { one_row(x); }), "h of shape [1, 3], expected [3, 3]"));
    const auto nothing = any<1>([](const V&, const S1&, const C&) { return S1(); });
    CHECK(contains(error_of([&] { nothing(x); }),
                   "AnyCell: step returned no h: it must return all 1 states"));
    const auto padded = [&] { of_c(x, {}, Lengths{1, 2, 3}); };
    CHECK(contains(error_of(padded), "c of shape [3, 6], expected [3, 3]"));

    struct Flat {
        Flat(std::size_t, std::size_t) {}
        V project(const V& x) const { return reshape(x, {-1, 2}); }
        V step(const V& z, const V&) const { return z; }
    };
    const nn::Recurrent<Flat> flat({.input = 2, .hidden = 2});
    CHECK(contains(error_of([&] { flat(x); }),
                   "Flat: project returned shape [12, 2], expected [4, 3, ...]"));
    CHECK(contains(
        error_of([] { nn::Recurrent<PlainRnn>({.input = 1, .hidden = 1, .weight_dropout = 0.5}); }),
        "PlainRnn: weight_dropout needs a cell with a recurrent weight matrix"));
}

TEST_CASE("cells without weights, and in float") {
    nn::Recurrent<Running> sums({.input = 2, .hidden = 2, .bidirectional = true});
    CHECK(parameters(sums).empty());
    const auto y = sums(Tensor<double>::ones({3, 1, 2})).output.value();
    CHECK(y(2, 0, 0) == 3);
    CHECK(y(2, 0, 2) == 1);
    nn::Recurrent<PlainLstm<float>> net({.input = 2, .hidden = 3});
    nn::Lstm<float> lstm({.input = 2, .hidden = 3});
    copy_weights(lstm.cells()[0], net.cells()[0]);
    const auto x = random_tensor<float>({5, 2, 2});
    CHECK(distance(net(x).output.value(), lstm(x).output.value()) < 1e-6);
}

TEST_CASE("top-down trees accept such cells") {
    const nn::TreeBatch batch(random_trees(1, 3));
    nn::Downward<nn::LstmCell<double>> built(2, 3);
    nn::Downward<PlainLstm<double>> plain(2, 3);
    copy_weights(built.cell(), plain.cell());
    const auto x = random_tensor({batch.size(), 2});
    CHECK(distance(plain(batch, x).value(), built(batch, x).value()) < 1e-13);
    for (const int order : {1, 2}) {
        const auto report = gradcheck([&](const auto& in) { return sum(sin(plain(batch, in[0]))); },
                                      {x}, parameters(plain), {.order = order});
        INFO(report.text());
        CHECK(report.passed());
    }
}

TEST_CASE("a state of an earlier tape must be detached") {
    nn::Lstm<double> lstm({.input = 2, .hidden = 3, .layers = 2});
    nn::Recurrent<PlainRnn> plain({.input = 2, .hidden = 3});
    const auto x = random_tensor({4, 3, 2});
    const auto refused = [&](const auto& net, const auto& state) {
        return error_of([&] {
            Tape<double> tape;
            tape.backward(sum(net(x, state).output));
        });
    };
    const auto check = [&](const auto& net) {
        typename std::remove_cvref_t<decltype(net)>::States state, cleared;
        {
            Tape<double> tape;
            state = net(x).state;
            CHECK(contains(refused(net, state), "detach()")); // of a live tape
            tape.backward(sum(state[0]));
            const auto used_up = error_of([&] { tape.backward(sum(net(x, state).output)); });
            CHECK(contains(used_up, "detach()"));
            tape.clear();
            CHECK(contains(refused(net, state), "detach()"));
        }
        CHECK(contains(refused(net, state), "detach()"));
        CHECK(contains(error_of([&] { net(x, state); }), "detach()")); // without a tape
        CHECK(refused(net, detach(state)).empty());
        CHECK(refused(net, nn::detach(state)).empty());
    };
    check(lstm);
    check(plain);
    Tape<double> tape;
    const V y = tape.variable(x);
    CHECK(!detach(y).is_recorded());
    CHECK(detach(y).value() == x);
    CHECK(detach(V()).body() == nullptr);
    CHECK(!detach(std::vector<V>{y, y})[1].is_recorded());
}

TEST_CASE("values computed from parameters without a tape cannot be trained on") {
    nn::Lstm<double> lstm({.input = 2, .hidden = 3});
    const auto result = lstm(random_tensor({4, 3, 2}));
    Tape<double> tape;
    const auto message = "computed from a parameter while no tape was recording";
    CHECK(contains(error_of([&] { tape.backward(sum(result.output)); }), message));
    CHECK(contains(error_of([&] { tape.backward(sum(result.state[1])); }), message));
    CHECK(error_of([&] { tape.backward(sum(detach(result.output))); }).empty());
}

TEST_CASE("a decoder accepts such cells") {
    using Model =
        nn::EncoderDecoder<PlainLstm<double>, PlainProjected, nn::AdditiveAttention<double>>;
    for (const auto attend :
         {Model::Writer::Options::Attend::before, Model::Writer::Options::Attend::after}) {
        Model::Options options;
        options.encoder = {.input = 3, .hidden = 2, .bidirectional = true};
        options.decoder.vocabulary = 3;
        options.decoder.width = 2;
        options.decoder.hidden = 3;
        options.decoder.layers = 2;
        options.decoder.attend = attend;
        options.decoder.cell.projection = 2;
        options.decoder.attention.width = 2;
        Model model(options);
        const Indices targets({3, 2}, {1, 2, 0, 2, -1, 1});
        for (const int order : {1, 2}) {
            const auto report = gradcheck(
                [&](const auto& in) {
                    return sum(sin(model(in[0], targets, Lengths{4, 2}).logits));
                },
                {random_tensor({4, 2, 3})}, parameters(model), {.order = order});
            CAPTURE(order);
            INFO(report.text());
            CHECK(report.passed());
        }
    }
}

TEST_CASE("nested tapes") {
    struct Scaled {
        struct Options {
            V scale = V(1.0);
        };
        Scaled(std::size_t, std::size_t, Options o) : scale(o.scale) {}
        V project(const V& x) const { return x; }
        V step(const V& z, const V& h) const { return z * scale + h; }
        V scale;
    };
    const auto x = random_tensor({4, 3, 2});
    Tape<double> outer;
    const V scale = outer.variable(Tensor<double>::scalar(2)),
            first = outer.variable(random_tensor({1, 3, 2}, 2));
    const nn::Recurrent<Scaled> plain({.input = 2, .hidden = 2}),
        of_outer({.input = 2, .hidden = 2, .cell = {.scale = scale}});
    const Tape<double> inner;
    // Steps on a state of the outer tape are recorded there.
    const auto result = plain(x, {first});
    outer.backward(sum(result.output));
    CHECK(outer.gradient(first) == Tensor<double>::full({1, 3, 2}, 4));
    // A tape that only the step uses is found too late.
    CHECK(contains(error_of([&] { of_outer(x); }),
                   "recorded on another tape than the buffer for the result"));
}
