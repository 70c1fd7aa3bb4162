// minGRU, minLSTM, SRU, QRNN and IndRNN.

#include "nn/scans/scans.hpp"

#include <unroll/nn/scans/ind_rnn.hpp>
#include <unroll/nn/scans/min_gru.hpp>
#include <unroll/nn/scans/min_lstm.hpp>
#include <unroll/nn/scans/qrnn.hpp>
#include <unroll/nn/scans/sru.hpp>

using namespace test;

TEST_CASE("scans: MinGru") {
    nn::MinGruCell<double> cell(3, 2);
    check_against(cell, 3, 2, [](const auto& cell, const Steps& x, std::vector<Vector>& state) {
        Steps out;
        for (const Vector& in : x) {
            const Vector a = affine(cell.gates, in);
            for (std::size_t i = 0; i < 2; ++i) {
                const double z = plain_sigmoid(a[i]);
                state[0][i] = (1 - z) * state[0][i] + z * a[2 + i];
            }
            out.push_back(state[0]);
        }
        return out;
    });
    check_layer<nn::MinGruCell>({}, 3, 2);
    check_refused([] { nn::MinGruCell<double>(0, 3); },
                  "MinGruCell: input and hidden must be at least 1, got 0 and 3");
}

TEST_CASE("scans: MinLstm") {
    nn::MinLstmCell<double> cell(3, 2);
    check_against(cell, 3, 2, [](const auto& cell, const Steps& x, std::vector<Vector>& state) {
        Steps out;
        for (const Vector& in : x) {
            const Vector a = affine(cell.gates, in);
            for (std::size_t k = 0; k < 2; ++k) {
                const double f = plain_sigmoid(a[k]), i = plain_sigmoid(a[2 + k]);
                state[0][k] = f / (f + i) * state[0][k] + i / (f + i) * a[4 + k];
            }
            out.push_back(state[0]);
        }
        return out;
    });
    check_layer<nn::MinLstmCell>({}, 3, 2);
    check_refused([] { nn::MinLstmCell<double>(2, 0); },
                  "MinLstmCell: input and hidden must be at least 1, got 2 and 0");
}

TEST_CASE("scans: the gates of MinLstm are exact where both are almost closed") {
    nn::MinLstmCell<float> cell(1, 1);
    const auto next = [&](float f, float i) { // from h = 0, with a candidate of 1
        const Tensor<float> z({1, 3}, {f, i, 1});
        return cell.step(Variable<float>(z), {Tensor<float>::zeros({1, 1})})[0].value()(0, 0);
    };
    CHECK(next(-300, -301) == doctest::Approx(1 / (1 + std::exp(1.0))).epsilon(1e-6));
    CHECK(next(-20, -100) == doctest::Approx(std::exp(-80.0)).epsilon(1e-5));
    CHECK(next(40, -60) == doctest::Approx(std::exp(-60.0)).epsilon(1e-5));
}

TEST_CASE("scans: Sru") {
    for (const std::size_t input : {3, 2}) {
        nn::SruCell<double> cell(input, 2);
        shake(cell);
        check_against(
            cell, input, 2, [](const auto& cell, const Steps& x, std::vector<Vector>& state) {
                const auto v = cell.peephole.value();
                Steps out;
                for (const Vector& in : x) {
                    const Vector a = affine(cell.gates, in), g = affine(cell.candidate, in),
                                 skip = cell.skip ? affine(*cell.skip, in) : in;
                    for (std::size_t i = 0; i < 2; ++i) {
                        double& c = state[1][i];
                        const double f = plain_sigmoid(a[i] + v(0, i) * c),
                                     r = plain_sigmoid(a[2 + i] + v(1, i) * c);
                        c = f * c + (1 - f) * g[i];
                        state[0][i] = r * c + (1 - r) * cell.alpha * skip[i];
                    }
                    out.push_back(state[0]);
                }
                return out;
            });
        check_layer<nn::SruCell>({}, input, 2);
    }
    check_layer<nn::SruCell>({.highway_bias = -2, .rescale = false}, 2, 2);
    CHECK(nn::SruCell<double>(2, 2).alpha == std::sqrt(3.0));
    CHECK(nn::SruCell<double>(2, 2, {.rescale = false}).alpha == 1);
    const nn::SruCell<double> passing(3, 2, {.highway_bias = -2});
    CHECK(passing.alpha == doctest::Approx(std::sqrt(1 + 2 * std::exp(-2.0))));
    CHECK(passing.gates.bias.value() == Tensor<double>({4}, {0, 0, -2, -2}));
    check_refused([] { nn::SruCell<double>(2, 2, {.highway_bias = std::nan("")}); },
                  "SruCell: expected a finite highway_bias, got nan");
    check_refused([] { nn::SruCell<double>(0, 3); },
                  "SruCell: input and hidden must be at least 1, got 0 and 3");
}

// The mean square of h' of a new layer is about that of x  (Lei et al. 2018).
TEST_CASE("scans: the scaling of Sru keeps the variance of x") {
    const std::size_t width = 200;
    for (const double bias : {0.0, -2.0}) {
        nn::SruCell<double> cell(width, width, {.highway_bias = bias});
        const Tensor<double> x = random_tensor({200, width}, 5);
        nn::State<double, 2> state;
        for (auto& s : state) s = Tensor<double>::zeros({200, width});
        const double variance = mean(square(cell.step(cell.project(x), state)[0])).item();
        CAPTURE(bias);
        CHECK(variance > 0.7);
        CHECK(variance < 1.4);
    }
}

