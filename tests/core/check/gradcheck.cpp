#include "support.hpp"

#include <unroll/core/autograd/record.hpp>
#include <unroll/core/check/precisions.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/module.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>

using namespace test;

namespace {

using V = Variable<double>;
using Options = GradcheckOptions;
using Mode = GradcheckOptions::Mode;
using Verdict = GradcheckReport::Verdict;
using Many = std::vector<V>;

// x^2, with a given rule.
template <class Rule>
V squared(const V& x, Rule rule, Op op = "squared") {
    Tensor<double> value = x.value().copy();
    for (std::size_t i = 0; i < value.size(); ++i) value.data()[i] *= value.data()[i];
    return record<double>(op, {&x}, value, save_for_backward(x), rule);
}
V right_square(const V& x) {
    return squared(
        x, [](const Adjoints<double>& to, const V& g, const V& kept) { to[0].add(g * kept, 2); });
}

V wrong_product(const V& a, const V& b) {
    return record<double>("wrong_product", {&a, &b}, (a * b).value().copy(),
                          save_for_backward(a, b),
                          [](const Adjoints<double>& to, const V& g, const V& x, const V& y) {
                              to[0].add(g * y);
                              to[1].add(g * x, 1.25);
                          });
}

// Rounded to float, like a function that computes in float internally.
V in_float(const V& x, double factor) {
    Tensor<double> value = x.value().copy();
    for (std::size_t i = 0; i < value.size(); ++i)
        value.data()[i] = static_cast<float>(std::sin(std::as_const(value).data()[i]));
    return record<double>("in_float", {&x}, value, save_for_backward(x),
                          [factor](const Adjoints<double>& to, const V& g, const V& kept) {
                              to[0].add(g * cos(kept), factor);
                          });
}

GradcheckReport check(const GradcheckFunction& f, const Tensor<double>& x, Options options = {}) {
    return check_gradients(f, {x}, {}, options);
}

} // namespace

TEST_CASE("the modes of a gradient check") {
    const auto f = [](const std::vector<V>& x) { return tanh(matmul(x[0], x[1])); };
    const std::vector<Tensor<double>> inputs{random_tensor({3, 4}), random_tensor({4, 2}, 2)};
    for (const Mode mode : {Mode::elements, Mode::directions, Mode::together, Mode::jacobian,
                            Mode::taylor, Mode::transpose})
        for (const int order : {1, 2}) {
            const auto report = gradcheck(f, inputs, {}, {.mode = mode, .order = order});
            INFO(report.text());
            CHECK(report.passed());
            CHECK(report.entries.size() == (mode == Mode::together ? 1 : 2));
        }
    CHECK(contains(error_of([&] { gradcheck(f, inputs, {}, {.order = 3}); }),
                   "order must be 1 or 2"));
    CHECK(contains(error_of([&] { gradcheck(f, inputs, {}, {.step = 0}); }), "must be positive"));

    // A rule that is wrong in one of many elements is detected by every mode.
    const auto wrong = [](const std::vector<V>& x) {
        Tensor<double> value = x[0].value().copy();
        return record<double>("wrong", {&x[0]}, value, save_for_backward(),
                              [](const Adjoints<double>& to, const V& g) {
                                  Tensor<double> share = g.value().copy();
                                  share.data()[5] *= 1.01;
                                  to[0].add(V(share));
                              });
    };
    for (const Mode mode : {Mode::elements, Mode::directions, Mode::together, Mode::jacobian}) {
        const auto report = gradcheck(wrong, {random_tensor({3, 4})}, {}, {.mode = mode});
        CHECK_FALSE(report.passed());
        CHECK(report.entries[0].verdict == Verdict::failed);
        if (mode == Mode::elements || mode == Mode::jacobian) CHECK(report.entries[0].index == 5);
        if (mode == Mode::jacobian) CHECK(report.entries[0].output == 5);
    }
}

