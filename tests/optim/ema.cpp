#include "support.hpp"

#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/convolution.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/optim/checkpoint.hpp>

#include <filesystem>
#include <memory>

#include <unistd.h>

using namespace test;

namespace {

const Tensor<float> x = random_tensor<float>({4, 3});

void train(nn::Linear<float>& layer, optim::Optimizer<float>& optimizer, optim::Ema<float>& ema,
           int steps) {
    for (int i = 0; i < steps; ++i) {
        Tape<float> tape;
        tape.backward(mean(square(layer(x))));
        optimizer.step();
        ema.update();
    }
}

nn::Linear<float> build() {
    nn::seed(1);
    return nn::Linear<float>({.input = 3, .output = 2});
}

} // namespace

TEST_CASE("moving averages of parameters equal their formula") {
    for (const bool warm_up : {false, true}) {
        Parameter<double> w("w", Tensor<double>::scalar(5));
        optim::Ema<double> ema(parameters(w), {.decay = 0.9, .warm_up = warm_up});
        CHECK(ema.state().at("w").item() == 5);
        double expected = 0;
        for (int t = 1; t <= 50; ++t) {
            w.set(Tensor<double>::scalar(std::cos(t)));
            ema.update();
            const double decay = warm_up ? std::min(0.9, (1.0 + t) / (10 + t)) : 0.9;
            expected = t == 1 ? std::cos(t) : decay * expected + (1 - decay) * std::cos(t);
            CHECK(ema.state().at("w").item() == doctest::Approx(expected).epsilon(1e-13));
        }
        CHECK(ema.steps() == 50);
    }
    // The average of a constant is exact.
    Parameter<float> c("c", random_tensor<float>({33}));
    optim::Ema<float> ema(parameters(c), {.decay = 0.9999});
    for (int t = 0; t < 100; ++t) ema.update();
    CHECK(ema.state().at("c") == c.value());
}

TEST_CASE("averages are swapped in for a scope") {
    auto layer = build();
    layer.bias.set_trainable(false);
    optim::Adam<float> adam(parameters(layer), {.learning_rate = 0.1});
    optim::Ema<float> ema(adam.parameters(), {.decay = 0.5});
    train(layer, adam, ema, 3);
    const auto value = layer.weight.value().copy(), average = ema.state().at("weight");
    CHECK(distance(value, average) > 1e-3);
    {
        const auto averaged = ema.swap_in();
        CHECK(layer.weight.value() == average);
        CHECK(contains(error_of([&] { ema.update(); }), "until the result of swap_in()"));
        const auto copy = ema;
        {
            const auto again = copy.swap_in();
            CHECK(layer.weight.value() == average);
        }
        CHECK(layer.weight.value() == average);
        // Average and model may be moved.
        optim::Ema<float> moved = std::move(ema);
        ema = std::move(moved);
        nn::Linear<float> elsewhere = std::move(layer);
        CHECK(elsewhere.weight.value() == average);
        layer = std::move(elsewhere);
    }
    CHECK(layer.weight.value() == value);
    ema.update();
    CHECK(ema.steps() == 4);

    // The average may be destroyed first.
    auto other = std::make_unique<optim::Ema<float>>(ema);
    const Tensor<float> last = ema.state().at("weight");
    const auto averaged = other->swap_in();
    other.reset();
    CHECK(layer.weight.value() == last);
}

TEST_CASE("a tape does not run backward over averages swapped in after it recorded") {
    auto layer = build();
    optim::Ema<float> ema(parameters(layer));
    Tape<float> tape;
    const auto loss = mean(square(layer(x)));
    const auto averaged = ema.swap_in();
    CHECK(contains(error_of([&] { tape.backward(loss); }), "changed"));
}

TEST_CASE("a checkpoint resumes averages bit for bit") {
    const std::string path = (std::filesystem::temp_directory_path() /
                              ("unroll_test_" + std::to_string(::getpid()) + "ema.safetensors"))
                                 .string();
    auto straight = build(), first = build(), second = build();
    optim::NAdam<float> a(parameters(straight)), b(parameters(first)), c(parameters(second));
    optim::Ema<float> d(a.parameters()), e(b.parameters()), f(c.parameters());
    train(straight, a, d, 6);
    train(first, b, e, 3);
    optim::Checkpoint<float>{.parameters = b.parameters(), .optimizer = &b, .average = &e}.save(
        path);
    optim::Checkpoint<float> run{.parameters = c.parameters(), .optimizer = &c, .average = &f};
    run.load(path);
    CHECK(run.metadata.empty());
    CHECK(f.steps() == 3);
    train(second, c, f, 3);
    CHECK(second.weight.value() == straight.weight.value());
    CHECK(f.state() == d.state());

    {
        const auto averaged = f.swap_in();
        const char* const text = "until the result of swap_in() is destroyed";
        CHECK(contains(error_of([&] { run.save(path); }), text));
        CHECK(contains(error_of([&] { run.load(path); }), text));
    }
    CHECK(second.weight.value() == straight.weight.value());

    // Without the average, the file is read as before; its weights, too.
    optim::Checkpoint<float> without{.parameters = c.parameters(), .optimizer = &c};
    without.load(path);
    CHECK(without.metadata.empty());
    optim::load_weights(path, parameters(second));

    // If one part does not fit, nothing changes.
    nn::Linear<float> other({.input = 3, .output = 3});
    optim::Ema<float> wrong(parameters(other));
    optim::Checkpoint<float> mixed{
        .parameters = c.parameters(), .optimizer = &c, .average = &wrong};
    train(second, c, f, 1);
    const auto state = c.state();
    CHECK(contains(error_of([&] { mixed.load(path); }), "are they of another model?"));
    CHECK(c.state() == state);
    CHECK(c.steps() == 4);
    optim::Checkpoint<float>{.parameters = c.parameters(), .optimizer = &c}.save(path);
    CHECK(contains(error_of([&] { run.load(path); }), "does not contain the average's step"));
    CHECK(contains(error_of([&] {
                       optim::save_weights(path, Parameters<float>{{"ema.w", second.weight}});
                   }),
                   "may not begin with"));
    std::filesystem::remove(path);
}

TEST_CASE("running statistics are averaged, and restored") {
    nn::BatchNorm<float> norm({.channels = 2});
    optim::Ema<float> ema(parameters(norm), {.decay = 0.5});
    CHECK(ema.state().contains("running_mean"));
}

TEST_CASE("invalid averages are errors") {
    Parameter<float> v("w", Tensor<float>::ones({2})), w("w", Tensor<float>::ones({2}));
    CHECK(contains(error_of([&] { optim::Ema<float>(parameters(w), {.decay = 1}); }),
                   "Ema: decay must be in [0, 1), got 1"));
    CHECK(contains(error_of([&] { optim::Ema<float>(parameters(v, w)); }),
                   "two parameters have the path 'w'"));
    optim::Ema<float> ema(parameters(w));
    CHECK(contains(error_of([&] { ema.restore({}, 1); }), "missing: w [2]"));
    auto moved = std::move(ema);
    CHECK(contains(error_of([&] { ema.update(); }), "moved from"));
    CHECK(contains(error_of([&] { (void)ema.swap_in(); }), "moved from"));
    CHECK(w.parameter().optimizers == 0);
}
