#include "support.hpp"

#include <unroll/nn/module.hpp>
#include <unroll/optim/checkpoint.hpp>
#include <unroll/optim/optimizer.hpp>

#include <functional>
#include <memory>

using namespace test;

namespace {

template <class T>
using Make = std::function<std::unique_ptr<optim::Optimizer<T>>(const Parameters<T>&)>;

template <class T, class Options>
Make<T> maker(const Options& options) {
    return [options](const Parameters<T>& all) {
        return std::unique_ptr<optim::Optimizer<T>>(
            new optim::OptimizerOf<T, Options>(all, options));
    };
}

// Every optimiser, by its name in the golden file.
template <class T>
std::vector<std::pair<std::string, Make<T>>> all_optimizers() {
    using namespace optim;
    return {
        {"sgd", maker<T>(SgdOptions{.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.01})},
        {"nesterov", maker<T>(SgdOptions{.learning_rate = 0.1, .momentum = 0.9, .nesterov = true})},
        {"adagrad", maker<T>(AdagradOptions{.learning_rate = 0.1})},
        {"adadelta", maker<T>(AdadeltaOptions{.weight_decay = 0.01})},
        {"rmsprop", maker<T>(RmspropOptions{.learning_rate = 0.1, .momentum = 0.5})},
        {"rmsprop_centered",
         maker<T>(RmspropOptions{.learning_rate = 0.1, .momentum = 0.5, .centered = true})},
        {"adam", maker<T>(AdamOptions{.learning_rate = 0.1, .weight_decay = 0.01})},
        {"adam_amsgrad",
         maker<T>(AdamOptions{.learning_rate = 0.1, .beta2 = 0.6, .amsgrad = true})},
        {"adamw", maker<T>(AdamWOptions{.learning_rate = 0.1})},
        {"adamw_amsgrad",
         maker<T>(AdamWOptions{.learning_rate = 0.1, .beta2 = 0.6, .amsgrad = true})},
        {"nadam", maker<T>(NAdamOptions{.learning_rate = 0.1, .weight_decay = 0.01})},
        {"nadam_decoupled", maker<T>(NAdamOptions{.learning_rate = 0.1,
                                                  .momentum_decay = 0.5,
                                                  .weight_decay = 0.01,
                                                  .decoupled = true})},
        {"radam", maker<T>(RAdamOptions{.learning_rate = 0.1, .weight_decay = 0.01})},
        {"radam_decoupled",
         maker<T>(RAdamOptions{
             .learning_rate = 0.1, .beta2 = 0.99, .weight_decay = 0.01, .decoupled = true})},
        {"adamax", maker<T>(AdamaxOptions{.learning_rate = 0.1, .weight_decay = 0.01})},
        {"lion", maker<T>(LionOptions{.learning_rate = 0.01, .weight_decay = 0.1})},
        // The golden file was computed with the machine epsilon of double.
        {"adafactor", maker<T>(AdafactorOptions{
                          .learning_rate = 0.1, .epsilon1 = 0x1p-52, .weight_decay = 0.01})},
    };
}

template <class T>
Tensor<T> converted(const Tensor<double>& x) {
    Tensor<T> y(x.shape());
    const auto numbers = x.to_vector();
    for (std::size_t i = 0; i < numbers.size(); ++i) y.data()[i] = static_cast<T>(numbers[i]);
    return y;
}

template <class T>
void give(const ParameterRef<T>& p, const Tensor<T>& gradient) {
    p.gradient_buffer().assign(gradient);
    p.mark_gradient();
}

// The largest difference over 20 steps, relative to the largest weight.
template <class T>
double difference_from_golden(const std::string& name, const Make<T>& make) {
    const auto file = golden("optimizers");
    const auto read = [&](const std::string& tensor) { return file.get<double>(tensor); };
    Parameter<T> matrix("matrix", converted<T>(read("start.matrix")));
    Parameter<T> vector("vector", converted<T>(read("start.vector")));
    const auto optimizer = make(parameters(matrix, vector));
    double worst = 0;
    for (std::size_t t = 0; t < 20; ++t) {
        for (const ParameterRef<T>* p : {&matrix, &vector})
            give(*p, converted<T>(read("gradients." + p->name()).select(0, t)));
        CHECK(optimizer->step());
        for (const ParameterRef<T>* p : {&matrix, &vector}) {
            CHECK_FALSE(p->has_gradient());
            Tensor<double> value(p->shape());
            const auto numbers = p->value().to_vector();
            std::copy(numbers.begin(), numbers.end(), value.data());
            worst = std::max(worst, distance(value, read(name + "." + p->name()).select(0, t)));
        }
    }
    return worst;
}

} // namespace

