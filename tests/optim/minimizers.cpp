#include "support.hpp"

#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>
#include <unroll/optim/checkpoint.hpp>
#include <unroll/optim/second_order/lbfgs.hpp>
#include <unroll/optim/second_order/newton_cg.hpp>

#include <filesystem>
#include <stdexcept>

#include <unistd.h>

using namespace test;
using optim::Stop;

namespace {

template <class T>
Variable<T> rosenbrock(const Variable<T>& x) {
    const auto a = select(x, 0, 0), b = select(x, 0, 1);
    return square(1 - a) + 100 * square(b - square(a));
}

template <class T>
Variable<T> quartic(const Variable<T>& x) {
    Tensor<T> scale(x.shape());
    for (std::size_t i = 0; i < x.size(); ++i) scale.data()[i] = static_cast<T>(i + 1);
    return sum(scale * square(x - 1)) + square(square(sum(x))) / 16;
}

template <class T>
Parameter<T> start(std::initializer_list<T> values) {
    return Parameter<T>("x", Tensor<T>({values.size()}, values));
}

template <class T, class F>
double difference_from_golden(const std::string& name, const F& f, Parameter<T> x,
                              std::size_t memory) {
    const auto expected = golden("optimizers").get<double>("lbfgs." + name);
    optim::Lbfgs<T> lbfgs(parameters(x), {.max_iterations = 1,
                                          .max_evaluations = 100,
                                          .memory = memory,
                                          .gradient_tolerance = 0,
                                          .change_tolerance = 1e-9});
    double worst = 0;
    for (std::size_t i = 0; i < expected.shape(0); ++i) {
        lbfgs.step([&] { return f(x); });
        for (std::size_t k = 0; k < x.size(); ++k)
            worst = std::max(worst, std::abs(static_cast<double>(x.value()(k)) - expected(i, k)));
    }
    return worst;
}

// Binary classification with L2 regularisation, strictly convex: one minimum.
template <class T>
struct Regression {
    nn::Linear<T> layer{{.input = 4, .output = 1}};
    Tensor<T> x = random_tensor<T>({32, 4}, 3), target = Tensor<T>::zeros({32, 1});

    Regression() {
        for (std::size_t i = 0; i < 32; ++i)
            target(i, 0) = x(i, 0) + T(0.5) * x(i, 1) + T(0.3) * x(i, 2) * x(i, 3) > 0 ? 1 : 0;
    }
    Variable<T> loss() const {
        return binary_cross_entropy(layer(x), target) + T(0.01) * sum(square(layer.weight)) +
               T(0.01) * sum(square(layer.bias));
    }
};

} // namespace

TEST_CASE("iterates of L-BFGS equal PyTorch's") {
    CHECK(difference_from_golden<double>("quartic", quartic<double>,
                                         start<double>({3, -2, 1.5, 0.25, -4, 2}), 3) < 1e-12);
    CHECK(difference_from_golden<double>("rosenbrock", rosenbrock<double>, start<double>({-1.2, 1}),
                                         100) < 1e-10);
    CHECK(difference_from_golden<float>("quartic", quartic<float>,
                                        start<float>({3, -2, 1.5, 0.25, -4, 2}), 3) < 1e-3);
}

TEST_CASE_TEMPLATE("minimisers find the minimum of Rosenbrock's function", T, float, double) {
    const double tolerance = std::is_same_v<T, float> ? 2e-3 : 1e-7;
    auto x = start<T>({T(-1.2), 1}), y = start<T>({T(-1.2), 1});
    optim::Lbfgs<T> lbfgs(parameters(x), {.max_iterations = 200, .change_tolerance = 0});
    optim::NewtonCg<T> newton(parameters(y), {.max_iterations = 200, .change_tolerance = 0});
    const auto a = lbfgs.step([&] { return rosenbrock<T>(x); });
    const auto b = newton.step([&] { return rosenbrock<T>(y); });
    for (const auto& result : {a, b}) {
        CAPTURE(std::string(to_string(result.stop)));
        CHECK(result.initial_loss == doctest::Approx(24.2));
        CHECK(result.loss < 1e-5);
        CHECK(result.stop != Stop::iterations);
        CHECK(result.stop != Stop::evaluations);
        CHECK(result.iterations < 100);
    }
    CHECK(distance(x.value(), Tensor<T>::ones({2})) < tolerance);
    CHECK(distance(y.value(), Tensor<T>::ones({2})) < tolerance);
    CHECK(a.hessian_products == 0);
    CHECK(b.hessian_products >= b.iterations);
    CHECK(lbfgs.steps() == 1);
    CHECK_FALSE(x.has_gradient());
}

