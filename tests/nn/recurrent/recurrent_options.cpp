#include "support.hpp"

#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/nn/recurrent/rnn.hpp>
#include <unroll/ops/reduce.hpp>

#include <functional>

using namespace test;

namespace {

using Row = std::vector<double>;

double sigma(double x) { return 1 / (1 + std::exp(-x)); }

Row product(const Tensor<double>& w, const Row& x) {
    Row y(w.shape(0), 0.0);
    for (std::size_t i = 0; i < y.size(); ++i)
        for (std::size_t k = 0; k < x.size(); ++k) y[i] += w(i, k) * x[k];
    return y;
}

Row normalised(const Row& x, const nn::LayerNorm<double>& norm) {
    double mean = 0, variance = 0;
    for (const double v : x) mean += v / static_cast<double>(x.size());
    for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
    Row y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
        y[i] = (x[i] - mean) / std::sqrt(variance + norm.epsilon) * norm.weight.value()(i) +
               norm.bias.value()(i);
    return y;
}

// W_ih x + b_ih + b_hh + W_hh h, optionally with layer normalisation of both products.
Row sums(const nn::CellParameters<double>& cell, const Row& x, const Row& h) {
    Row a = product(cell.weight_ih.value(), x), b = product(cell.weight_hh.value(), h);
    if (cell.norm_ih) {
        a = normalised(a, *cell.norm_ih);
        b = normalised(b, *cell.norm_hh);
    }
    for (std::size_t i = 0; i < a.size(); ++i)
        a[i] += b[i] + cell.bias_ih.value()(i) + cell.bias_hh.value()(i);
    return a;
}

// One step of every variant of the LSTM, as in the papers.
void lstm_by_hand(const nn::LstmCell<double>& cell, const Row& x, Row& h, Row& c) {
    const auto& o = cell.options;
    const std::size_t H = cell.hidden, first = o.coupled_gates ? 0 : H;
    const Row a = sums(cell, x, h);
    const auto peephole = [&](std::size_t row, std::size_t j) {
        return o.peephole ? cell.peephole.value()(o.coupled_gates ? row - 1 : row, j) : 0.0;
    };
    Row next(H), out(H);
    for (std::size_t j = 0; j < H; ++j) {
        const double f = sigma(a[first + j] + peephole(1, j) * c[j]);
        const double i = o.coupled_gates ? 1 - f : sigma(a[j] + peephole(0, j) * c[j]);
        next[j] = f * c[j] + i * std::tanh(a[first + H + j]);
    }
    const Row seen = cell.norm_c ? normalised(next, *cell.norm_c) : next;
    for (std::size_t j = 0; j < H; ++j)
        out[j] = sigma(a[first + 2 * H + j] + peephole(2, j) * next[j]) * std::tanh(seen[j]);
    h = o.projection > 0 ? product(cell.weight_hr.value(), out) : out;
    c = next;
}

// Normalisations initially have gains of 1 and biases of 0, which would hide errors.
template <class Net>
void shake(Net& net) {
    std::uint64_t seed = 40;
    for (auto& entry : parameters(net)) {
        auto& value = entry.change();
        const auto noise = random_tensor(value.shape(), ++seed, 0.3);
        for (std::size_t k = 0; k < value.size(); ++k) value.data()[k] += noise.data()[k];
    }
}

template <class Net>
void check_gradients(Net& net, std::size_t input, std::span<const std::size_t> lengths = {}) {
    for (const int order : {1, 2}) {
        const auto report = gradcheck(
            [&](const std::vector<Variable<double>>& x) {
                const auto result = net(x[0], {}, lengths);
                return sum(result.output * result.output) + sum(result.state.back());
            },
            {random_tensor({4, 3, input})}, parameters(net), {.order = order, .full = 100});
        CAPTURE(order);
        INFO(report.text());
        CHECK(report.passed());
    }
}

} // namespace