TEST_CASE("kinks are distinguished from wrong derivatives") {
    const auto verdict = [](auto f, double x, int order = 1) {
        return gradcheck([&](const std::vector<V>& in) { return f(in[0]); },
                         {Tensor<double>({1}, {x})}, {}, {.order = order})
            .entries[0]
            .verdict;
    };
    CHECK(verdict([](const V& x) { return relu(x); }, 0) == Verdict::kink);
    CHECK(verdict([](const V& x) { return relu(x); }, 0.5) == Verdict::passed);
    // A kink nearby has no effect at a smaller step.
    CHECK(verdict([](const V& x) { return abs(x); }, 5e-5) == Verdict::passed);
    CHECK(verdict([](const V& x) { return abs(x - 1); }, 1 + 1e-7) == Verdict::passed);
    CHECK(verdict([](const V& x) { return maximum(x, x * 2); }, 0) == Verdict::kink);
    CHECK(verdict([](const V& x) { return clip(x, -1, 1); }, 1) == Verdict::kink);
    // One-sided slopes that cancel.
    CHECK(verdict([](const V& x) { return abs(x); }, 0) == Verdict::kink);
    CHECK(verdict([](const V& x) { return square(x); }, 0) == Verdict::zero);
    // Kinks of the gradient, which at order 1 are none.
    const auto parabola = [](const V& x) { return square(relu(x)); };
    CHECK(verdict(parabola, 0) == Verdict::passed);
    CHECK(verdict(parabola, 0, 2) == Verdict::kink);
    const auto parabolas = [](const V& x) { return abs(x) * x; };
    CHECK(verdict(parabolas, 0) == Verdict::passed);
    CHECK(verdict(parabolas, 0, 2) == Verdict::kink);
    CHECK(verdict([](const V& x) { return square(maximum(x, 0.0)); }, 0, 2) == Verdict::kink);
    CHECK(verdict([](const V& x) { return x * relu(x); }, 0, 2) == Verdict::kink);
    CHECK(verdict([](const V& x) { return pow(abs(x), 3.0); }, 0, 2) == Verdict::passed);
    // A derivative that is not between the one-sided ones is wrong, not a kink.
    const auto lost = [](const V& x) { return square(relu(x)) + x - stop_gradient(x); };
    CHECK(verdict(lost, 0) == Verdict::failed);
    const auto wrong = [](const V& x) { return relu(x) + 2 * (x - stop_gradient(x)); };
    CHECK(verdict(wrong, 0) == Verdict::failed);
    CHECK(verdict([](const V& x) { return square(stop_gradient(x)) + x; }, 1) == Verdict::failed);
}

TEST_CASE("a function that is not deterministic is reported") {
    int calls = 0;
    const auto report =
        gradcheck([&](const std::vector<V>& x) { return x[0] * static_cast<double>(++calls); },
                  {Tensor<double>({1}, {1.0})});
    CHECK_FALSE(report.passed());
    CHECK(contains(report.text(), "with the same inputs the function gives"));
    CHECK(contains(report.json(), "\"indeterminate\""));
}

TEST_CASE("a report as JSON, with the paths of parameters") {
    nn::Lstm<double> lstm({.input = 2, .hidden = 2});
    const auto report = gradcheck([&](const std::vector<V>& x) { return lstm(x[0]).output; },
                                  {random_tensor({2, 1, 2})}, parameters(lstm));
    const std::string json = report.json();
    CHECK(contains(json, "\"passed\": true"));
    CHECK(contains(json, "\"name\": \"weight_ih_l0\""));
    CHECK(contains(json, "\"verdict\": \"ok\""));
}

TEST_CASE("a model of a million parameters is checked along a few directions") {
    nn::Lstm<double> lstm({.input = 128, .hidden = 416});
    CHECK(nn::parameter_count(lstm) > 900000);
    const auto report =
        gradcheck([&](const std::vector<V>& x) { return sum(square(lstm(x[0]).output)); },
                  {random_tensor({3, 2, 128})}, parameters(lstm),
                  {.mode = GradcheckOptions::Mode::together, .directions = 2});
    INFO(report.text());
    CHECK(report.passed());
}