TEST_CASE("optimisers equal PyTorch's") {
    for (const auto& [name, make] : all_optimizers<double>()) {
        CAPTURE(name);
        CHECK(difference_from_golden<double>(name, make) < 1e-12);
    }
    for (const auto& [name, make] : all_optimizers<float>()) {
        CAPTURE(name);
        CHECK(difference_from_golden<float>(name, make) < 1e-6);
    }
}

TEST_CASE("every optimiser resumes bit for bit, in groups and as a copy") {
    for (const auto& [name, make] : all_optimizers<float>()) {
        CAPTURE(name);
        const auto fresh = [](const char* n, const Shape& shape) {
            return Parameter<float>(n, random_tensor<float>(shape, 5));
        };
        auto a1 = fresh("a", {2, 3, 4}), b1 = fresh("b", {5}), c1 = fresh("c", {});
        auto empty1 = fresh("empty", {0, 3}), none1 = fresh("none", {2, 0});
        const auto run = [](optim::Optimizer<float>& optimizer, std::uint64_t from,
                            std::uint64_t to) {
            for (std::uint64_t t = from; t < to; ++t) {
                for (const auto& p : optimizer.parameters())
                    if (p.path != "b" || t % 2 == 0) // fewer updates than the others
                        give<float>(p, random_tensor<float>(p.shape(), t));
                optimizer.step();
            }
        };
        const auto first = make(parameters(a1, b1, c1, empty1, none1));
        first->add_group(parameters(b1), {.learning_rate = 0.02, .weight_decay = 0.3});
        run(*first, 0, 7);
        auto a2 = a1, b2 = b1, c2 = c1, empty2 = empty1, none2 = none1;
        const auto second = make(parameters(a2, b2, c2, empty2, none2));
        second->add_group(parameters(b2), {.learning_rate = 0.02, .weight_decay = 0.3});
        second->restore(first->state(), first->steps());
        CHECK(second->state() == first->state());
        CHECK(second->steps() == 7);
        run(*first, 7, 12);
        run(*second, 7, 12);
        CHECK(a1.value() == a2.value());
        CHECK(b1.value() == b2.value());
        CHECK(c1.value() == c2.value());
        CHECK(first->state().at("a.updates").item() == 12);
        CHECK(first->state().at("b.updates").item() == 6);

        auto state = first->state();
        const std::string slot = state.begin()->first;
        state[slot] = Tensor<float>::zeros({9});
        const auto before = second->state();
        CHECK(contains(error_of([&] { second->restore(state, 1); }), "misshaped: " + slot));
        CHECK(second->state() == before);
    }
}

TEST_CASE("gradients of zero and any finite size leave weights finite, and training goes on") {
    for (const auto& [name, make] : all_optimizers<float>()) {
        CAPTURE(name);
        if (name == "sgd" || name == "nesterov") continue; // which are proportional to the gradient
        for (const Shape& shape : {Shape{1}, Shape{1, 1}}) {
            Parameter<float> p("p", Tensor<float>::ones(shape));
            const auto optimizer = make(parameters(p));
            const auto step = [&](float gradient) {
                give<float>(p, Tensor<float>::full(shape, gradient));
                optimizer->step();
                CHECK(std::isfinite(p.value().item()));
            };
            step(0);
            step(1e20f);
            for (int i = 0; i < 10; ++i) step(1);
            step(3e38f);
            step(-3e38f);
            step(1e-30f);
            for (const auto& [entry, tensor] : optimizer->state())
                for (const float v : tensor.to_vector()) CHECK(std::isfinite(v));
        }
    }
}

TEST_CASE("an epsilon of 0 does not divide 0 by 0") {
    Parameter<float> p("p", Tensor<float>::ones({3}));
    const auto check = [&](auto options) {
        options.epsilon = 0;
        const auto optimizer = maker<float>(options)(parameters(p));
        give<float>(p, Tensor<float>::zeros({3}));
        optimizer->step();
        CHECK(p.value() == Tensor<float>::ones({3}));
    };
    check(optim::AdagradOptions{});
    check(optim::AdadeltaOptions{});
    check(optim::RmspropOptions{});
    check(optim::AdamOptions{});
    check(optim::NAdamOptions{});
    check(optim::RAdamOptions{});
    check(optim::AdamaxOptions{});
}