TEST_CASE("a step says why it stopped") {
    const auto run = [](const optim::LbfgsOptions& options) {
        auto x = start<double>({-1.2, 1});
        optim::Lbfgs<double> lbfgs(parameters(x), options);
        return lbfgs.step([&] { return rosenbrock<double>(x); });
    };
    auto result = run({.max_iterations = 3, .max_evaluations = 100});
    CHECK(result.stop == Stop::iterations);
    CHECK(result.iterations == 3);
    CHECK_FALSE(result.has_converged());
    result = run({.max_iterations = 100, .max_evaluations = 4});
    CHECK(result.stop == Stop::evaluations);
    CHECK(result.evaluations >= 4);
    result = run({.max_iterations = 100, .gradient_tolerance = 1e-3});
    CHECK(result.stop == Stop::gradient);
    CHECK(result.gradient <= 1e-3);
    CHECK(result.has_converged());
    result = run({.max_iterations = 100, .gradient_tolerance = 0, .change_tolerance = 1e-4});
    CHECK(result.stop == Stop::change);
    result = run({.gradient_tolerance = 1e4});
    CHECK(result.stop == Stop::gradient);
    CHECK(result.iterations == 0);
    CHECK(result.evaluations == 1);
    CHECK(result.loss == result.initial_loss);
    CHECK(std::string(to_string(result.stop)) == "the gradient is within the tolerance");

    // A gradient that does not belong to the loss: no step along it is lower.
    auto x = start<double>({1, 1});
    optim::Lbfgs<double> lbfgs(parameters(x));
    const auto wrong =
        lbfgs.step([&] { return stop_gradient(2 * sum(square(x))) - sum(square(x)); });
    CHECK(wrong.stop == Stop::line_search);
    CHECK(x.value() == Tensor<double>::ones({2}));
}

TEST_CASE("Newton-CG minimises a quadratic function in one iteration") {
    auto x = start<double>({3, -2, 1.5, 0.25});
    const Tensor<double> scale({4}, {1, 10, 100, 1000});
    optim::NewtonCg<double> newton(parameters(x), {.gradient_tolerance = 1e-9});
    const auto result = newton.step([&] { return sum(scale * square(x - 1)); });
    CHECK(result.iterations <= 4); // conjugate gradients stop early far from the minimum
    CHECK(distance(x.value(), Tensor<double>::ones({4})) < 1e-9);
    CHECK(result.stop == Stop::gradient);
    CHECK(newton.state().empty());
}

TEST_CASE("Newton-CG leaves a saddle by a direction of negative curvature") {
    auto x = start<double>({0.1, 1});
    optim::NewtonCg<double> newton(parameters(x), {.max_iterations = 50, .change_tolerance = 0});
    const auto result = newton.step([&] {
        const auto a = select(Variable<double>(x), 0, 0), b = select(Variable<double>(x), 0, 1);
        return square(square(a)) - 2 * square(a) + square(b); // minima at (-1, 0) and (1, 0)
    });
    CHECK(result.loss == doctest::Approx(-1).epsilon(1e-12));
    // Damping larger than the negative curvature.
    auto y = start<double>({0.1, 1});
    optim::NewtonCg<double> damped(parameters(y), {.max_iterations = 200, .damping = 8});
    CHECK(damped
              .step([&] {
                  const auto a = select(Variable<double>(y), 0, 0),
                             b = select(Variable<double>(y), 0, 1);
                  return square(square(a)) - 2 * square(a) + square(b);
              })
              .loss == doctest::Approx(-1).epsilon(1e-6));
    // A loss without curvature falls back to steepest descent.
    auto z = start<double>({1, 2});
    optim::NewtonCg<double> linear(parameters(z), {.max_iterations = 1});
    CHECK(linear.step([&] { return sum(z); }).loss < 3);
}

TEST_CASE("points where the loss is not finite are too far") {
    for (const double rate : {1.0, 10.0, 1e6}) {
        auto x = start<double>({5.0, 0.2});
        optim::Lbfgs<double> lbfgs(
            parameters(x), {.learning_rate = rate, .max_iterations = 100, .change_tolerance = 0});
        const auto a = lbfgs.step([&] { return sum(x - log(x)); }); // NaN below 0
        CHECK(distance(x.value(), Tensor<double>::ones({2})) < 1e-6);
        auto y = start<double>({5.0, 0.2});
        optim::NewtonCg<double> newton(
            parameters(y), {.learning_rate = rate, .max_iterations = 100, .change_tolerance = 0});
        const auto b = newton.step([&] { return sum(y - log(y)); });
        CHECK(distance(y.value(), Tensor<double>::ones({2})) < 1e-6);
        CHECK(std::isfinite(a.loss + b.loss));
    }
}