TEST_CASE("intentionally wrong rules fail, in every mode and at both orders") {
    using A = const Adjoints<double>&;
    const std::vector<GradcheckFunction> wrong = {
        // a factor, a sign
        [](const Many& x) {
            return squared(x[0], [](A to, const V& g, const V& k) { to[0].add(g * k, 2.001); });
        },
        [](const Many& x) {
            return squared(x[0], [](A to, const V& g, const V& k) { to[0].add(g * k, -2); });
        },
        // a dropped addend
        [](const Many& x) {
            return squared(x[0], [](A to, const V& g, const V& k) { to[0].add(g * k); });
        },
        // a sum instead of elements
        [](const Many& x) {
            return squared(x[0], [](A to, const V& g, const V& k) {
                to[0].add(sum(g * k) * (2.0 / static_cast<double>(k.size())));
            });
        },
    };
    const auto x = random_tensor({5, 7}, 3);
    for (std::size_t i = 0; i < wrong.size(); ++i)
        for (const Mode mode :
             {Mode::elements, Mode::directions, Mode::together, Mode::jacobian, Mode::taylor})
            for (const int order : {1, 2}) {
                const auto report = check(wrong[i], x, {.mode = mode, .order = order});
                INFO(i << " " << report.text());
                // At second order the recorded gradient is the derivative of the wrong one.
                if (order == 1) CHECK(report.entries[0].verdict == Verdict::failed);
                CHECK_FALSE(report.undecided());
            }
    // Correct at first order, wrong at second.
    const GradcheckFunction second = [](const Many& in) {
        return squared(in[0],
                       [](A to, const V& g, const V& k) { to[0].add(wrong_product(g, k), 2); });
    };
    CHECK(check(second, x).passed());
    CHECK_FALSE(check(second, x, {.order = 2}).passed());
    // A recorded gradient that is wrong, with the right derivatives of its own.
    const GradcheckFunction recorded = [](const Many& in) {
        return squared(in[0], [](A to, const V& g, const V& k) {
            to[0].add(g * k, to.is_recording() ? 1.9 : 2);
        });
    };
    CHECK(check(recorded, x).passed());
    for (const Mode mode : {Mode::elements, Mode::directions, Mode::together, Mode::jacobian})
        CHECK_FALSE(check(recorded, x, {.mode = mode, .order = 2}).passed());
}

TEST_CASE("a rule that is wrong at one zero of a large tensor is detected after the directions") {
    auto x = random_tensor({40, 50}, 5);
    x.data()[77] = 0;
    const GradcheckFunction f = [](const Many& in) {
        return squared(in[0] + 1.0, [](const Adjoints<double>& to, const V& g, const V& k) {
            Tensor<double> share = (g * k * 2.0).value().copy();
            share.data()[77] *= 1 + 1e-4;
            to[0].add(constant(share));
        });
    };
    const auto report = check(f, x, {.tolerance = 5e-5});
    INFO(report.text());
    CHECK_FALSE(report.passed());
    CHECK_FALSE(report.entries[0].is_direction);
    CHECK(report.entries[0].index == 77);
}

TEST_CASE("the step follows the scale of the values") {
    for (const double scale : {1e-30, 1e-8, 1e-3, 1.0, 1e8, 1e30}) {
        auto x = random_tensor({6}, 2, scale);
        for (const Mode mode : {Mode::elements, Mode::directions, Mode::taylor}) {
            const auto good =
                check([](const Many& in) { return right_square(in[0]); }, x, {.mode = mode});
            INFO(scale << " " << good.text());
            CHECK(good.passed());
            const auto bad = check(
                [](const Many& in) {
                    return squared(in[0], [](const Adjoints<double>& to, const V& g, const V& k) {
                        to[0].add(g * k, 2.0001);
                    });
                },
                x, {.mode = mode});
            INFO(bad.text());
            CHECK(bad.entries[0].verdict == Verdict::failed);
        }
    }
    // Large and small values in one tensor.
    const Tensor<double> mixed({4}, {1e-8, 1e8, -1e-4, 1});
    CHECK(check([](const Many& in) { return right_square(in[0]); }, mixed).passed());
    CHECK(check([](const Many& in) { return sin(in[0] / stop_gradient(in[0]) * 1e-3); },
                Tensor<double>({2}, {1e-8, 1e8}))
              .entries[0]
              .verdict == Verdict::failed);
}