TEST_CASE("scans: Qrnn") {
    for (const std::size_t window : {1, 2, 4}) {
        CAPTURE(window);
        nn::QrnnCell<double> cell(3, 2, {.window = window});
        check_against(
            cell, 3, 2, [&](const auto& cell, const Steps& x, std::vector<Vector>& state) {
                // The products of all taps but the first, [window - 1, 6] of each of
                // window - 1 inputs, the oldest first.
                const std::size_t past = window - 1;
                std::vector<Vector> seen;
                for (std::size_t s = 0; s < past; ++s)
                    seen.emplace_back(&state[2][s * past * 6], &state[2][s * past * 6] + past * 6);
                Steps out;
                for (const Vector& in : x) {
                    const Vector taps = affine(cell.taps, in);
                    Vector a(taps.begin(), taps.begin() + 6);
                    for (std::size_t i = 0; i < 6; ++i) {
                        a[i] += cell.bias.value()(i);
                        for (std::size_t lag = 1; lag <= past; ++lag)
                            a[i] += seen[seen.size() - lag][(lag - 1) * 6 + i];
                    }
                    seen.emplace_back(taps.begin() + 6, taps.end());
                    for (std::size_t i = 0; i < 2; ++i) {
                        const double f = plain_sigmoid(a[2 + i]);
                        state[1][i] = f * state[1][i] + (1 - f) * std::tanh(a[i]);
                        state[0][i] = plain_sigmoid(a[4 + i]) * state[1][i];
                    }
                    out.push_back(state[0]);
                }
                state[2].clear();
                for (std::size_t s = 0; s < past; ++s) {
                    const Vector& products = seen[seen.size() - past + s];
                    state[2].insert(state[2].end(), products.begin(), products.end());
                }
                return out;
            });
        check_layer<nn::QrnnCell>({.window = window}, 3, 2);
    }
    check_refused([] { nn::QrnnCell<double>(1, 2, {.window = 0}); },
                  "QrnnCell: input, hidden and window must be at least 1, got 1, 2 and 0");
}

// The convolution of x itself, with zeros before it.
TEST_CASE("scans: the window of Qrnn is a causal convolution") {
    nn::Qrnn<double> net({.input = 1, .hidden = 1, .cell = {.window = 3}});
    auto& cell = net.cells()[0];
    cell.bias.set(Tensor<double>({3}, {0, -100, 100})); // c = z, h = c
    cell.taps.weight.set(Tensor<double>({9, 1}, {0.5, 0, 0, -0.3, 0, 0, 0.2, 0, 0}));
    const Vector x{1, 2, -1, 3};
    const auto h = net(Tensor<double>({4, 1, 1}, std::span(x))).output.value();
    for (std::size_t t = 0; t < 4; ++t) {
        const double sum = 0.5 * x[t] - (t > 0 ? 0.3 * x[t - 1] : 0) + (t > 1 ? 0.2 * x[t - 2] : 0);
        CHECK(h(t, 0, 0) == doctest::Approx(std::tanh(sum)));
    }
}

TEST_CASE("scans: a scan that ignores lengths is refused") {
    struct Careless {
        Careless(std::size_t, std::size_t) {}
        Variable<double> project(const Variable<double>& x) const { return x; }
        nn::Scanned<double, 1> scan(const Variable<double>& z, const nn::State<double, 1>& state,
                                    const LinearScanOptions&) const {
            const auto [output, h] = linear_scan(0.5 + 0.0 * z, z, state[0]);
            return {output, {h}};
        }
        nn::State<double, 1> step(const Variable<double>& z,
                                  const nn::State<double, 1>& state) const {
            return nn::detail::scan_step(*this, z, state);
        }
    };
    const nn::Recurrent<Careless> layer({.input = 2, .hidden = 2});
    const auto x = random_tensor({4, 3, 2});
    CHECK_NOTHROW(layer(x));
    CHECK(contains(
        error_of([&] {
            layer(x, {}, std::vector<std::size_t>{4, 2, 4});
        }),
        "scan returned an output that is not 0 after the end of sequence 1; pass the options"));
}

TEST_CASE("scans: IndRnn") {
    for (const bool relu : {true, false}) {
        nn::IndRnnCell<double> cell(3, 2, {.relu = relu});
        check_against(cell, 3, 2,
                      [&](const auto& cell, const Steps& x, std::vector<Vector>& state) {
                          Steps out;
                          for (const Vector& in : x) {
                              const Vector z = affine(cell.from_input, in);
                              for (std::size_t i = 0; i < 2; ++i) {
                                  const double a = z[i] + cell.recurrent.value()(i) * state[0][i];
                                  state[0][i] = relu ? std::max(a, 0.0) : std::tanh(a);
                              }
                              out.push_back(state[0]);
                          }
                          return out;
                      });
        check_layer<nn::IndRnnCell>({.relu = relu}, 3, 2);
    }
    check_refused([] { nn::IndRnnCell<double>(2, 0); },
                  "IndRnnCell: input and hidden must be at least 1, got 2 and 0");
}
