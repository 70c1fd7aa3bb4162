#include "support.hpp"

#include <unroll/core/kernels/threads.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recurrent/recurrent.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/optim/checkpoint.hpp>
#include <unroll/optim/optimizer.hpp>
#include <unroll/optim/parallel.hpp>
#include <unroll/optim/schedule.hpp>

#include <cstdio>
#include <filesystem>

#include <unistd.h>

using namespace test;

namespace {

template <class Make>
void compare(const std::string& name, const Make& make) {
    CAPTURE(name);
    const auto file = golden("optimisers");
    const auto gradients = file.get<double>("gradients"), expected = file.get<double>(name);
    Parameter<double> w("w", file.get<double>("start"));
    auto optimizer = make(parameters(w));
    for (std::size_t t = 0; t < 5; ++t) {
        w.gradient_buffer().assign(gradients.select(0, t));
        w.mark_gradient();
        CHECK(optimizer.step());
        CHECK_FALSE(w.has_gradient());
        CHECK(distance(w.value(), expected.select(0, t)) < 1e-12);
    }
}

std::string temporary(const std::string& name) {
    return (std::filesystem::temp_directory_path() /
            ("unroll_test_" + std::to_string(::getpid()) + name))
        .string();
}

} // namespace

TEST_CASE("optimisers take PyTorch's steps") {
    using namespace optim;
    compare("sgd", [](auto p) {
        return Sgd<double>(p, {.rate = 0.1, .momentum = 0.9, .weight_decay = 0.01});
    });
    compare("nesterov", [](auto p) {
        return Sgd<double>(p, {.rate = 0.1, .momentum = 0.9, .nesterov = true});
    });
    compare("adagrad", [](auto p) { return Adagrad<double>(p, {.rate = 0.1}); });
    compare("rmsprop", [](auto p) { return Rmsprop<double>(p, {.rate = 0.1, .momentum = 0.5}); });
    compare("adam", [](auto p) { return Adam<double>(p, {.rate = 0.1, .weight_decay = 0.01}); });
    compare("adamw", [](auto p) { return AdamW<double>(p, {.rate = 0.1, .weight_decay = 0.01}); });
}

TEST_CASE("a gradient that is not finite is an error, or skipped when asked") {
    Parameter<double> w("w", Tensor<double>::ones({2}));
    optim::Sgd<double> sgd(parameters(w));
    w.gradient_buffer().fill(NAN);
    w.mark_gradient();
    CHECK(contains(error_of([&] { sgd.step(); }), "the gradient of 'w' is not finite"));
    CHECK(contains(error_of([&] { optim::clip_norm(sgd.parameters(), 1.0); }), "'w'"));
    CHECK(w.value() == Tensor<double>::ones({2}));
    sgd.on_non_finite(optim::NonFinite::skip);
    CHECK_FALSE(sgd.step());
    CHECK(w.value() == Tensor<double>::ones({2}));
    CHECK(sgd.steps() == 0);
}

TEST_CASE("clipping") {
    Parameter<double> w("w", Tensor<double>::ones({2}));
    w.gradient_buffer().assign(Tensor<double>({2}, {3, 4}));
    w.mark_gradient();
    CHECK(optim::clip_norm<double>({&w}, 10) == doctest::Approx(5));
    CHECK(w.gradient() == Tensor<double>({2}, {3, 4}));
    CHECK(optim::clip_norm<double>({&w}, 1) == doctest::Approx(5));
    CHECK(distance(w.gradient(), Tensor<double>({2}, {0.6, 0.8})) < 1e-15);
    optim::clip_value<double>({&w}, 0.7);
    CHECK(distance(w.gradient(), Tensor<double>({2}, {0.6, 0.7})) < 1e-15);
    CHECK(contains(error_of([&] { optim::clip_norm<double>({&w}, 0); }), "must be positive"));
}

TEST_CASE("schedules") {
    CHECK(optim::constant(2)(7) == 2);
    CHECK(optim::stepwise(1, 0.1, 10)(25) == doctest::Approx(0.01));
    CHECK(optim::exponential(1, 0.5)(3) == doctest::Approx(0.125));
    const auto cosine = optim::cosine(1, 100, 0.2);
    CHECK(cosine(0) == doctest::Approx(1));
    CHECK(cosine(50) == doctest::Approx(0.6));
    CHECK(cosine(1000) == doctest::Approx(0.2));
    const auto warm = optim::warm_up(4, optim::constant(1));
    CHECK(warm(0) == doctest::Approx(0.25));
    CHECK(warm(4) == doctest::Approx(1));
    optim::Plateau plateau(1, 0.5, 2);
    for (const double loss : {3.0, 2.0, 2.5, 2.5}) plateau.report(loss);
    CHECK(plateau.rate() == doctest::Approx(0.5));
}