TEST_CASE("every variant of the LSTM equals its formula and passes the gradient check") {
    for (int form = 0; form < 16; ++form) {
        const nn::LstmOptions options{.peephole = (form & 1) != 0,
                                      .coupled_gates = (form & 2) != 0,
                                      .layer_norm = (form & 4) != 0,
                                      .projection = (form & 8) != 0 ? 2u : 0u};
        CAPTURE(form);
        nn::Lstm<double> lstm({.input = 3, .hidden = 4, .cell = options});
        shake(lstm);
        const auto x = random_tensor({5, 1, 3});
        const auto result = lstm(x);
        Row h(lstm.widths()[0], 0.0), c(4, 0.0);
        for (std::size_t t = 0; t < 5; ++t) {
            lstm_by_hand(lstm.cells()[0], x.select(0, t).to_vector(), h, c);
            for (std::size_t j = 0; j < h.size(); ++j)
                CHECK(result.output.value()(t, 0, j) == doctest::Approx(h[j]).epsilon(1e-12));
        }
        CHECK(result.state[1].shape() == Shape{1, 1, 4});
        check_gradients(lstm, 3);
    }
}

TEST_CASE("layer normalisation in RNN and GRU equals its formula") {
    nn::Rnn<double> rnn({.input = 3, .hidden = 4, .cell = {.layer_norm = true}});
    nn::Gru<double> gru({.input = 3, .hidden = 4, .cell = {.layer_norm = true}});
    shake(rnn);
    shake(gru);
    const auto x = random_tensor({5, 1, 3});
    const auto of_rnn = rnn(x).output.value(), of_gru = gru(x).output.value();
    Row h(4, 0.0), g(4, 0.0);
    for (std::size_t t = 0; t < 5; ++t) {
        const Row in = x.select(0, t).to_vector();
        const Row a = sums(rnn.cells()[0], in, h);
        for (std::size_t j = 0; j < 4; ++j) h[j] = std::tanh(a[j]);
        const auto& cell = gru.cells()[0];
        const Row wx = normalised(product(cell.weight_ih.value(), in), *cell.norm_ih);
        const Row uh = normalised(product(cell.weight_hh.value(), g), *cell.norm_hh);
        const auto part = [&](const Row& v, const Parameter<double>& bias, std::size_t i) {
            return v[i] + bias.value()(i);
        };
        for (std::size_t j = 0; j < 4; ++j) {
            const auto input = [&](std::size_t k) { return part(wx, cell.bias_ih, k * 4 + j); };
            const auto state = [&](std::size_t k) { return part(uh, cell.bias_hh, k * 4 + j); };
            const double r = sigma(input(0) + state(0)), z = sigma(input(1) + state(1));
            g[j] = z * g[j] + (1 - z) * std::tanh(input(2) + r * state(2));
        }
        for (std::size_t j = 0; j < 4; ++j) {
            CHECK(of_rnn(t, 0, j) == doctest::Approx(h[j]).epsilon(1e-12));
            CHECK(of_gru(t, 0, j) == doctest::Approx(g[j]).epsilon(1e-12));
        }
    }
    check_gradients(rnn, 3);
    check_gradients(gru, 3);
    CHECK(contains(error_of([] {
                       nn::Gru<double>(
                           {.input = 1,
                            .hidden = 1,
                            .cell = {.reset = nn::GruOptions::Reset::before, .layer_norm = true}});
                   }),
                   "Reset::after or none"));
}

TEST_CASE_TEMPLATE("gradients with regularisation, learned states and connections", Cell,
                   nn::RnnCell<double>, nn::LstmCell<double>, nn::GruCell<double>) {
    const std::vector<std::size_t> lengths{4, 0, 2};
    for (const auto connection : {nn::Connection::residual, nn::Connection::highway}) {
        nn::Recurrent<Cell> net({.input = 4,
                                 .hidden = 2,
                                 .layers = 2,
                                 .bidirectional = true,
                                 .input_dropout = 0.2,
                                 .state_dropout = 0.3,
                                 .output_dropout = 0.2,
                                 .weight_dropout = 0.3,
                                 .zoneout = 0.3,
                                 .learned_state = true,
                                 .connection = connection});
        shake(net);
        check_gradients(net, 4, lengths);
    }
}

TEST_CASE("variational dropout uses the same mask in every step") {
    nn::Lstm<double> lstm({.input = 3, .hidden = 50, .output_dropout = 0.5});
    Tape<double> tape;
    const auto out = lstm(tape.variable(random_tensor({6, 2, 3}))).output.value();
    std::size_t dropped = 0;
    for (std::size_t b = 0; b < 2; ++b)
        for (std::size_t j = 0; j < 50; ++j) {
            for (std::size_t t = 1; t < 6; ++t) CHECK((out(t, b, j) == 0) == (out(0, b, j) == 0));
            dropped += out(0, b, j) == 0;
        }
    CHECK(dropped > 25);
    CHECK(dropped < 75);
}

