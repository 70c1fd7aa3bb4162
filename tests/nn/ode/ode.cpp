#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/ode/ode.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

using namespace test;

namespace {

using V = Variable<double>;
using Many = std::vector<V>;
using nn::odeint;
using nn::OdeMethod;
using nn::OdeOptions;

const V one = Tensor<double>({1}, {1});
const auto decay = [](double, const auto& y) { return -y; };
// y'' = -y, from (1, 0): (cos t, -sin t).
const auto oscillator = [](double, const auto& y) {
    return concatenate({slice(y, 0, 1, 2), -slice(y, 0, 0, 1)});
};
const Tensor<double> start({2}, {1, 0});

std::vector<double> equal_times(double end, std::size_t n) {
    std::vector<double> times(n + 1);
    for (std::size_t i = 0; i <= n; ++i)
        times[i] = end * static_cast<double>(i) / static_cast<double>(n);
    return times;
}
double oscillator_error(std::span<const double> times, const OdeOptions& options) {
    const auto y = odeint(oscillator, start, times, options).values.value();
    double worst = 0;
    for (std::size_t i = 0; i < times.size(); ++i)
        worst = std::max({worst, std::abs(y(i, 0) - std::cos(times[i])),
                          std::abs(y(i, 1) + std::sin(times[i]))});
    return worst;
}
// Steps of dormand_prince from time to time, whatever their error.
const OdeOptions unchecked{.absolute_tolerance = 1e10, .first_step = 100};

} // namespace

TEST_CASE("odeint: the exponential and the harmonic oscillator") {
    const std::vector<double> times = equal_times(5, 3);
    for (const double tolerance : {1e-4, 1e-7, 1e-10}) {
        CAPTURE(tolerance);
        const OdeOptions options{.relative_tolerance = tolerance, .absolute_tolerance = tolerance};
        const auto y = odeint(decay, one, times, options).values.value();
        CHECK(y.shape() == Shape{4, 1});
        for (std::size_t i = 0; i < 4; ++i)
            CHECK(std::abs(y(i, 0) - std::exp(-times[i])) < 2 * tolerance);
        CHECK(oscillator_error(times, options) < 10 * tolerance);
    }
    // Backwards in time, and in float.
    const auto back = odeint(decay, one, std::vector<double>{0, -2},
                             {.relative_tolerance = 1e-9, .absolute_tolerance = 1e-9});
    CHECK(back.values.value()(1, 0) == doctest::Approx(std::exp(2.0)).epsilon(1e-8));
    const auto small = odeint(decay, Tensor<float>({1}, {1}), times, {.relative_tolerance = 1e-6});
    CHECK(static_cast<double>(small.values.value()(3, 0)) ==
          doctest::Approx(std::exp(-5.0)).epsilon(1e-4));
    // f depends on t: y = sin t.
    const auto sine = odeint([](double t, const V& y) { return 0.0 * y + std::cos(t); },
                             Tensor<double>::zeros({1}), times,
                             {.relative_tolerance = 1e-9, .absolute_tolerance = 1e-9});
    CHECK(sine.values.value()(3, 0) == doctest::Approx(std::sin(5.0)).epsilon(1e-8));
}

TEST_CASE("odeint: orders of convergence") {
    const auto order = [](const auto& error) { return std::log2(error(20) / error(40)); };
    CHECK(order([](std::size_t n) {
              return oscillator_error(std::vector<double>{0, 2},
                                      {.method = OdeMethod::rk4, .steps = n});
          }) == doctest::Approx(4).epsilon(0.03));
    CHECK(order([](std::size_t n) { return oscillator_error(equal_times(2, n), unchecked); }) ==
          doctest::Approx(5).epsilon(0.03));
    // The number of steps grows like tolerance^(-1 / 5).
    const auto steps = [](double tolerance) {
        const auto found =
            odeint(oscillator, start, std::vector<double>{0, 50},
                   {.relative_tolerance = tolerance, .absolute_tolerance = tolerance});
        CHECK(found.evaluations == 2 + 6 * (found.accepted + found.rejected));
        return static_cast<double>(found.accepted);
    };
    CHECK(steps(1e-10) / steps(1e-5) == doctest::Approx(10).epsilon(0.15));
}