namespace {

// Trains a small network on shards, and returns its weights.
std::vector<float> weights_after_training(std::size_t threads) {
    threads::set(threads);
    nn::seed(3);
    nn::Gru<float> gru({.input = 4, .hidden = 8, .layers = 2, .dropout = 0.2});
    optim::Adam<float> adam(parameters(gru));
    optim::Shards<float> shards(4, adam.parameters(), Random(5));
    const auto x = random_tensor<float>({6, 8, 4});
    for (int step = 0; step < 5; ++step) {
        shards.backward([&](std::size_t s) {
            const auto out = gru(Variable(x.slice(1, 2 * s, 2 * s + 2))).output;
            return mean(out * out);
        });
        adam.step();
    }
    std::vector<float> all;
    for (const auto* p : parameters(gru))
        for (const float v : p->value().to_vector()) all.push_back(v);
    return all;
}

} // namespace

TEST_CASE("threads: training gives the same bits for any number of them") {
    const auto one = weights_after_training(1), two = weights_after_training(2),
               five = weights_after_training(5);
    CHECK(one == two);
    CHECK(one == five);
    threads::set(2);
}

TEST_CASE("shards equal the whole batch, and an exception changes no gradient") {
    nn::Linear<double> layer({.input = 3, .output = 2});
    const auto x = random_tensor({8, 3});
    optim::Shards<double> shards(4, parameters(layer));
    const double loss = shards.backward([&](std::size_t s) {
        const auto y = layer(Variable(x.slice(0, 2 * s, 2 * s + 2)));
        return mean(y * y);
    });
    const auto gradient = layer.weight.gradient().copy();
    for (const auto* p : parameters(layer)) p->clear_gradient();
    Tape<double> tape;
    const auto y = layer(Variable(x));
    const auto whole = mean(y * y);
    tape.backward(whole);
    CHECK(loss == doctest::Approx(whole.item()));
    CHECK(distance(gradient, layer.weight.gradient()) < 1e-14);

    for (const auto* p : parameters(layer)) p->clear_gradient();
    CHECK(contains(error_of([&] {
                       shards.backward([&](std::size_t s) {
                           if (s == 2) fail("shard", "no luck");
                           const auto y = layer(Variable(x.slice(0, 0, 2)));
                           return mean(y * y);
                       });
                   }),
                   "no luck"));
    CHECK_FALSE(layer.weight.has_gradient());
}

TEST_CASE("a resumed run goes on bit for bit") {
    const auto build = [] {
        nn::seed(1);
        return nn::Linear<float>({.input = 3, .output = 2});
    };
    const auto x = random_tensor<float>({4, 3});
    const auto train = [&](nn::Linear<float>& layer, optim::Adam<float>& adam, int steps) {
        for (int i = 0; i < steps; ++i) {
            Tape<float> tape;
            const auto y = layer(Variable(x));
            tape.backward(mean(y * y));
            adam.step();
        }
    };
    const std::string path = temporary("resume.safetensors");
    auto straight = build(), first = build(), second = build();
    optim::Adam<float> a(parameters(straight)), b(parameters(first)), c(parameters(second));
    train(straight, a, 6);
    train(first, b, 3);
    const auto named = [](auto& layer) { return parameters(layer); };
    optim::Checkpoint<float> saved{named(first), &b, {{"extra", x}}, {{"note", "hello"}}};
    saved.save(path);
    optim::Checkpoint<float> loaded{named(second), &c, {}, {}};
    loaded.load(path);
    CHECK(loaded.words["note"] == "hello");
    CHECK(loaded.tensors["extra"] == x);
    train(second, c, 3);
    CHECK(second.weight.value() == straight.weight.value());

    SUBCASE("what does not fit is listed, and nothing is changed") {
        nn::Linear<float> other({.input = 4, .output = 2, .bias = false});
        const auto before = other.weight.value().copy();
        const std::string error = error_of([&] { optim::load_weights<float>(path, named(other)); });
        CHECK(contains(error, "misshaped: weight is [2, 3], expected [2, 4]"));
        CHECK(contains(error, "unexpected: bias"));
        CHECK(other.weight.value() == before);
    }
    std::filesystem::remove(path);
}
