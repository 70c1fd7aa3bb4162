#include "support.hpp"

#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/nn/recurrent/rnn.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/reduce.hpp>

using namespace test;

namespace {

template <class Net>
void fill(Net& net, const SafetensorsFile& file, const std::string& prefix) {
    using T = typename Net::value_type;
    for (auto& entry : parameters(net))
        entry.set(file.get<T>(prefix + entry.path, Narrowing::allow));
}

// Compares outputs, final states and all gradients with PyTorch's.
template <class Cell>
void compare(const std::string& name, const std::string& what, nn::RecurrentOptions<Cell> options,
             double tolerance) {
    using T = typename Cell::value_type;
    CAPTURE(name);
    CAPTURE(what);
    const auto file = golden(name);
    const std::string prefix = what + ".";
    const auto get = [&](const std::string& key) {
        return file.get<T>(prefix + key, Narrowing::allow);
    };
    options.input = 3;
    options.hidden = 4;
    nn::Recurrent<Cell> net(options);
    fill(net, file, prefix);

    Tape<T> tape;
    const auto x = tape.variable(get("x"));
    typename nn::Recurrent<Cell>::States initial;
    const char* const names[] = {"h", "c"};
    const bool given = file.contains(prefix + "initial.h");
    for (std::size_t s = 0; given && s < initial.size(); ++s)
        initial[s] = tape.variable(get(std::string("initial.") + names[s]));
    std::vector<std::size_t> lengths;
    if (file.contains(prefix + "lengths"))
        for (const auto n : file.template get<std::int64_t>(prefix + "lengths").to_vector())
            lengths.push_back(static_cast<std::size_t>(n));

    const auto result = net(x, initial, lengths);
    CHECK(distance(result.output.value(), get("output")) < tolerance);
    Variable<T> loss = sum(result.output * get("seed.output"));
    for (std::size_t s = 0; s < initial.size(); ++s) {
        CHECK(distance(result.state[s].value(), get(std::string("final.") + names[s])) < tolerance);
        loss = loss + sum(result.state[s] * get(std::string("seed.") + names[s]));
    }
    tape.backward(loss);
    CHECK(distance(tape.gradient(x), get("grad.x")) < tolerance);
    for (std::size_t s = 0; given && s < initial.size(); ++s)
        CHECK(distance(tape.gradient(initial[s]), get(std::string("grad.initial.") + names[s])) <
              tolerance);
    for (auto& entry : parameters(net)) {
        CAPTURE(entry.path);
        CHECK(distance(entry.gradient(), get("grad." + entry.path)) < tolerance);
    }
}

template <class Cell>
void compare_all(const std::string& name, typename Cell::Options cell = {}) {
    const double tolerance = std::is_same_v<typename Cell::value_type, float> ? 1e-5 : 1e-10;
    compare<Cell>(name, "plain", {.cell = cell}, tolerance);
    compare<Cell>(name, "stacked", {.layers = 2, .cell = cell}, tolerance);
    compare<Cell>(name, "bidirectional", {.bidirectional = true, .cell = cell}, tolerance);
    compare<Cell>(name, "deep", {.layers = 2, .bidirectional = true, .cell = cell}, tolerance);
    compare<Cell>(name, "lengths", {.layers = 2, .bidirectional = true, .cell = cell}, tolerance);
    compare<Cell>(name, "state", {.cell = cell}, tolerance);
}

double sigma(double x) { return 1 / (1 + std::exp(-x)); }

// One GRU step as plain loops: W [3H, I], U [3H, H], gates r, z, n.
std::vector<double> gru_by_hand(const nn::GruCell<double>& cell, const std::vector<double>& x,
                                const std::vector<double>& h) {
    const std::size_t H = cell.hidden, I = cell.input;
    const auto row = [](const Tensor<double>& w, std::size_t i, const std::vector<double>& v) {
        double sum = 0;
        for (std::size_t k = 0; k < v.size(); ++k) sum += w(i, k) * v[k];
        return sum;
    };
    const auto& W = cell.weight_ih.value();
    const auto& U = cell.weight_hh.value();
    const auto& b = cell.bias_ih.value();
    const auto& c = cell.bias_hh.value();
    static_cast<void>(I);
    std::vector<double> r(H), rh(H), next(H);
    for (std::size_t i = 0; i < H; ++i) {
        r[i] = sigma(row(W, i, x) + b(i) + row(U, i, h) + c(i));
        rh[i] = r[i] * h[i];
    }
    using Reset = nn::GruOptions::Reset;
    for (std::size_t i = 0; i < H; ++i) {
        const double z = sigma(row(W, H + i, x) + b(H + i) + row(U, H + i, h) + c(H + i));
        const std::size_t k = 2 * H + i;
        double inner = row(U, k, h) + c(k);
        if (cell.options.reset == Reset::after) inner *= r[i];
        if (cell.options.reset == Reset::before) inner = row(U, k, rh) + c(k);
        const double n = std::tanh(row(W, k, x) + b(k) + inner);
        const bool keeps = cell.options.update == nn::GruOptions::Update::keeps_old;
        next[i] = keeps ? z * h[i] + (1 - z) * n : (1 - z) * h[i] + z * n;
    }
    return next;
}

} // namespace