TEST_CASE("steps are reduced at the boundary of a domain") {
    const Tensor<double> x({4}, {1e-9, 1e-6, 1, 1e3});
    for (const auto& [name, f] : std::vector<std::pair<const char*, GradcheckFunction>>{
             {"log", [](const Many& in) { return log(in[0]); }},
             {"sqrt", [](const Many& in) { return sqrt(in[0]); }},
             {"1/x", [](const Many& in) { return 1.0 / in[0]; }}}) {
        const auto report = check(f, x);
        INFO(name << " " << report.text());
        CHECK(report.passed());
        CHECK(check(f, x, {.mode = Mode::directions}).passed());
    }
    // Near the boundary of the domain, which is not at 0.
    const auto near =
        check([](const Many& in) { return log(in[0] - 1.0); }, Tensor<double>({1}, {1 + 1e-7}));
    INFO(near.text());
    CHECK(near.passed());
    CHECK(near.entries[0].is_step_reduced);
    CHECK(contains(near.text(), "step reduced to"));
}

TEST_CASE("noise and wrong gradients are distinguished") {
    const auto x = random_tensor({8}, 4);
    const auto right = check([](const Many& in) { return in_float(in[0], 1); }, x);
    INFO(right.text());
    CHECK(right.undecided());
    CHECK_FALSE(right.passed());
    CHECK(contains(right.text(), "too noisy"));
    CHECK(
        check([](const Many& in) { return in_float(in[0], 1); }, x, {.tolerance = 1e-3}).passed());
    const auto wrong = check([](const Many& in) { return in_float(in[0], 1.01); }, x);
    INFO(wrong.text());
    CHECK(wrong.entries[0].verdict == Verdict::failed);
    // A different value at every position, but always the same at the same position.
    const auto scattered = check(
        [](const Many& in) {
            const double v = in[0].value().item();
            const auto bits = static_cast<std::uint64_t>(std::llround(v * 1e15));
            return in[0] + 1e-3 * Random(bits).uniform();
        },
        Tensor<double>({1}, {0.7}));
    INFO(scattered.text());
    CHECK(scattered.entries[0].verdict == Verdict::noisy);
}

TEST_CASE("the remainder of a Taylor polynomial") {
    const auto x = random_tensor({6}, 8);
    const auto right = check([](const Many& in) { return exp(in[0]); }, x, {.mode = Mode::taylor});
    INFO(right.text());
    CHECK(right.passed());
    for (const auto& r : right.remainders) CHECK(r.slope == doctest::Approx(2).epsilon(0.05));
    const auto wrong = check(
        [](const Many& in) {
            return squared(in[0], [](const Adjoints<double>& to, const V& g, const V& k) {
                to[0].add(g * k, 2.01);
            });
        },
        x, {.mode = Mode::taylor});
    INFO(wrong.text());
    CHECK_FALSE(wrong.passed());
    for (const auto& r : wrong.remainders) CHECK(r.slope == doctest::Approx(1).epsilon(0.05));
    CHECK(contains(wrong.svg(), "slope 2"));
    CHECK(contains(wrong.json(), "\"remainders\""));
    // A linear function has no remainder.
    const auto linear =
        check([](const Many& in) { return in[0] * 3.0; }, x, {.mode = Mode::taylor});
    INFO(linear.text());
    CHECK(linear.passed());
}

TEST_CASE("the operation with the wrong rule is reported with its line") {
    const auto x = random_tensor({3, 4}, 6);
    const GradcheckFunction f = [](const Many& in) {
        const V a = tanh(in[0]);
        const V b = squared(
            a, [](const Adjoints<double>& to, const V& g, const V& k) { to[0].add(g * k, 2.01); },
            Op("wrong_square"));
        return exp(b) * a;
    };
    for (const Mode mode : {Mode::elements, Mode::directions, Mode::jacobian}) {
        const auto report = check(f, x, {.mode = mode, .locate = true});
        INFO(report.text());
        CHECK(contains(report.located, "the rule of 'wrong_square' (at "));
        CHECK(contains(report.located, "gradcheck.cpp:"));
    }
    const auto stopped = check([](const Many& in) { return in[0] * stop_gradient(sin(in[0])); }, x,
                               {.locate = true});
    INFO(stopped.text());
    CHECK(contains(stopped.located, "is a constant on the tape"));
    CHECK(check([](const Many& in) { return tanh(in[0]); }, x, {.locate = true}).located.empty());
}

