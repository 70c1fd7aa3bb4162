// Derivatives of fused expressions as expressions: caching, and masked operands.

#include "support.hpp"

#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/unroll.hpp>

#include <limits>

namespace {

using namespace unroll;
using V = Variable<double>;

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

// The second derivative of k tanh(k x) + x / k.
std::pair<double, double> derivatives(double k, double at) {
    Tape<double> tape;
    const V x = tape.variable(Tensor<double>({1}, {at}));
    const V y = fuse(
        "anneal", [k](auto x) { return k * tanh(k * x) + x / k; }, x);
    const V first = gradients(sum(y), {x}, {.create_graph = true})[0];
    const V second = gradients(sum(first), {x}, {.create_graph = true})[0];
    return {first.value()(0), second.value()(0)};
}

} // namespace

TEST_CASE("expressions: a constant that changes every step does not grow the cache") {
    derivatives(0.3, 0.7);
    const std::size_t before = known_pullbacks();
    for (int step = 1; step <= 20000; ++step) {
        const double k = step * 1e-4 + 1e-5, x = 0.7;
        const auto [first, second] = derivatives(k, x);
        const double t = std::tanh(k * x);
        if (step % 100 != 0) continue;
        CHECK(first == doctest::Approx(k * k * (1 - t * t) + 1 / k).epsilon(1e-12));
        CHECK(second == doctest::Approx(-2 * k * k * k * t * (1 - t * t)).epsilon(1e-12));
    }
    CHECK(known_pullbacks() == before);
    // 0, 1, -1 and NaN are constants as well.
    for (const double k : {1.0, -1.0}) {
        const double t = std::tanh(k * 0.7);
        CHECK(derivatives(k, 0.7).first == doctest::Approx(1 - t * t + 1 / k).epsilon(1e-12));
    }
    CHECK(std::isnan(derivatives(no_number, 0.7).first));
    const std::size_t after = known_pullbacks();
    for (int i = 0; i < 100; ++i) derivatives(no_number, 0.7);
    CHECK(known_pullbacks() == after);
}

TEST_CASE("expressions: the constants of one lambda do not mix with those of another") {
    const auto at = [](double a, double b, double c) {
        Tape<double> tape;
        const V x = tape.variable(Tensor<double>({1}, {0.5}));
        const V y = fuse(
            "cubic", [=](auto x) { return a * x * x * x + b * x * x + c * x; }, x);
        const V first = gradients(sum(y), {x}, {.create_graph = true})[0];
        return std::pair(first.value()(0), gradients(sum(first), {x})[0].value()(0));
    };
    for (const double a : {0.0, 1.0, 2.0, 0.25})
        for (const double b : {0.0, -1.0, 2.0, 7.0})
            for (const double c : {0.0, 1.0, 0.25, 7.0}) {
                const auto [first, second] = at(a, b, c);
                CHECK(first == doctest::Approx(3 * a * 0.25 + 2 * b * 0.5 + c));
                CHECK(second == doctest::Approx(6 * a * 0.5 + 2 * b));
            }
}

TEST_CASE("expressions: any number of terms") {
    for (const int terms : {1, 100, 700, 5000}) {
        Tape<double> tape;
        const V x = tape.variable(test::random_tensor({300}, 1));
        const V y = fuse(
            "long",
            [terms](auto x) {
                auto sum = 0 * x;
                for (int i = 0; i < terms; ++i) sum = sum + x * (1.0 / (2 + i));
                return sum;
            },
            x);
        const V first = gradients(sum(y * y), {x}, {.create_graph = true})[0];
        const V second = gradients(sum(first), {x})[0];
        double slope = 0;
        for (int i = 0; i < terms; ++i) slope += 1.0 / (2 + i);
        CHECK(second.value()(299) == doctest::Approx(2 * slope * slope).epsilon(1e-10));
    }
}

TEST_CASE("expressions: functions of two take a number for either") {
    const auto f = [](const V& x) {
        return fuse(
            "mixed",
            [](auto a) {
                return maximum(a, 0.1) * minimum(2, a) + pow(a + 3, 2.5) + max(a, -1) -
                       min(0.5f, a);
            },
            x);
    };
    const Tensor<double> x({5}, {-1.5, -0.2, 0.3, 0.7, 2.4});
    const V y = f(V(x));
    for (std::size_t i = 0; i < 5; ++i) {
        const double a = x(i);
        CHECK(y.value()(i) ==
              doctest::Approx(std::max(a, 0.1) * std::min(2.0, a) + std::pow(a + 3, 2.5) +
                              std::max(a, -1.0) - std::min(0.5, a)));
    }
    for (const int order : {1, 2})
        CHECK(gradcheck([&](const auto& in) { return f(in[0]); }, {x}, {}, {.order = order}));
}

