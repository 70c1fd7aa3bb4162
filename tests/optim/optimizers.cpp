#include "support.hpp"

#include <unroll/nn/module.hpp>
#include <unroll/optim/optimizer.hpp>

using namespace test;

namespace {

// 20 steps in float against the formula in double: f(t, w, g, a, b) changes w and its state a, b.
template <class Optimizer, class Formula>
void compare_in_float(Optimizer optimizer, Parameter<float>& p, const Formula& formula) {
    const std::size_t n = p.size();
    std::vector<double> w, a(n, 0), b(n, 0);
    for (const float v : p.value().to_vector()) w.push_back(v);
    double worst = 0;
    for (int t = 1; t <= 20; ++t) {
        const auto g = random_tensor<float>({n}, static_cast<std::uint64_t>(t));
        p.gradient_buffer().assign(g);
        p.mark_gradient();
        optimizer.step();
        const auto seen = p.value().to_vector();
        for (std::size_t i = 0; i < n; ++i) {
            formula(t, w[i], static_cast<double>(g.to_vector()[i]), a[i], b[i]);
            worst = std::max(worst, std::abs(seen[i] - w[i]) / std::max(1.0, std::abs(w[i])));
        }
    }
    CHECK(worst < 1e-6);
}

} // namespace

TEST_CASE("constants of optimisers are computed in double and rounded once") {
    for (const double decay : {0.0, 0.1, 0.9, 0.999, 0.99999}) {
        CAPTURE(decay);
        const auto fresh = [] { return Parameter<float>("w", random_tensor<float>({37}, 99)); };
        Parameter<float> w1 = fresh(), w2 = fresh(), w3 = fresh(), w4 = fresh(), w5 = fresh();
        compare_in_float(
            optim::Adam<float>(parameters(w1), {.learning_rate = 0.01, .beta2 = decay}), w1,
            [&](int t, double& w, double g, double& m, double& s) {
                m = 0.9 * m + (1 - 0.9) * g;
                s = decay * s + (1 - decay) * g * g;
                w -= 0.01 * m / (1 - std::pow(0.9, t)) /
                     (std::sqrt(s / (1 - std::pow(decay, t))) + 1e-8);
            });
        compare_in_float(optim::AdamW<float>(parameters(w2),
                                             {.learning_rate = 0.01, .beta1 = 0.0, .beta2 = decay}),
                         w2, [&](int t, double& w, double g, double&, double& s) {
                             s = decay * s + (1 - decay) * g * g;
                             w -= 0.01 *
                                  (g / (std::sqrt(s / (1 - std::pow(decay, t))) + 1e-8) + 0.01 * w);
                         });
        // A decay near 1 makes the first steps of RMSprop large.
        compare_in_float(
            optim::Rmsprop<float>(
                parameters(w3),
                {.learning_rate = 1e-4, .decay = decay, .momentum = 0.5, .weight_decay = 0.01}),
            w3, [&](int, double& w, double g, double& s, double& v) {
                g += 0.01 * w;
                s = decay * s + (1 - decay) * g * g;
                v = 0.5 * v + g / (std::sqrt(s) + 1e-8);
                w -= 1e-4 * v;
            });
        compare_in_float(
            optim::Sgd<float>(parameters(w4),
                              {.learning_rate = 1e-3, .momentum = decay, .nesterov = decay > 0}),
            w4, [&](int, double& w, double g, double& v, double&) {
                v = decay * v + g;
                w -= 1e-3 * (g + decay * v);
            });
        compare_in_float(optim::Adagrad<float>(parameters(w5), {.learning_rate = 0.01}), w5,
                         [&](int, double& w, double g, double& s, double&) {
                             s += g * g;
                             w -= 0.01 * g / (std::sqrt(s) + 1e-10);
                         });
    }
}

TEST_CASE("moving averages in float remain accurate in long runs") {
    Parameter<float> w("w", Tensor<float>::zeros({1}));
    const double decay = 0.99999;
    optim::Rmsprop<float> rmsprop(parameters(w), {.learning_rate = 1e-9, .decay = decay});
    optim::Sgd<float> sgd(parameters(w), {.learning_rate = 1e-9, .momentum = decay});
    double squares = 0, sum = 0;
    Random random(1);
    for (int t = 0; t < 500'000; ++t) {
        const auto g = static_cast<float>(random.uniform());
        squares = decay * squares + (1 - decay) * g * g;
        sum = decay * sum + g;
        for (optim::Optimizer<float>* o : {static_cast<optim::Optimizer<float>*>(&rmsprop),
                                           static_cast<optim::Optimizer<float>*>(&sgd)}) {
            w.gradient_buffer().fill(g);
            w.mark_gradient();
            o->step();
        }
    }
    CHECK(rmsprop.state().at("w.squares").item() == doctest::Approx(squares).epsilon(5e-5));
    CHECK(sgd.state().at("w.momentum").item() == doctest::Approx(sum).epsilon(5e-5));
}