TEST_CASE("regularisation is inactive in evaluation mode") {
    const nn::RecurrentOptions<nn::GruCell<double>> plain{.input = 3, .hidden = 5, .layers = 2};
    auto regularised = plain;
    regularised.input_dropout = regularised.state_dropout = regularised.output_dropout = 0.5;
    regularised.weight_dropout = regularised.dropout = 0.5;
    nn::Gru<double> a(plain), b(regularised);
    auto from = parameters(a), to = parameters(b);
    for (std::size_t i = 0; i < from.size(); ++i) to[i].set(from[i].value());
    const auto x = random_tensor({4, 2, 3});
    Tape<double> tape;
    tape.set_evaluating(true);
    CHECK(distance(b(tape.variable(x)).output.value(), a(x).output.value()) == 0);
    tape.set_evaluating(false);
    CHECK(distance(b(tape.variable(x)).output.value(), a(x).output.value()) > 0.01);
}

TEST_CASE("zoneout keeps old states: all at p = 1, the expected value in evaluation mode") {
    nn::Rnn<double> still({.input = 2, .hidden = 3, .zoneout = 1, .learned_state = true});
    shake(still);
    const auto x = random_tensor({4, 2, 2});
    const auto first = parameters(still).back();
    CHECK(first.path == "h0");
    Tape<double> tape;
    const auto out = still(tape.variable(x)).output.value();
    for (std::size_t t = 0; t < 4; ++t)
        for (std::size_t j = 0; j < 3; ++j) CHECK(out(t, 1, j) == first.value()(0, 0, j));

    nn::Rnn<double> half({.input = 2, .hidden = 3, .zoneout = 0.25});
    const NoRecording<double> evaluating;
    const auto y = half(x).output.value();
    const auto& cell = half.cells()[0];
    Row h(3, 0.0);
    for (std::size_t t = 0; t < 4; ++t) {
        const Row a = sums(cell, x.select(0, t).select(0, 0).to_vector(), h);
        for (std::size_t j = 0; j < 3; ++j) h[j] = 0.25 * h[j] + 0.75 * std::tanh(a[j]);
        for (std::size_t j = 0; j < 3; ++j) CHECK(y(t, 0, j) == doctest::Approx(h[j]));
    }
}

TEST_CASE("connections between layers") {
    nn::Lstm<double> plain({.input = 3, .hidden = 3});
    nn::Lstm<double> residual({.input = 3, .hidden = 3, .connection = nn::Connection::residual});
    auto from = parameters(plain), to = parameters(residual);
    for (std::size_t i = 0; i < from.size(); ++i) to[i].set(from[i].value());
    const auto x = random_tensor({4, 2, 3});
    const Variable<double> expected = Variable<double>(x) + plain(x).output;
    CHECK(distance(residual(x).output.value(), expected.value()) == 0);
    // With a different input width, the first layer has no connection.
    nn::Lstm<double> wide(
        {.input = 2, .hidden = 3, .layers = 2, .connection = nn::Connection::highway});
    CHECK(wide(random_tensor({4, 2, 2})).output.shape() == Shape{4, 2, 3});
    for (const auto& entry : parameters(wide)) CHECK(entry.path != "highway_l0.weight");
    CHECK(contains(error_of([] {
                       nn::Lstm<double>(
                           {.input = 2, .hidden = 3, .connection = nn::Connection::residual});
                   }),
                   "inputs and outputs of equal width"));
}

TEST_CASE("invalid recurrent options") {
    CHECK(contains(error_of([] { nn::Gru<double>({.input = 1, .hidden = 1, .zoneout = 1.5}); }),
                   "zoneout must be in [0, 1]"));
    CHECK(
        contains(error_of([] { nn::Gru<double>({.input = 1, .hidden = 1, .weight_dropout = -1}); }),
                 "weight_dropout must be in [0, 1]"));
    nn::Lstm<double> projected({.input = 2, .hidden = 4, .cell = {.projection = 3}});
    nn::State<double, 2> state{Tensor<double>::zeros({1, 2, 4}), Tensor<double>::zeros({1, 2, 4})};
    CHECK(contains(error_of([&] {
                       projected(random_tensor({3, 2, 2}), state);
                   }),
                   "expected [1, 2, 3]"));
}