TEST_CASE("recurrent layers equal PyTorch's") {
    compare_all<nn::RnnCell<double>>("rnn");
    compare_all<nn::RnnCell<double>>("rnn_relu", {.relu = true});
    compare_all<nn::LstmCell<double>>("lstm");
    compare_all<nn::GruCell<double>>("gru");
    compare_all<nn::RnnCell<float>>("rnn");
    compare_all<nn::RnnCell<float>>("rnn_relu", {.relu = true});
    compare_all<nn::LstmCell<float>>("lstm");
    compare_all<nn::GruCell<float>>("gru");
}

TEST_CASE("every variant of the GRU equals its formula") {
    using Options = nn::GruOptions;
    for (const auto reset : {Options::Reset::after, Options::Reset::before, Options::Reset::none})
        for (const auto update : {Options::Update::keeps_old, Options::Update::lets_new}) {
            nn::Gru<double> gru({.input = 3, .hidden = 4, .cell = {reset, update}});
            const auto x = random_tensor({5, 1, 3});
            const auto output = gru(x).output.value();
            std::vector<double> h(4, 0.0);
            for (std::size_t t = 0; t < 5; ++t) {
                h = gru_by_hand(gru.cells()[0], x.select(0, t).to_vector(), h);
                for (std::size_t i = 0; i < 4; ++i)
                    CHECK(output(t, 0, i) == doctest::Approx(h[i]).epsilon(1e-12));
            }
        }
}

TEST_CASE_TEMPLATE("every cell passes the gradient check", Cell, nn::RnnCell<double>,
                   nn::LstmCell<double>, nn::GruCell<double>) {
    const std::vector<std::size_t> lengths{4, 0, 2};
    for (const bool bidirectional : {false, true})
        for (const bool padded : {false, true}) {
            nn::Recurrent<Cell> net({.input = 2,
                                     .hidden = 3,
                                     .layers = 2,
                                     .dropout = 0.3,
                                     .bidirectional = bidirectional});
            for (const int order : {1, 2}) {
                const auto report = gradcheck(
                    [&](const std::vector<Variable<double>>& in) {
                        const auto result =
                            net(in[0], {},
                                padded ? std::span(lengths) : std::span<const std::size_t>());
                        return sum(result.output * result.output) + sum(result.state[0]);
                    },
                    {random_tensor({4, 3, 2})}, parameters(net), {.order = order, .full = 100});
                CAPTURE(order);
                INFO(report.text());
                CHECK(report.passed());
            }
        }
}

TEST_CASE("the three GRU variants pass the gradient check") {
    for (const auto reset : {nn::GruOptions::Reset::before, nn::GruOptions::Reset::none}) {
        nn::Gru<double> net({.input = 2, .hidden = 3, .cell = {.reset = reset}});
        const auto report =
            gradcheck([&](const std::vector<Variable<double>>& in) { return net(in[0]).output; },
                      {random_tensor({4, 3, 2})}, parameters(net));
        INFO(report.text());
        CHECK(report.passed());
    }
}

TEST_CASE("carrying the state equals one long run, and padding has no effect") {
    nn::Lstm<double> lstm({.input = 2, .hidden = 3, .layers = 2});
    const auto x = random_tensor({6, 2, 2});
    const auto whole = lstm(x);
    const auto first = lstm(x.slice(0, 0, 4));
    const auto second = lstm(x.slice(0, 4, 6), nn::detach(first.state));
    CHECK(distance(second.output.value(), whole.output.value().slice(0, 4, 6)) < 1e-14);
    CHECK(distance(second.state[1].value(), whole.state[1].value()) < 1e-14);

    const std::vector<std::size_t> lengths{4, 4};
    const auto padded = lstm(x, {}, lengths);
    CHECK(distance(padded.output.value().slice(0, 0, 4), first.output.value()) == 0);
    CHECK(distance(padded.state[0].value(), first.state[0].value()) == 0);
    for (const double v : padded.output.value().slice(0, 4, 6).to_vector()) CHECK(v == 0);
}

