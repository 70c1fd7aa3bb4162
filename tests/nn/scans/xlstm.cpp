// sLSTM and mLSTM.

#include "nn/scans/scans.hpp"

#include <unroll/nn/scans/mlstm.hpp>
#include <unroll/nn/scans/slstm.hpp>

using namespace test;

TEST_CASE("scans: SLstm") {
    nn::SLstmCell<double> cell(3, 2, {.forget_bias = 1});
    const auto reference = [](const auto& cell, const Steps& x, std::vector<Vector>& state) {
        const auto w = cell.weight_ih.value(), u = cell.weight_hh.value();
        Steps out;
        for (const Vector& in : x) {
            Vector a(8);
            for (std::size_t i = 0; i < 8; ++i) {
                a[i] = cell.bias_ih.value()(i) + cell.bias_hh.value()(i);
                for (std::size_t j = 0; j < 3; ++j) a[i] += w(i, j) * in[j];
                for (std::size_t j = 0; j < 2; ++j) a[i] += u(i, j) * state[0][j];
            }
            for (std::size_t k = 0; k < 2; ++k) { // without stabilisation
                const double scale = std::exp(state[3][k]), i = std::exp(a[k]),
                             f = plain_sigmoid(a[2 + k]);
                const double c = f * scale * state[1][k] + i * std::tanh(a[4 + k]),
                             n = f * scale * state[2][k] + i;
                state[0][k] = plain_sigmoid(a[6 + k]) * c / n;
                const double m =
                    state[2][k] != 0 ? std::max(std::log(f) + state[3][k], a[k]) : a[k];
                state[1][k] = c / std::exp(m);
                state[2][k] = n / std::exp(m);
                state[3][k] = m;
            }
            out.push_back(state[0]);
        }
        return out;
    };
    check_against(cell, 3, 2, reference);
    check_layer<nn::SLstmCell>({}, 3, 2);
    check_layer<nn::SLstmCell>({.forget_bias = 3, .layer_norm = true}, 3, 2);
}

TEST_CASE("scans: SLstm with gates of any size") {
    nn::SLstmCell<float> cell(1, 1);
    for (auto p : parameters(cell)) p.change().fill(0);
    // Each step writes with e^i and forgets almost nothing.
    const auto run = [&](std::vector<float> gates) {
        nn::State<float, 4> state;
        for (auto& s : state) s = Tensor<float>::zeros({1, 1});
        for (std::size_t t = 0; t < gates.size(); ++t)
            state = cell.step(cell.project(Tensor<float>::zeros({1, 1})) +
                                  Tensor<float>({1, 4}, {gates[t], 40, t == 0 ? 1.f : -1.f, 40}),
                              state);
        return state[0].value()(0, 0);
    };
    const float t = std::tanh(1.f);
    CHECK(run({-1000}) == doctest::Approx(t)); // an empty state is not weighed against
    CHECK(run({1000}) == doctest::Approx(t));
    CHECK(run({-1000, -1000}) == doctest::Approx(0));
    CHECK(run({1000, 0}) == doctest::Approx(t));
    CHECK(run({-1000, 1000}) == doctest::Approx(-t));
}

TEST_CASE("scans: MLstm") {
    for (const std::size_t heads : {1, 2}) {
        nn::MLstmCell<double> cell(3, 4, {.heads = heads, .forget_bias = 1});
        const auto reference = [](const auto& cell, const Steps& x, std::vector<Vector>& state) {
            const std::size_t d = cell.width, H = cell.options.heads;
            Steps out;
            for (const Vector& in : x) {
                const Vector a = affine(cell.gates, in);
                for (std::size_t h = 0; h < H; ++h) { // without stabilisation
                    const double *q = &a[h * d], *k = &a[4 + h * d], *v = &a[8 + h * d],
                                 *o = &a[12 + h * d];
                    const double scale = std::exp(state[3][h]), i = std::exp(a[16 + h]),
                                 f = plain_sigmoid(a[16 + H + h]);
                    const double m = std::max(std::log(f) + state[3][h], a[16 + h]);
                    double* C = &state[1][h * d * d];
                    double* n = &state[2][h * d];
                    double total = 0;
                    for (std::size_t s = 0; s < d; ++s) {
                        const double key = k[s] / std::sqrt(static_cast<double>(d));
                        n[s] = f * scale * n[s] + i * key;
                        total += n[s] * q[s];
                        for (std::size_t r = 0; r < d; ++r)
                            C[r * d + s] = f * scale * C[r * d + s] + i * v[r] * key;
                    }
                    for (std::size_t r = 0; r < d; ++r) {
                        double read = 0;
                        for (std::size_t s = 0; s < d; ++s) read += C[r * d + s] * q[s];
                        state[0][h * d + r] =
                            plain_sigmoid(o[r]) * read / std::max(std::abs(total), 1.0);
                    }
                    for (std::size_t r = 0; r < d * d; ++r) C[r] /= std::exp(m);
                    for (std::size_t s = 0; s < d; ++s) n[s] /= std::exp(m);
                    state[3][h] = m;
                }
                out.push_back(state[0]);
            }
            return out;
        };
        check_against(cell, 3, 4, reference);
        check_layer<nn::MLstmCell>({.heads = heads}, 3, 4);
    }
    check_refused([] { nn::MLstmCell<double>(3, 4, {.heads = 3}); },
                  "MLstmCell: heads must divide hidden, got 3 and 4");
    check_refused([] { nn::MLstmCell<double>(3, 4, {.heads = 0}); },
                  "MLstmCell: input, hidden and heads must be at least 1, got 3, 4 and 0");
}

