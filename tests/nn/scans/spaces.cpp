// State spaces: LRU, RG-LRU, S5 and Mamba.

#include "nn/scans/scans.hpp"

#include <unroll/nn/scans/lru.hpp>
#include <unroll/nn/scans/mamba.hpp>
#include <unroll/nn/scans/rg_lru.hpp>
#include <unroll/nn/scans/s5.hpp>

#include <complex>

using namespace test;

namespace {

using ComplexNumber = std::complex<double>;

// Steps of s' = a s + B x, h = Re(C s') + D x, of complex states as two planes.
template <class Cell>
Steps state_space(const Cell& cell, const std::vector<ComplexNumber>& a,
                  const std::vector<ComplexNumber>& scale, const Steps& x,
                  std::vector<Vector>& state) {
    const std::size_t width = a.size();
    const auto c = cell.output_matrix.weight.value();
    Steps out;
    for (const Vector& in : x) {
        const Vector b = affine(cell.input_matrix, in), d = affine(cell.skip, in);
        for (std::size_t n = 0; n < width; ++n) {
            const ComplexNumber s = a[n] * ComplexNumber(state[1][n], state[2][n]) +
                                    scale[n] * ComplexNumber(b[n], b[width + n]);
            state[1][n] = s.real();
            state[2][n] = s.imag();
        }
        for (std::size_t i = 0; i < d.size(); ++i) {
            ComplexNumber sum = 0;
            for (std::size_t n = 0; n < width; ++n)
                sum += ComplexNumber(c(i, n), -c(i, width + n)) *
                       ComplexNumber(state[1][n], state[2][n]);
            state[0][i] = sum.real() + d[i];
        }
        out.push_back(state[0]);
    }
    return out;
}

} // namespace

TEST_CASE("scans: RgLru") {
    for (const std::size_t input : {3, 2}) {
        nn::RgLruCell<double> cell(input, 2);
        for (const double decay : cell.decay.value().to_vector()) {
            const double a = std::exp(-8 * plain_softplus(decay));
            CHECK(a > 0.899);
            CHECK(a < 1);
        }
        check_against(
            cell, input, 2, [](const auto& cell, const Steps& x, std::vector<Vector>& state) {
                Steps out;
                for (const Vector& in : x) {
                    const Vector u = cell.from_input ? affine(*cell.from_input, in) : in;
                    const Vector gates = affine(cell.gates, u);
                    for (std::size_t i = 0; i < 2; ++i) {
                        const double a = std::exp(-8 * plain_softplus(cell.decay.value()(i)) *
                                                  plain_sigmoid(gates[i]));
                        state[0][i] = a * state[0][i] +
                                      std::sqrt(1 - a * a) * plain_sigmoid(gates[2 + i]) * u[i];
                    }
                    out.push_back(state[0]);
                }
                return out;
            });
        check_layer<nn::RgLruCell>({}, input, 2);
    }
    check_refused([] { nn::RgLruCell<double>(0, 3); },
                  "RgLruCell: input and hidden must be at least 1, got 0 and 3");
}

TEST_CASE("scans: the root of RgLru does not cancel") {
    nn::RgLruCell<float> cell(1, 1);
    cell.decay.set(Tensor<float>({1}, {0}));
    const auto next = [&](float r) { // from h = 0, with i = 1/2 and x = 2
        Tape<float> tape;
        const auto z = tape.variable(Tensor<float>({1, 3}, {r, 0, 2}));
        const auto h = cell.step(z, {Tensor<float>::zeros({1, 1})})[0];
        tape.backward(sum(h));
        return std::pair(h.value()(0, 0), tape.gradient(z)(0, 0));
    };
    const auto exact = [](double r) {
        return std::sqrt(-std::expm1(-16 * std::log(2.0) * plain_sigmoid(r)));
    };
    for (const float r : {-10.f, -30.f, -80.f}) {
        CHECK(next(r).first == doctest::Approx(exact(r)).epsilon(1e-5));
        CHECK(next(r).second == doctest::Approx(exact(r) / 2).epsilon(1e-3));
    }
    CHECK(next(-1000).first == 0); // the gate is closed: a is 1
    CHECK(next(-1000).second == 0);
}

TEST_CASE("scans: Lru") {
    for (const std::size_t width : {0, 3}) {
        nn::LruCell<double> cell(3, 2, {.width = width, .smallest = 0.4, .largest = 0.9});
        const auto reference = [](const auto& cell, const Steps& x, std::vector<Vector>& state) {
            std::vector<ComplexNumber> a, scale;
            for (std::size_t n = 0; n < cell.width; ++n) {
                a.push_back(std::exp(
                    ComplexNumber(-std::exp(cell.nu.value()(n)), std::exp(cell.theta.value()(n)))));
                CHECK(std::abs(a.back()) > 0.399);
                CHECK(std::abs(a.back()) < 0.901);
                scale.push_back(std::sqrt(1 - std::norm(a.back())));
            }
            return state_space(cell, a, scale, x, state);
        };
        check_against(cell, 3, 2, reference);
        check_layer<nn::LruCell>({.width = width}, 3, 2);
    }
    check_refused([] { nn::LruCell<double>(0, 3); },
                  "LruCell: input and hidden must be at least 1, got 0 and 3");
    check_refused([] { nn::LruCell<double>(2, 3, {.smallest = 0.5, .largest = 0.4}); },
                  "LruCell: expected 0 <= smallest < largest <= 1 and phase > 0");
}