TEST_CASE_TEMPLATE("both minimisers find the same weights of a layer", T, float, double) {
    nn::seed(4);
    Regression<T> first;
    Regression<T> second = first;
    optim::Lbfgs<T> lbfgs(parameters(first.layer), {.max_iterations = 100, .change_tolerance = 0});
    optim::NewtonCg<T> newton(parameters(second.layer),
                              {.max_iterations = 100, .change_tolerance = 0});
    // The module moves after the minimiser was constructed.
    const Regression<T> moved = std::move(second);
    const auto a = lbfgs.step([&] { return first.loss(); });
    const auto b = newton.step([&] { return moved.loss(); });
    CHECK(a.loss == doctest::Approx(b.loss).epsilon(1e-6));
    const double tolerance = std::is_same_v<T, float> ? 2e-3 : 1e-6;
    CHECK(distance(first.layer.weight.value(), moved.layer.weight.value()) < tolerance);
}

TEST_CASE("frozen parameters do not change") {
    Regression<double> net;
    optim::Lbfgs<double> lbfgs(parameters(net.layer), {.max_iterations = 5});
    optim::NewtonCg<double> newton(parameters(net.layer), {.max_iterations = 5});
    // The memory has steps of the bias.
    lbfgs.step([&] { return net.loss(); });
    net.layer.bias.set_trainable(false);
    net.layer.weight.set(random_tensor(net.layer.weight.shape(), 8));
    const auto bias = net.layer.bias.value().copy();
    for (int i = 0; i < 2; ++i) {
        const auto result = lbfgs.step([&] { return net.loss(); });
        CHECK(result.loss <= result.initial_loss);
        CHECK(net.layer.bias.value() == bias);
        net.layer.weight.set(random_tensor(net.layer.weight.shape(), 9));
        CHECK(newton.step([&] { return net.loss(); }).iterations > 0);
        CHECK(net.layer.bias.value() == bias);
    }
}

TEST_CASE("L-BFGS resumes bit for bit") {
    const std::string path = (std::filesystem::temp_directory_path() /
                              ("unroll_test_" + std::to_string(::getpid()) + "lbfgs.safetensors"))
                                 .string();
    nn::seed(4);
    Regression<float> net;
    optim::Lbfgs<float> lbfgs(parameters(net.layer), {.max_iterations = 3, .memory = 4});
    lbfgs.step([&] { return net.loss(); });
    lbfgs.step([&] { return net.loss(); });
    CHECK(to_string(lbfgs.state().at("weight.steps").shape()) == "[4, 4]");
    CHECK(to_string(lbfgs.state().at("bias.gradient_changes").shape()) == "[4, 1]");
    optim::Checkpoint<float>{.parameters = lbfgs.parameters(), .optimizer = &lbfgs}.save(path);

    Regression<float> other;
    optim::Lbfgs<float> resumed(parameters(other.layer), {.max_iterations = 3, .memory = 4});
    optim::Checkpoint<float>{.parameters = resumed.parameters(), .optimizer = &resumed}.load(path);
    CHECK(resumed.steps() == 2);
    CHECK(resumed.state() == lbfgs.state());
    optim::Lbfgs<float> copy(resumed);
    CHECK(other.layer.weight.parameter().optimizers == 2);
    lbfgs.step([&] { return net.loss(); });
    resumed.step([&] { return other.loss(); });
    CHECK(other.layer.weight.value() == net.layer.weight.value());
    CHECK(resumed.state() == lbfgs.state());
    CHECK(copy.steps() == 2);

    // A state that does not fit changes nothing.
    const auto before = copy.state();
    auto state = lbfgs.state();
    state["bias.steps"] = Tensor<float>::zeros({3, 1});
    CHECK(contains(error_of([&] { copy.restore(state, 9); }),
                   "misshaped: bias.steps is [3, 1], expected [4, 1]"));
    CHECK(contains(error_of([&] { copy.restore({}, 9); }), "missing: weight.steps"));
    optim::Lbfgs<float> small(parameters(other.layer), {.memory = 2});
    CHECK(contains(error_of([&] { small.restore(lbfgs.state(), 9); }),
                   "4 earlier steps for a memory of 2"));
    CHECK(copy.state() == before);
    std::filesystem::remove(path);
}