TEST_CASE("bias correction counts the updates of each parameter") {
    Parameter<double> early("early", Tensor<double>::zeros({1})),
        late("late", Tensor<double>::zeros({1}));
    optim::Adam<double> adam(parameters(early, late), {.learning_rate = 0.1});
    const auto step = [&](Parameter<double>& p) {
        p.gradient_buffer().fill(2);
        p.mark_gradient();
        adam.step();
    };
    step(early);
    const double first = early.value().to_vector()[0];
    for (int i = 0; i < 100; ++i) step(early);
    step(late);
    CHECK(first == doctest::Approx(-0.1));
    CHECK(late.value().to_vector()[0] == doctest::Approx(first));
}

TEST_CASE("a non-finite gradient is an error, or skipped on request") {
    Parameter<double> w("w", Tensor<double>::ones({2}));
    optim::Sgd<double> sgd(parameters(w));
    w.gradient_buffer().fill(NAN);
    w.mark_gradient();
    CHECK(contains(error_of([&] { sgd.step(); }), "the gradient of 'w' is not finite"));
    CHECK(w.value() == Tensor<double>::ones({2}));
    sgd.on_non_finite(optim::NonFinite::skip);
    CHECK_FALSE(sgd.step());
    CHECK(w.value() == Tensor<double>::ones({2}));
    CHECK(sgd.steps() == 0);
}

TEST_CASE("options out of range are errors") {
    Parameter<double> w("w", Tensor<double>::ones({2}));
    const auto all = parameters(w);
    using namespace optim;
    CHECK(contains(error_of([&] { Sgd<double>(all, {.learning_rate = -1}); }), "learning rate"));
    CHECK(contains(error_of([&] { Sgd<double>(all, {.momentum = 1}); }), "momentum"));
    CHECK(contains(error_of([&] { Sgd<double>(all, {.nesterov = true}); }), "Nesterov"));
    CHECK(contains(error_of([&] { Sgd<double>(all, {.weight_decay = NAN}); }), "weight decay"));
    CHECK(contains(error_of([&] { Rmsprop<double>(all, {.decay = 1.5}); }), "decay"));
    CHECK(contains(error_of([&] { Adam<double>(all, {.beta1 = 1}); }), "beta1"));
    for (const std::string& message :
         {error_of([&] { Adam<double>(all, {.epsilon = -1e-8}); }),
          error_of([&] { Rmsprop<double>(all, {.epsilon = std::nan("")}); }),
          error_of([&] { Adagrad<double>(all, {.epsilon = -1}); })})
        CHECK(contains(message, "epsilon must be at least 0 and finite, got "));
    CHECK(contains(error_of([&] { Adam<double>(all, {.beta2 = -0.1}); }), "beta2"));
    Adam<double> adam(all);
    CHECK(contains(error_of([&] { adam.set_learning_rate(NAN); }), "learning rate"));
    CHECK(w.parameter().optimizers == 1); // that of adam
}

TEST_CASE("finite gradients of any size leave weights finite, and training goes on") {
    const auto check = [](const std::string& name, const auto& train) {
        CAPTURE(name);
        Parameter<float> p("p", Tensor<float>({1}, {1}));
        const auto step = [&p](auto& optimizer, float gradient) {
            p.gradient_buffer().fill(gradient);
            p.mark_gradient();
            optimizer.step();
            CHECK(std::isfinite(p.value()(0)));
        };
        train(Parameters<float>{{"p", p}}, [&](auto& optimizer) {
            step(optimizer, 1e20f);
            const float before = p.value()(0);
            for (int i = 0; i < 200'000; ++i) step(optimizer, 1);
            CHECK(p.value()(0) < before - 1);
            step(optimizer, 3e38f);
            step(optimizer, -3e38f);
        });
    };
    check("Adam", [](const auto& all, const auto& run) {
        optim::Adam<float> adam(all);
        run(adam);
    });
    check("Rmsprop", [](const auto& all, const auto& run) {
        optim::Rmsprop<float> rmsprop(all);
        run(rmsprop);
    });
}