TEST_CASE("scans: MLstm with gates of any size") {
    nn::MLstmCell<float> cell(1, 1);
    nn::State<float, 4> start;
    for (auto& s : start) s = Tensor<float>::zeros({1, 1});
    // q, k, v, o, i, f; each step stores 2 under the key 1.
    const auto run = [&](float i, float f, bool at_once) {
        Tape<float> tape;
        const auto z = tape.variable(Tensor<float>({1, 6}, {1, 1, 2, 40, i, f}));
        nn::State<float, 4> state = start;
        if (at_once)
            state = cell.scan(broadcast_to(z, {3, 1, 6}), start, {}).state;
        else
            for (int t = 0; t < 3; ++t) state = cell.step(z, state);
        tape.backward(sum(state[0]));
        for (const float g : tape.gradient(z).to_vector()) CHECK(std::isfinite(g));
        return state[0].value()(0, 0);
    };
    for (const bool at_once : {false, true}) {
        CAPTURE(at_once);
        CHECK(run(200, 40, at_once) == doctest::Approx(2));
        CHECK(run(200, -200, at_once) == doctest::Approx(2));
        CHECK(run(-200, -200, at_once) == 0);
        CHECK(run(-10, 40, at_once) == doctest::Approx(2 * 3 * std::exp(-10.0)));
        CHECK(run(-10, -200, at_once) == doctest::Approx(2 * std::exp(-10.0)));
    }
}

TEST_CASE_TEMPLATE("scans: MLstm, chunks of steps are single steps", T, float, double) {
    const std::size_t steps = 150, batch = 3, hidden = 4;
    nn::MLstmCell<T> cell(3, hidden, {.heads = 2, .forget_bias = 2});
    const auto x = converted<T>(random_tensor({steps, batch, 3}, 1));
    const auto factors = converted<T>(random_tensor({steps, batch, hidden}, 2));
    const Lengths lengths{150, 64, 70};
    for (const bool backwards : {false, true}) {
        CAPTURE(backwards);
        std::vector<Tensor<T>> found[2];
        for (const bool at_once : {false, true}) {
            Tape<T> tape;
            nn::State<T, 4> start;
            const auto widths = cell.widths();
            for (std::size_t s = 0; s < 4; ++s)
                start[s] = tape.variable(converted<T>(random_tensor({batch, widths[s]}, 5 + s)));
            const auto z = tape.variable(cell.project(Variable<T>(x)).value());
            nn::Scanned<T, 4> result{z, start};
            if (at_once) {
                result = cell.scan(z, start, {.lengths = lengths, .backwards = backwards});
            } else {
                std::vector<Variable<T>> outputs(steps);
                for (std::size_t k = 0; k < steps; ++k) {
                    const std::size_t t = backwards ? steps - 1 - k : k;
                    Mask active({batch, 1});
                    for (std::size_t b = 0; b < batch; ++b) active.data()[b] = t < lengths[b];
                    const auto next = cell.step(select(z, 0, t), result.state);
                    for (std::size_t s = 0; s < 4; ++s)
                        result.state[s] = where(active, next[s], result.state[s]);
                    outputs[t] = where(active, next[0], T(0));
                }
                result.output = stack(outputs);
            }
            auto loss = sum(result.output * factors);
            for (const auto& s : result.state) loss = loss + mean(s);
            tape.backward(loss);
            const auto keep = [&](const Tensor<T>& y) { found[at_once].push_back(y); };
            keep(result.output.value());
            for (const auto& s : result.state) keep(s.value());
            keep(tape.gradient(z));
            for (const auto& s : start) keep(tape.gradient(s));
        }
        for (std::size_t i = 0; i < found[0].size(); ++i) {
            CAPTURE(i);
            CHECK(distance(found[1][i], found[0][i]) < (std::is_same_v<T, float> ? 2e-6 : 1e-13));
        }
    }
}