TEST_CASE("odeint: steps") {
    const auto equal =
        odeint(decay, one, equal_times(1, 4), {.method = OdeMethod::rk4, .steps = 3});
    CHECK(equal.accepted == 12);
    CHECK(equal.evaluations == 48);
    CHECK(odeint(oscillator, start, equal_times(2, 7), unchecked).accepted == 7);
    CHECK(odeint(decay, one, std::vector<double>{3}).values.value() == Tensor<double>({1, 1}, {1}));
    // A jump of f is passed by rejected steps.
    const auto jump = odeint([](double t, const V& y) { return 0.0 * y + (t < 0.5 ? 0.0 : 1e3); },
                             Tensor<double>::zeros({1}), std::vector<double>{0, 1});
    CHECK(jump.rejected > 0);
    CHECK(jump.values.value()(1, 0) == doctest::Approx(500).epsilon(1e-4));
    // The tolerance at one element is not that of another; nothing is divided by 0.
    CHECK(odeint([](double, const V& y) { return 0.0 * y; }, Tensor<double>::zeros({2}),
                 std::vector<double>{0, 1})
              .values.value() == Tensor<double>::zeros({2, 2}));
    CHECK(odeint(decay, Tensor<double>::zeros({0, 2}), equal_times(1, 2)).values.shape() ==
          Shape{3, 0, 2});
}

TEST_CASE("odeint: derivatives") {
    // y = e^(-k t): dy/dk = -t y, d2y/dk2 = t^2 y.
    Tape<double> tape;
    const V k = tape.variable(Tensor<double>({1}, {0.7}));
    const V y0 = tape.variable(Tensor<double>({1}, {2}));
    const auto found =
        odeint([&](double, const V& y) { return -k * y; }, y0, std::vector<double>{0, 1, 3},
               {.relative_tolerance = 1e-10, .absolute_tolerance = 1e-10});
    const V last = sum(select(found.values, 0, 2));
    const double y = 2 * std::exp(-2.1);
    const auto first = gradients(last, {k, y0}, {.create_graph = true});
    CHECK(last.item() == doctest::Approx(y).epsilon(1e-9));
    CHECK(first[0].value()(0) == doctest::Approx(-3 * y).epsilon(1e-8));
    CHECK(first[1].value()(0) == doctest::Approx(y / 2).epsilon(1e-9));
    const auto second = gradients(sum(first[0]), {k, y0});
    CHECK(second[0].value()(0) == doctest::Approx(9 * y).epsilon(1e-7));
    CHECK(second[1].value()(0) == doctest::Approx(-3 * y / 2).epsilon(1e-8));

    nn::Linear<double> layer({.input = 2, .output = 2});
    const std::vector<double> times{0, 0.3, 1};
    const auto solve = [&](const Many& x, const OdeOptions& options) {
        const auto f = [&](double t, const V& y) { return tanh(layer(y)) * std::cos(t) - y; };
        return sin(odeint(f, x[0], times, options).values);
    };
    OdeOptions fixed = unchecked, chosen{.relative_tolerance = 1e-11, .absolute_tolerance = 1e-11};
    for (const OdeOptions& options :
         {OdeOptions{.method = OdeMethod::rk4, .steps = 2}, fixed, chosen})
        for (const int order : {1, 2}) {
            const auto report =
                gradcheck([&](const Many& x) { return solve(x, options); }, {random_tensor({3, 2})},
                          parameters(layer), {.order = order});
            INFO(report.text());
            CHECK(report.passed());
        }
}