// Within nonlinear functions, so that a wrong value gives a wrong derivative, too.
TEST_CASE("fused functions: every operator with a number on either side, and parameters") {
    const auto f = [](const V& x, const V& y) {
        return fuse(
            "mixed",
            [](auto a, auto b, auto) {
                return tanh(a + 0.3) * sin(0.7 + b) + exp(a - 0.4) * cos(0.6 - b) +
                       sin(a * 1.3) / cos(0.9 * b) + tanh(b / 1.7) * exp(1.9 / a) +
                       sin(a / b) * tanh(b - a) * exp(-a * b) +
                       tanh(leaky_relu(a - b, 0.3)) * sin(elu(b - 2, 0.8)) * tanh(a + b);
            },
            x, y, x);
    };
    const std::vector<Tensor<double>> at{Tensor<double>({5}, {0.9, 1.2, 0.8, 1.1, 1.6}),
                                         Tensor<double>({5}, {0.5, 1.3, 1.4, 0.7, 1.2})};
    const V value = f(at[0], at[1]);
    for (std::size_t i = 0; i < 5; ++i) {
        const double a = at[0](i), b = at[1](i), d = a - b;
        CHECK(value.value()(i) ==
              doctest::Approx(
                  std::tanh(a + 0.3) * std::sin(0.7 + b) + std::exp(a - 0.4) * std::cos(0.6 - b) +
                  std::sin(a * 1.3) / std::cos(0.9 * b) + std::tanh(b / 1.7) * std::exp(1.9 / a) +
                  std::sin(a / b) * std::tanh(b - a) * std::exp(-a * b) +
                  std::tanh(d > 0 ? d : 0.3 * d) *
                      std::sin(b > 2 ? b - 2 : 0.8 * std::expm1(b - 2)) * std::tanh(a + b)));
    }
    for (const int order : {1, 2}) {
        const auto report =
            gradcheck([&](const auto& x) { return f(x[0], x[1]); }, at, {}, {.order = order});
        INFO(report.text());
        CHECK(report.passed());
    }
    // An operand that the function ignores has gradient 0.
    Tape<double> tape;
    const V x = tape.variable(at[0]), unused = tape.variable(at[1]);
    tape.backward(sum(fuse(
        "first", [](auto a, auto) { return a * a; }, x, unused)));
    CHECK(tape.gradient(unused) == Tensor<double>::zeros({5}));
}

TEST_CASE("masked elements and ignored targets have no influence, at any order") {
    const auto orders = [](const std::string& name, const auto& f, const Tensor<double>& at,
                           std::size_t hidden) {
        CAPTURE(name);
        Tape<double> tape;
        const V x = tape.variable(at);
        V value = f(x);
        for (int order = 1; order <= 3; ++order) {
            CAPTURE(order);
            const V g = gradients(value, {x}, {.create_graph = true})[0];
            for (std::size_t j = 0; j < 3; ++j) {
                CHECK(g.value()(hidden, j) == 0);
                CHECK(std::isfinite(g.value()(1 - hidden, j)));
            }
            value = sum(square(g)) + sum(sin(g));
        }
    };
    const Mask rows({2, 1}, {false, true}), others({2, 1}, {true, false});
    const Tensor<double> w = test::random_tensor({2, 3}, 5);
    for (const double bad : {-inf, inf, no_number}) {
        CAPTURE(bad);
        const Tensor<double> x({2, 3}, {bad, bad, bad, 0.3, -1, 2});
        for (const double smoothing : {0.0, 0.1})
            orders(
                "cross_entropy",
                [=](const V& x) {
                    return cross_entropy(x, Indices({2}, {-100, 1}), {.smoothing = smoothing});
                },
                x, 0);
        orders(
            "softmax", [&](const V& x) { return sum(softmax(x, rows) * w); }, x, 0);
        orders(
            "log_softmax",
            [&](const V& x) { return sum(where(rows, log_softmax(x, rows) * w, 0)); }, x, 0);
        orders(
            "masked_fill", [&](const V& x) { return sum(exp(masked_fill(x, others, 0)) * w); }, x,
            0);
        orders(
            "masked_select",
            [&](const V& x) {
                return sum(exp(masked_select(x, rows.broadcast_to({2, 3}))));
            },
            x, 0);
    }
    const Tensor<double> x({2, 3}, {-inf, -inf, -inf, 0.3, -1, 2});
    orders(
        "logsumexp", [](const V& x) { return sum(logsumexp(x, {1})); }, x, 0);
    orders(
        "softmax of -inf", [&](const V& x) { return sum(softmax(x) * w); }, x, 0);
    // The padding of a batch whose targets are all ignored.
    orders(
        "all targets ignored",
        [](const V& x) {
            return cross_entropy(x, Indices({2}, {-100, -100})) + sum(square(select(x, 0, 1)));
        },
        x, 0);
}