TEST_CASE("scans: S5") {
    for (const std::size_t width : {0, 3}) {
        nn::S5Cell<double> cell(3, 2, {.width = width});
        const auto reference = [](const auto& cell, const Steps& x, std::vector<Vector>& state) {
            std::vector<ComplexNumber> a, scale;
            for (std::size_t n = 0; n < cell.width; ++n) {
                const ComplexNumber A(-std::exp(cell.log_real.value()(n)),
                                      cell.imaginary.value()(n));
                a.push_back(std::exp(std::exp(cell.log_step.value()(n)) * A));
                scale.push_back((a.back() - 1.0) / A);
            }
            return state_space(cell, a, scale, x, state);
        };
        check_against(cell, 3, 2, reference);
        check_layer<nn::S5Cell>({.width = width}, 3, 2);
    }
    check_refused([] { nn::S5Cell<double>(0, 3); },
                  "S5Cell: input and hidden must be at least 1, got 0 and 3");
    check_refused([] { nn::S5Cell<double>(2, 3, {.shortest = 0}); },
                  "S5Cell: expected 0 < shortest < longest");
}

TEST_CASE("scans: zero-order hold does not cancel at short steps") {
    nn::S5Cell<double> cell(1, 1);
    for (const double size : {1e-12, 1e-6, 1e-3, 0.1, 1.0})
        for (const double angle : {1.6, 2.5, 3.1}) {
            CAPTURE(size);
            // Δ = size, and A = e^(i angle).
            const std::complex<long double> A =
                std::polar<long double>(1, static_cast<long double>(angle));
            cell.log_step.set(Tensor<double>({1}, {std::log(size)}));
            cell.log_real.set(Tensor<double>({1}, {static_cast<double>(std::log(-A.real()))}));
            cell.imaginary.set(Tensor<double>({1}, {static_cast<double>(A.imag())}));
            const long double step = std::exp(static_cast<long double>(cell.log_step.value()(0)));
            std::complex<long double> exact = 0, term = step;
            for (int k = 1; k < 40; term *= step * A / static_cast<long double>(++k)) exact += term;
            const auto b = cell.coefficients().b;
            const std::complex<long double> value(b.re.value()(0), b.im.value()(0));
            CHECK(std::abs(value - exact) < 4e-15L * std::abs(exact));
        }
}

// Nodes of a forward pass, and the largest difference from one step at a time.
template <class Cell>
void check_long(std::size_t steps) {
    nn::Recurrent<Cell> net({.input = 2, .hidden = 8});
    const auto& cell = net.cells()[0];
    Tensor<float> x = converted<float>(random_tensor({steps, 2, 2}, 3));
    Tape<float> tape;
    const auto whole = net(x);
    CHECK(tape.size() < 60);
    tape.backward(mean(square(whole.output)));
    const NoRecording<> pause;
    typename nn::Recurrent<Cell>::States state;
    for (std::size_t s = 0; s < state.size(); ++s)
        state[s] = Tensor<float>::zeros({2, net.widths()[s]});
    double worst = 0;
    for (std::size_t t = 0; t < steps; ++t) {
        state = cell.step(cell.project(Variable<float>(x.select(0, t))), state);
        worst = std::max(worst, distance(state[0].value(), whole.output.value().select(0, t)));
    }
    CHECK(worst < 1e-6);
}

TEST_CASE("scans: a long sequence is a few nodes, and equals one step at a time") {
    check_long<nn::LruCell<float>>(4096);
    check_long<nn::S5Cell<float>>(4096);
    check_long<nn::RgLruCell<float>>(4096);
}

TEST_CASE("scans: Mamba") {
    const auto check = [](const nn::MambaOptions& options) {
        nn::MambaCell<double> cell(3, 2, options);
        shake(cell);
        check_against(
            cell, 3, 2, [&](const auto& cell, const Steps& x, std::vector<Vector>& state) {
                const std::size_t E = cell.width, N = cell.options.states, R = cell.rank;
                Steps out;
                for (const Vector& in : x) {
                    const Vector projected = affine(cell.from_input, in);
                    Vector seen = state[2], v(E), y(E);
                    seen.insert(seen.end(), projected.begin(),
                                projected.begin() + static_cast<std::ptrdiff_t>(E));
                    for (std::size_t e = 0; e < E; ++e) {
                        double sum = cell.taps_bias.value()(e);
                        for (std::size_t k = 0; k < cell.options.window; ++k)
                            sum += cell.taps.value()(k, e) * seen[k * E + e];
                        v[e] = plain_silu(sum);
                    }
                    state[2].assign(seen.begin() + static_cast<std::ptrdiff_t>(E), seen.end());
                    const Vector selected = affine(cell.selection, v);
                    const Vector raw = affine(
                        cell.step_size, Vector(selected.begin(),
                                               selected.begin() + static_cast<std::ptrdiff_t>(R)));
                    for (std::size_t e = 0; e < E; ++e) {
                        const double step = plain_softplus(raw[e]);
                        y[e] = cell.direct.value()(e) * v[e];
                        for (std::size_t n = 0; n < N; ++n) {
                            double& s = state[1][e * N + n];
                            s = std::exp(-step * std::exp(cell.log_decay.value()(e, n))) * s +
                                step * selected[R + n] * v[e];
                            y[e] += selected[R + N + n] * s;
                        }
                        y[e] *= plain_silu(projected[E + e]);
                    }
                    state[0] = affine(cell.output, y);
                    out.push_back(state[0]);
                }
                return out;
            });
        check_layer<nn::MambaCell>(options, 3, 2);
    };
    check({.states = 3, .window = 3, .expand = 1, .rank = 2});
    check({.states = 1, .window = 1});
    check_refused([] { nn::MambaCell<double>(2, 3, {.states = 0}); },
                  "MambaCell: input, hidden, states, window and expand must be at least 1");
}