TEST_CASE("odeint: errors") {
    const auto refuses = [](const std::string& problem, const std::vector<double>& times,
                            const OdeOptions& options, const nn::OdeFunction<double>& f = decay) {
        const std::string message = error_of([&] { odeint(f, one, times, options); });
        CAPTURE(message);
        CHECK(contains(message, "odeint: "));
        CHECK(contains(message, problem));
        CHECK(contains(message, "ode.cpp:"));
    };
    const double nan = std::nan("");
    refuses("relative_tolerance is 0, expected a positive number", {0, 1},
            {.relative_tolerance = 0});
    refuses("absolute_tolerance is -1, expected a positive", {0, 1}, {.absolute_tolerance = -1});
    refuses("absolute_tolerance is nan, expected a positive", {0, 1}, {.absolute_tolerance = nan});
    refuses("relative_tolerance is 1e-17, below the rounding error of double", {0, 1},
            {.relative_tolerance = 1e-17});
    refuses("first_step is -1", {0, 1}, {.first_step = -1});
    refuses("steps is 0, expected at least 1", {0, 1}, {.steps = 0});
    refuses("max_steps is 0", {0, 1}, {.max_steps = 0});
    refuses("there are no times", {}, {});
    refuses("time 1 is nan", {0, nan}, {});
    refuses("time 2 is 1 after 1; times must rise", {0, 1, 1}, {});
    refuses("time 2 is 1 after -1", {0, -1, 1}, {});
    refuses("10 steps were not enough; t = ", {0, 1e3}, {.max_steps = 10});
    refuses("f returned shape [2] for y [1]", {0, 1}, {}, [](double, const V& y) {
        return concatenate({y, y});
    });
    // y' = y^2 reaches infinity at t = 1.
    const auto square_of = [](double, const V& y) { return square(y); };
    refuses("is not finite at t = ", {0, 2}, {.method = OdeMethod::rk4, .steps = 40}, square_of);
    refuses("underflows", {0, 2}, {}, square_of);
    refuses("is not finite at t = 0 ", {0, 1}, {}, [nan](double, const V& y) { return y * nan; });
    refuses("is not finite at t = 0.", {0, 1}, {},
            [nan](double t, const V& y) { return t < 0.5 ? -y : y * nan; });
    CHECK(contains(error_of([&] {
                       odeint(decay, one * nan, std::vector<double>{0, 1});
                   }),
                   "y0 is not finite"));
    // A failed call records nothing that matters.
    Tape<double> tape;
    const V y0 = tape.variable(Tensor<double>({1}, {1}));
    CHECK_THROWS(odeint(square_of, y0, std::vector<double>{0, 2}));
    tape.backward(sum(odeint(decay, y0, std::vector<double>{0, 1}).values));
    CHECK(tape.gradient(y0)(0) == doctest::Approx(1 + std::exp(-1.0)).epsilon(1e-4));
}

TEST_CASE("odeint: recomputed steps have the same gradients bit for bit") {
    nn::Linear<double> in({.input = 2, .output = 16}), out({.input = 16, .output = 2});
    const auto f = [&](double t, const V& y) { return out(tanh(in(y))) * std::cos(t); };
    for (const OdeMethod method : {OdeMethod::rk4, OdeMethod::dormand_prince}) {
        const auto run = [&](bool checkpoint, bool second_order) {
            for (const auto& p : parameters(in, out)) p.clear_gradient();
            Tape<double> tape;
            const V y0 = tape.variable(random_tensor({3, 2}));
            const auto found = odeint(f, y0, equal_times(1.0, 4),
                                      {.method = method, .steps = 3, .checkpoint = checkpoint});
            V loss = sum(square(found.values));
            if (second_order)
                loss = loss + sum(square(gradients(loss, {y0}, {.create_graph = true})[0]));
            const std::size_t kept = tape.kept_bytes();
            tape.backward(loss);
            std::vector<std::vector<double>> all{
                tape.gradient(y0).to_vector(),
                {static_cast<double>(found.evaluations), static_cast<double>(found.rejected)}};
            for (const auto& p : parameters(in, out)) all.push_back(p.gradient().to_vector());
            return std::pair(all, kept);
        };
        for (const bool second_order : {false, true}) {
            const auto plain = run(false, second_order), again = run(true, second_order);
            if (!second_order) {
                CHECK(plain.first == again.first);
                CHECK(again.second < plain.second / 3);
            }
            for (std::size_t i = 0; i < plain.first.size(); ++i) {
                const Shape shape{plain.first[i].size()};
                CHECK(distance(Tensor<double>(shape, plain.first[i]),
                               Tensor<double>(shape, again.first[i])) < 1e-12);
            }
        }
        // An f that is destroyed before the backward pass.
        Tape<double> tape;
        const V y0 = tape.variable(random_tensor({2}));
        V y;
        {
            const auto scale = std::make_shared<double>(2);
            y = odeint([scale](double, const V& y) { return -y * *scale; }, y0,
                       std::vector<double>{0, 1}, {.method = method, .checkpoint = true})
                    .values;
        }
        tape.backward(sum(select(y, 0, 1)));
        CHECK(tape.gradient(y0)(0) < 1);
    }
    const auto report = gradcheck(
        [&](const auto& x) {
            return sum(
                square(odeint(f, x[0], std::vector<double>{0, 0.5}, {.checkpoint = true}).values));
        },
        {random_tensor({1, 2})}, parameters(in, out), {.order = 2, .full = 20});
    INFO(report.text());
    CHECK(report.passed());
}
