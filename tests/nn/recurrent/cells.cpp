// Cells as users write them: project and step, of plain operations.

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
V weighed(const typename Net::Result& result) {
    V total = sum(sin(result.output * 3));
    for (const auto& s : result.state) total = total + sum(square(s + 0.5));
    return total;
}

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

template <class Net>
void check_gradients(Net& net, const Tensor<double>& x, const Lengths& lengths, int order) {
    const auto report =
        gradcheck([&](const auto& in) { return weighed<Net>(net(in[0], {}, lengths)); }, {x},
                  parameters(net), {.order = order, .full = 20});
    CAPTURE(order);
    INFO(report.text());
    CHECK((report.passed() || report.zero_everywhere()));
}

// The same numbers from a built-in cell and a plain one, in one situation.
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
    const auto others = [](auto& net) { // highways and first states
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
    if (element_count(shape) == 0) return;
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
        compare<Built, Plain>(with(o), shape);
        compare<Built, Plain>(with(o), shape, lengths);
        o.bidirectional = true;
        compare<Built, Plain>(with(o), shape, lengths, !o.learned_state);
    };
    all("plain", {}, shape);
    all("layers", {.layers = 2}, shape);
    all("dropout", {.layers = 2, .dropout = 0.4}, shape);
    all("locked dropout", {.input_dropout = 0.3, .output_dropout = 0.3}, shape);
    all("zoneout", {.zoneout = 0.3}, shape);
    all("all zoned out", {.zoneout = 1}, shape);
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

// A cell whose step is a lambda: the new state from z and the old one, all of width `hidden`.
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

// Outputs by running the step by hand, without a layer.
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

TEST_CASE("a cell of project and step alone is the built-in one: Rnn") {
    compare_all<nn::RnnCell<double>, PlainRnn>();
}
TEST_CASE("a cell of project and step alone is the built-in one: Lstm") {
    compare_all<nn::LstmCell<double>, PlainLstm<double>>();
}
TEST_CASE("a cell of project and step alone is the built-in one: h narrower than c") {
    compare_all<nn::LstmCell<double>, PlainProjected>({.projection = 2});
}

TEST_CASE("a step may return whatever has the right shape") {
    using S1 = nn::State<double, 1>;
    using S2 = nn::State<double, 2>;
    using C = nn::StepContext<double>;
    SUBCASE("the old state") {
        check_by_hand<1>([](const V&, const S1& s, const C&) { return s; });
    }
    SUBCASE("the old state's other part") {
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
    SUBCASE("h and c in one memory") {
        check_by_hand<2>([](const V& z, const S2& s, const C&) {
            const V c = tanh(z + s[1]);
            return S2{c, c};
        });
    }
    SUBCASE("h and c in one memory, which is the output's") {
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
    SUBCASE("what does not depend on the state") {
        check_by_hand<1>([](const V& z, const S1&, const C&) { return S1{sin(z)}; });
    }
}

TEST_CASE("a step that stores one thing and returns another is refused") {
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
        CHECK(contains(refused(), "AnyCell: step stored something in StepContext::h and returned"));
        const Tape<double> tape;
        CHECK(contains(refused(), "AnyCell: step stored something in StepContext::h and returned"));
    }
    const auto detached = any<1>(
        [&](const V& z, const S1&, const C& context) { return S1{detach(stored(z, context))}; });
    const Tape<double> tape;
    CHECK(contains(error_of([&] { detached(x); }), "step stored something in StepContext::h"));
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
                   "AnyCell: step returned state 1 of shape [3, 6], expected [3, 3]"));
    const auto one_row =
        any<1>([](const V& z, const S1&, const C&) { return S1{sum(z, {0}, true)}; });
    CHECK(contains(error_of([&] { one_row(x); }), "h of shape [1, 3], expected [3, 3]"));
    const auto nothing = any<1>([](const V&, const S1&, const C&) { return S1(); });
    CHECK(contains(error_of([&] { nothing(x); }), "step returned h of shape nothing"));
    const auto padded = [&] { of_c(x, {}, Lengths{1, 2, 3}); };
    CHECK(contains(error_of(padded), "state 1 of shape [3, 6], expected [3, 3]"));

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
        "PlainRnn: weight_dropout and state_dropout need a cell derived from CellParameters"));
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

TEST_CASE("long inputs are projected in pieces") {
    nn::Lstm<double> lstm({.input = 2, .hidden = 64});
    nn::Recurrent<PlainLstm<double>> net({.input = 2, .hidden = 64});
    copy_weights(lstm.cells()[0], net.cells()[0]);
    const auto x = random_tensor({40, 64, 2});
    CHECK(distance(net(x).output.value(), lstm(x).output.value()) < 1e-12);
}

TEST_CASE("downward trees take such cells, too") {
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
        CHECK((report.passed() || report.zero_everywhere()));
    }
}

TEST_CASE("a state that is carried on must be detached") {
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
            CHECK(contains(refused(net, state), "detach()")); // of a tape that lives
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

TEST_CASE("what a layer computes of parameters without a tape cannot be trained on") {
    nn::Lstm<double> lstm({.input = 2, .hidden = 3});
    const auto result = lstm(random_tensor({4, 3, 2}));
    Tape<double> tape;
    const auto message = "computed from a parameter while no tape was recording";
    CHECK(contains(error_of([&] { tape.backward(sum(result.output)); }), message));
    CHECK(contains(error_of([&] { tape.backward(sum(result.state[1])); }), message));
    CHECK(error_of([&] { tape.backward(sum(detach(result.output))); }).empty());
}

TEST_CASE("a decoder takes such cells, too") {
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
            CHECK((report.passed() || report.zero_everywhere()));
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
    // What only a step knows of comes too late.
    CHECK(contains(error_of([&] { of_outer(x); }),
                   "recorded on another tape than the buffer for the result"));
}
