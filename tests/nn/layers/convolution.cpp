#include "support.hpp"

#include <unroll/core/kernels/threads.hpp>
#include <unroll/nn/layers/convolution.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/pooling.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>
#include <unroll/optim/checkpoint.hpp>
#include <unroll/optim/optimizer.hpp>
#include <unroll/optim/parallel.hpp>

#include <thread>

#include "core/files/files.hpp"

using namespace test;

TEST_CASE("convolutional layers: names, shapes, gradients") {
    nn::Convolution<double> pictures({.input = 4, .output = 6, .kernel = {3, 2}, .groups = 2});
    CHECK(pictures.weight.shape() == Shape{6, 2, 3, 2});
    CHECK(parameters(pictures)[1].path == "bias");
    nn::Convolution<double> sequences(
        {.input = 2, .output = 3, .kernel = 5, .axes = 1, .bias = false});
    CHECK(sequences.weight.shape() == Shape{3, 2, 5});
    CHECK(parameters(sequences).size() == 1);
    for (const double w : sequences.weight.value().to_vector())
        CHECK(std::abs(w) <= 1 / std::sqrt(10.0));

    nn::Sequential net(
        nn::Convolution<double>({.input = 2, .output = 3, .padding = 1}),
        nn::BatchNorm<double>({.channels = 3}),
        [](const auto& x) { return tanh(max_pool(x, {2})); },
        nn::Convolution<double>({.input = 3, .output = 2, .kernel = 2}));
    for (const int order : {1, 2}) {
        const auto report =
            gradcheck([&](const auto& in) { return net(in[0]); }, {random_tensor({3, 2, 6, 4})},
                      parameters(net), {.order = order});
        INFO(report.text());
        CHECK(report.passed());
    }
    CHECK(contains(error_of([] { nn::Convolution<float>({.input = 3, .output = 4, .groups = 2}); }),
                   "input and output must be multiples of groups and at least 1, got 3, 4 and 2"));
    CHECK(contains(error_of([] { nn::Convolution<float>({.input = 3, .output = 4, .axes = 3}); }),
                   "axes must be 1 or 2, got 3"));
    CHECK(contains(error_of([] {
                       nn::Convolution<float>({.input = 3, .output = 4, .kernel = {0, 2}});
                   }),
                   "the kernel is empty"));
}

TEST_CASE("BatchNorm's running statistics equal PyTorch's") {
    const auto file = golden("convolution");
    nn::BatchNorm<double> norm({.channels = 3});
    norm.weight.set(file.get<double>("running.weight"));
    norm.bias.set(file.get<double>("running.bias"));
    const auto x = file.get<double>("running.x"), y = file.get<double>("running.y");
    Tape<double> tape;
    for (std::size_t i = 0; i < x.shape(0); ++i)
        CHECK(distance(norm(Variable(x.select(0, i))).value(), y.select(0, i)) < 1e-13);
    for (auto* running : {&norm.running_mean, &norm.running_var})
        CHECK(distance(running->value(), file.get<double>("running." + running->name())) < 1e-13);
    // Evaluation mode: without a tape, with one that does not record, and with one in evaluation
    // mode.
    const auto eval = file.get<double>("running.eval");
    {
        const NoRecording<double> paused;
        CHECK(distance(norm(Variable<double>(x.select(0, 0))).value(), eval) < 1e-13);
    }
    tape.set_evaluating(true);
    CHECK(distance(norm(Variable(x.select(0, 0))).value(), eval) < 1e-13);
    CHECK(distance(norm.running_mean.value(), file.get<double>("running.running_mean")) < 1e-13);
}

TEST_CASE("BatchNorm's running statistics are saved but not trained") {
    const Folder folder;
    nn::BatchNorm<float> norm({.channels = 2});
    Tape<float> tape;
    const auto x = random_tensor<float>({8, 2, 3});
    optim::Adam<float> adam(parameters(norm));
    tape.backward(sum(square(norm(Variable(x)))));
    const auto mean = norm.running_mean.value().copy();
    adam.step();
    CHECK(norm.running_mean.value() == mean);
    CHECK_FALSE(norm.weight.value() == Tensor<float>::ones({2}));
    const std::string path = folder / "norm.safetensors";
    optim::save_weights(path, parameters(norm));
    nn::BatchNorm<float> other({.channels = 2});
    optim::load_weights(path, parameters(other));
    CHECK(other.running_mean.value() == mean);
    CHECK(other(Variable<float>(x)).value() == norm(Variable<float>(x)).value());
}

TEST_CASE("BatchNorm follows the first shard, with any number of threads") {
    const auto run = [](std::size_t count) {
        threads::set(count);
        nn::BatchNorm<float> norm({.channels = 2});
        optim::DataParallel<float> shards(4, parameters(norm));
        for (int step = 0; step < 5; ++step)
            shards.backward([&](std::size_t shard) {
                return sum(norm(Variable(random_tensor<float>({5, 2, 3}, shard + 1))));
            });
        return std::pair(norm.running_mean.value(), norm.running_var.value());
    };
    const auto one = run(1), three = run(3);
    threads::set(std::max(1u, std::thread::hardware_concurrency()));
    CHECK(one.first == three.first);
    CHECK(one.second == three.second);
    nn::BatchNorm<float> alone({.channels = 2});
    Tape<float> tape;
    for (int step = 0; step < 5; ++step) alone(Variable(random_tensor<float>({5, 2, 3}, 1)));
    CHECK(alone.running_mean.value() == one.first);
}

TEST_CASE("BatchNorm rejects invalid input") {
    Tape<float> tape;
    const nn::BatchNorm<float> norm({.channels = 2});
    CHECK(contains(error_of([&] {
                       norm(Variable(random_tensor<float>({1, 2})));
                   }),
                   "one value per channel has no variance"));
    CHECK(contains(error_of([&] {
                       norm(Variable(random_tensor<float>({4, 3})));
                   }),
                   "expected [batch, channels, ...]"));
    CHECK(norm(Variable(Tensor<float>(Shape{0, 2, 3}))).shape() == Shape{0, 2, 3});
    CHECK(norm.running_mean.value() == Tensor<float>::zeros({2}));
    CHECK(contains(error_of([] { nn::BatchNorm<float>({.channels = 2, .momentum = 2}); }),
                   "momentum must be in [0, 1]"));
}