TEST_CASE("NAdam's product of momenta is exact after many updates") {
    for (const double beta1 : {0.0, 0.5, 0.9, 0.9999})
        for (const double momentum_decay : {0.0, 4e-3, 2.0}) {
            CAPTURE(beta1);
            CAPTURE(momentum_decay);
            Parameter<double> p("p", Tensor<double>::scalar(0));
            optim::NAdam<double> nadam(parameters(p),
                                       {.beta1 = beta1, .momentum_decay = momentum_decay});
            double m = 0, s = 0, w = 0, product = 1;
            const auto mu = [&](int t) {
                return beta1 * (1 - 0.5 * std::pow(0.96, t * momentum_decay));
            };
            for (int t = 1; t <= 1000; ++t) {
                const double g = std::sin(t);
                give<double>(p, Tensor<double>::scalar(g));
                nadam.step();
                m = beta1 * m + (1 - beta1) * g;
                s = 0.999 * s + 0.001 * g * g;
                product *= mu(t);
                w -= 2e-3 *
                     ((1 - mu(t)) / (1 - product) * g + mu(t + 1) / (1 - product * mu(t + 1)) * m) /
                     (std::sqrt(s / (1 - std::pow(0.999, t))) + 1e-8);
                if (t % 100 == 0) CHECK(p.value().item() == doctest::Approx(w).epsilon(1e-11));
            }
        }
}

TEST_CASE("the variance of centred RMSprop does not cancel") {
    Parameter<float> p("p", Tensor<float>::scalar(0));
    optim::Rmsprop<float> rmsprop(parameters(p), {.decay = 0.9, .centered = true});
    double s = 0, m = 0;
    for (int t = 0; t < 200; ++t) {
        const float g = 1000 + 0.01f * static_cast<float>(t % 7);
        give<float>(p, Tensor<float>::scalar(g));
        rmsprop.step();
        s = 0.9 * (s + 0.1 * (g - m) * (g - m)); // equal to the mean of g^2 minus m^2
        m = 0.9 * m + 0.1 * g;
    }
    CHECK(s < 2e-3); // g^2 is 1e6
    CHECK(rmsprop.state().at("p.variance").item() == doctest::Approx(s).epsilon(0.02));
}

TEST_CASE("Adafactor stores rows and columns") {
    Parameter<float> matrix("m", Tensor<float>::ones({2, 3, 4})),
        vector("v", Tensor<float>::ones({5}));
    optim::Adafactor<float> adafactor(parameters(matrix, vector));
    std::map<std::string, std::string> shapes;
    for (const auto& [name, tensor] : adafactor.state()) shapes[name] = to_string(tensor.shape());
    CHECK(shapes == std::map<std::string, std::string>{{"m.columns", "[2, 1, 4]"},
                                                       {"m.rows", "[2, 3, 1]"},
                                                       {"m.updates", "[]"},
                                                       {"v.squares", "[5]"},
                                                       {"v.updates", "[]"}});
}

TEST_CASE("options of optimisers out of range are errors that name the optimiser") {
    Parameter<double> w("w", Tensor<double>::ones({2}));
    const auto check = [&](const auto& options, const std::string& message) {
        const std::string error = error_of([&] { maker<double>(options)(parameters(w)); });
        CAPTURE(error);
        CHECK(contains(error, message));
        CHECK(contains(error, "updates.cpp:"));
        CHECK(w.parameter().optimizers == 0);
    };
    using namespace optim;
    check(AdadeltaOptions{.decay = 1}, "Adadelta: decay must be in [0, 1), got 1");
    check(AdadeltaOptions{.epsilon = -1}, "Adadelta: epsilon must be at least 0");
    check(AdamWOptions{.beta2 = 1}, "AdamW: beta2 must be in [0, 1)");
    check(NAdamOptions{.beta1 = -0.1}, "NAdam: beta1 must be in [0, 1)");
    check(NAdamOptions{.momentum_decay = NAN}, "NAdam: momentum_decay must be at least 0");
    check(RAdamOptions{.beta2 = 2}, "RAdam: beta2 must be in [0, 1)");
    check(RAdamOptions{.weight_decay = -1}, "RAdam: the weight decay must be at least 0");
    check(AdamaxOptions{.epsilon = INFINITY}, "Adamax: epsilon must be at least 0");
    check(AdamaxOptions{.learning_rate = NAN}, "Adamax: the learning rate must be at least 0");
    check(LionOptions{.beta1 = 1}, "Lion: beta1 must be in [0, 1)");
    check(AdafactorOptions{.beta2_decay = 0.8}, "Adafactor: beta2_decay must be at most 0");
    check(AdafactorOptions{.epsilon1 = -1}, "Adafactor: epsilon1 must be at least 0");
    check(AdafactorOptions{.epsilon2 = -1}, "Adafactor: epsilon2 must be at least 0");
    check(AdafactorOptions{.clip = 0.5}, "Adafactor: clip must be at least 1");
}

TEST_CASE("types of optimisers are deduced") {
    Parameter<double> w("w", Tensor<double>::ones({2}));
    optim::NAdam nadam(parameters(w));
    optim::Lion lion(parameters(w), {.learning_rate = 1e-3});
    optim::Optimizer<double>& base = lion;
    CHECK(base.learning_rate() == 1e-3);
    CHECK(nadam.learning_rate() == 2e-3);
    CHECK(w.parameter().optimizers == 2);
}