TEST_CASE("an error in a step of a minimiser changes nothing") {
    Regression<double> net;
    optim::Lbfgs<double> lbfgs(parameters(net.layer), {.max_iterations = 5});
    optim::NewtonCg<double> newton(parameters(net.layer), {.max_iterations = 5});
    lbfgs.step([&] { return net.loss(); });
    net.layer.weight.set(random_tensor(net.layer.weight.shape(), 8));
    const auto weight = net.layer.weight.value().copy();
    const auto state = lbfgs.state();
    const auto check = [&](const auto& closure, const std::string& message) {
        for (optim::Minimizer<double>* m : {static_cast<optim::Minimizer<double>*>(&lbfgs),
                                            static_cast<optim::Minimizer<double>*>(&newton)}) {
            const auto steps = m->steps();
            const std::string error = error_of([&] { m->step(closure); });
            CAPTURE(error);
            CHECK(contains(error, message));
            CHECK(contains(error, "minimizers.cpp:"));
            CHECK(net.layer.weight.value() == weight);
            CHECK_FALSE(net.layer.weight.has_gradient());
            CHECK(m->steps() == steps);
        }
        CHECK(lbfgs.state() == state);
    };
    int calls = 0;
    for (const int failing : {1, 2, 3, 4, 6})
        check(
            [&] {
                if (++calls % failing == 0) fail(Op("test"), "thrown by the closure");
                return net.loss();
            },
            "thrown by the closure");
    check([&] { return net.layer(net.x); }, "must return the loss, a scalar, got shape [32, 1]");
    check([&] { return net.loss() / 0.0; }, "the loss is not finite");
    check([&] { return Variable<double>(1.0); }, "no parameter has a gradient");
    check(
        [&] {
            Tape<double> tape;
            tape.backward(net.loss());
            return net.loss();
        },
        "must not call backward");
    nn::Linear<double> unlisted({.input = 1, .output = 1});
    check([&] { return net.loss() + sum(square(unlisted.weight)); }, "that no optimiser holds");
    lbfgs.allow_unlisted(true);
    lbfgs.step([&] { return net.loss() + sum(square(unlisted.weight)); });
    unlisted.weight.clear_gradient();

    Parameter<double> root("root", Tensor<double>::scalar(0));
    optim::Lbfgs<double> infinite(parameters(root));
    CHECK(contains(error_of([&] { infinite.step([&] { return sqrt(root); }); }),
                   "the gradient of 'root' is not finite"));
    optim::Lbfgs<double> none(Parameters<double>{});
    CHECK(
        contains(error_of([&] { none.step([&] { return net.loss(); }); }), "holds no parameters"));
    auto moved = std::move(lbfgs);
    CHECK(contains(error_of([&] { lbfgs.step([&] { return net.loss(); }); }), "moved from"));
    CHECK(moved.step([&] { return net.loss(); }).iterations > 0);
}

TEST_CASE("options of minimisers out of range are errors") {
    auto x = start<double>({1, 2});
    const auto all = parameters(x);
    using namespace optim;
    const auto check = [&](const auto& make, const std::string& message) {
        const std::string error = error_of(make);
        CAPTURE(error);
        CHECK(contains(error, message));
        CHECK(contains(error, "minimizers.cpp:"));
        CHECK(x.parameter().optimizers == 0);
    };
    check([&] { Lbfgs<double>(all, {.learning_rate = 0}); },
          "Lbfgs: the learning rate must be positive and finite, got 0");
    check([&] { Lbfgs<double>(all, {.max_iterations = 0}); }, "max_iterations must be at least 1");
    check([&] { Lbfgs<double>(all, {.memory = 0}); }, "Lbfgs: memory must be at least 1, got 0");
    check([&] { Lbfgs<double>(all, {.gradient_tolerance = -1}); },
          "gradient_tolerance must be at least 0");
    check([&] { NewtonCg<double>(all, {.change_tolerance = NAN}); },
          "NewtonCg: change_tolerance must be at least 0");
    check([&] { NewtonCg<double>(all, {.damping = -1}); }, "NewtonCg: damping must be at least 0");
    auto y = start<double>({1, 2});
    check([&] { Lbfgs<double>(parameters(x, y)); }, "two parameters have the path 'x'");
}

TEST_CASE("minimisers of parameters without elements or not in the loss") {
    auto x = start<double>({3, -2});
    Parameter<double> empty("empty", Tensor<double>(Shape{0, 3}));
    Parameter<double> unused("unused", Tensor<double>::ones({3}));
    optim::Lbfgs<double> lbfgs(parameters(x, empty, unused));
    optim::NewtonCg<double> newton(parameters(x, empty, unused));
    lbfgs.step([&] { return sum(square(x)) + sum(empty); });
    CHECK(distance(x.value(), Tensor<double>::zeros({2})) < 1e-6);
    x.set(Tensor<double>::ones({2}));
    newton.step([&] { return sum(square(x)) + sum(empty); });
    CHECK(distance(x.value(), Tensor<double>::zeros({2})) < 1e-6);
    CHECK(unused.value() == Tensor<double>::ones({3}));
    optim::Lbfgs<double> other(parameters(x, empty, unused));
    other.restore(lbfgs.state(), 1);
    CHECK(other.state() == lbfgs.state());
}