TEST_CASE("a transposed Jacobian without differences") {
    nn::Lstm<double> lstm({.input = 3, .hidden = 4});
    const auto report =
        gradcheck([&](const Many& in) { return lstm(in[0]).output; }, {random_tensor({4, 2, 3})},
                  parameters(lstm), {.mode = Mode::transpose});
    INFO(report.text());
    CHECK(report.passed());
    for (const auto& e : report.entries) CHECK(e.relative <= 1e-12);
    // The rule gives different results in place and recorded.
    const auto wrong = check(
        [](const Many& in) {
            return squared(in[0], [](const Adjoints<double>& to, const V& g, const V& k) {
                to[0].add(g * k, to.is_recording() ? 2.0 : 2 + 1e-10);
            });
        },
        random_tensor({5}), {.mode = Mode::transpose});
    CHECK_FALSE(wrong.passed());
}

TEST_CASE("constants and the number of evaluations") {
    const auto x = random_tensor({10}, 7);
    const auto constant = check([](const Many& in) { return stop_gradient(in[0]) * 0.0 + 1.0; }, x);
    CHECK(constant.zero_everywhere());
    CHECK_FALSE(constant.passed());
    const auto report = check([](const Many& in) { return tanh(in[0]); }, x);
    CHECK(report.evaluations <= 2 + 2 * 10 + 2 + 4);
    CHECK(report.entries[0].uncertainty < 1e-6);
    CHECK(
        contains(error_of([] { gradcheck([](const Many&) { return Variable<double>(1.0); }, {}); }),
                 "no input and no trainable parameter"));
}

TEST_CASE("the same model in float and in double") {
    nn::seed(3);
    nn::Lstm<float> low({.input = 3, .hidden = 5});
    nn::Lstm<double> high({.input = 3, .hidden = 5});
    const auto before = parameters(high)[0].value().copy();
    const auto x = random_tensor<float>({6, 2, 3});
    Tensor<double> wide(x.shape());
    for (std::size_t i = 0; i < x.size(); ++i) wide.data()[i] = std::as_const(x).data()[i];
    const auto compare = [&](float factor) {
        return compare_precisions([&] { return sum(square(low(x).output)) * factor; },
                                  parameters(low), [&] { return sum(square(high(wide).output)); },
                                  parameters(high));
    };
    const auto right = compare(1);
    INFO(right.text());
    CHECK(right.passed());
    for (const auto& e : right.entries) CHECK(e.tolerance < 1e-4);
    CHECK_FALSE(compare(1.001F).passed());
    CHECK(parameters(high)[0].value() == before);
    nn::Lstm<double> other({.input = 3, .hidden = 4});
    CHECK(contains(error_of([&] {
                       compare_precisions([&] { return low(x).output; }, parameters(low),
                                          [&] { return other(wide).output; }, parameters(other));
                   }),
                   "in number, path, shape"));
}

TEST_CASE("a report says why a derivative passed in spite of its relative error") {
    const auto f = [](const std::vector<V>& x) { return 1e6 * x[0] + 1e-6 * x[1]; };
    const Tensor<double> one = Tensor<double>::scalar(1);
    const auto report = gradcheck(f, {one, one});
    INFO(report.text());
    CHECK(report.passed());
    CHECK(report.entries[0].reason == std::string());
    CHECK(report.entries[1].relative > 1e-6);
    CHECK(contains(report.text(), "(above the tolerance, but the difference is rounding of the "
                                  "result)"));
    CHECK(contains(report.json(), "\"reason\": \"the difference is rounding"));
}