TEST_CASE("edges of recurrent layers") {
    nn::Lstm<double> lstm({.input = 2, .hidden = 1});
    SUBCASE("no steps") {
        const auto result = lstm(random_tensor({0, 3, 2}));
        CHECK(result.output.shape() == Shape{0, 3, 1});
        CHECK(result.state[0].value() == Tensor<double>::zeros({1, 3, 1}));
    }
    SUBCASE("no sequences") {
        CHECK(lstm(random_tensor({4, 0, 2})).output.shape() == Shape{4, 0, 1});
    }
    SUBCASE("errors name what was expected") {
        CHECK(contains(error_of([&] {
                           lstm(random_tensor({4, 3, 5}));
                       }),
                       "Lstm: x has shape [4, 3, 5], expected [T, B, 2]"));
        const std::vector<std::size_t> lengths{1, 9};
        CHECK(contains(error_of([&] {
                           lstm(random_tensor({4, 2, 2}), {}, lengths);
                       }),
                       "length 9 of sequence 1 is more than the 4 steps"));
        CHECK(contains(error_of([&] {
                           lstm(random_tensor({4, 2, 2}),
                                {random_tensor({1, 5, 1}), random_tensor({1, 2, 1})});
                       }),
                       "the state h has shape [1, 5, 1], expected [1, 2, 1]"));
        CHECK(
            contains(error_of([] { nn::Lstm<double>({.input = 0, .hidden = 1}); }), "at least 1"));
        CHECK(contains(error_of([] { nn::Lstm<double>({.input = 1, .hidden = 1, .layers = 0}); }),
                       "layers must be at least 1"));
    }
    SUBCASE("a hundred thousand steps") {
        nn::Rnn<double> rnn({.input = 1, .hidden = 1});
        Tape<double> tape;
        const auto x = tape.variable(Tensor<double>::ones({100000, 1, 1}));
        tape.backward(sum(rnn(x).output));
        CHECK(std::isfinite(tape.gradient(x)(99999, 0, 0)));
    }
}

TEST_CASE("merging directions") {
    for (const auto merge : {nn::Merge::add, nn::Merge::average, nn::Merge::multiply}) {
        nn::Gru<double> gru({.input = 2, .hidden = 3, .bidirectional = true, .merge = merge});
        nn::Gru<double> both({.input = 2, .hidden = 3, .bidirectional = true});
        for (std::size_t i = 0; i < 2; ++i) both.cells()[i] = gru.cells()[i];
        const auto x = random_tensor({3, 2, 2});
        const auto merged = gru(x).output.value();
        const auto pair = both(x).output.value();
        CHECK(merged.shape() == Shape{3, 2, 3});
        const double a = pair(1, 1, 2), b = pair(1, 1, 5);
        const double expected = merge == nn::Merge::add       ? a + b
                                : merge == nn::Merge::average ? (a + b) / 2
                                                              : a * b;
        CHECK(merged(1, 1, 2) == doctest::Approx(expected));
    }
}

TEST_CASE("a warm training step allocates nothing and saves only what its rules list") {
    nn::Lstm<float> lstm({.input = 8, .hidden = 16});
    Tape<float> tape;
    const auto x = random_tensor<float>({20, 4, 8});
    const auto seed = Tensor<float>::ones({20, 4, 16});
    const auto step = [&] {
        tape.clear();
        for (const auto& p : parameters(lstm)) p.clear_gradient();
        const auto out = lstm(tape.variable(x)).output;
        tape.backward(out, seed);
    };
    for (int i = 0; i < 3; ++i) step();
    const auto before = memory_use().system_allocations;
    step();
#if !defined(__SANITIZE_ADDRESS__)
    CHECK(memory_use().system_allocations == before);
#else
    static_cast<void>(before);
#endif
}

TEST_CASE("a state is given as a whole") {
    const nn::Lstm<float> lstm({.input = 2, .hidden = 3});
    const Variable<float> x = Tensor<float>::ones({4, 1, 2}), h = Tensor<float>::ones({1, 1, 3});
    CHECK(contains(error_of([&] { lstm(x, {h}); }),
                   "Lstm: the state has no c; expected {h, c}, or none of them"));
    CHECK(contains(error_of([&] { lstm(x, {Variable<float>(), h}); }), "the state has no h"));
    CHECK(error_of([&] { lstm(x, {h, Tensor<float>::zeros({1, 1, 3})}); }) == "");
    CHECK(error_of([&] { lstm(x, {}); }) == "");
}

TEST_CASE("learned states have the names of the cell's states") {
    nn::Lstm<float> lstm({.input = 2, .hidden = 3, .learned_state = true});
    const auto all = parameters(lstm);
    CHECK(all[all.size() - 2].path == "h0");
    CHECK(all.back().path == "c0");
}
