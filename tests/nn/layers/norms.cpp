// RmsNorm, GroupNorm, Prelu and TransposedConvolution.

#include "support.hpp"

#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/convolution.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/layers/norms.hpp>
#include <unroll/nn/layers/prelu.hpp>
#include <unroll/ops/activation.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/optim/optimizer.hpp>

using namespace test;

using V = Variable<double>;

TEST_CASE("normalising layers call their operations with their parameters") {
    const V x = random_tensor({2, 6, 3}), rows = random_tensor({4, 5});
    nn::RmsNorm<double> rms(5, 0.1);
    CHECK(rms(rows).value() == rms_norm(rows, V(Tensor<double>::ones({5})), 0.1).value());
    rms.weight.set(random_tensor({5}, 2));
    CHECK(rms(rows).value() == rms_norm(rows, rms.weight, 0.1).value());
    nn::GroupNorm<double> group({.groups = 3, .channels = 6, .epsilon = 0.1});
    group.weight.set(random_tensor({6}, 3));
    group.bias.set(random_tensor({6}, 4));
    CHECK(group(x).value() == group_norm(x, 3, group.weight, group.bias, 0.1).value());
    CHECK(parameters(rms).size() == 1);
    CHECK(parameters(group)[1].path == "bias");
    const std::string error = error_of([&] { group(rows); });
    CHECK(contains(error, "group_norm: x [4, 5] and [6], [6]; expected [batch, channels, ...]"));
    CHECK(contains(error, "in GroupNorm"));
}

TEST_CASE("Prelu learns its slopes") {
    nn::Prelu<double> one, each({.channels = 3, .slope = 0.1});
    CHECK(one(V(-2.0)).item() == -0.5);
    const V x = random_tensor({4, 3, 2});
    CHECK(each(x).value() == prelu(x, V(Tensor<double>::full({3}, 0.1))).value());
    optim::Sgd<double> sgd(parameters(each), {.learning_rate = 0.1});
    Tape<double> tape;
    tape.backward(sum(each(V(Tensor<double>::full({2, 3}, -1)))));
    sgd.step();
    CHECK(distance(each.weight.value(), Tensor<double>::full({3}, 0.3)) < 1e-15);
}

TEST_CASE("transposed convolutional layers: names, shapes, gradients") {
    nn::TransposedConvolution<double> pictures(
        {.input = 4, .output = 6, .kernel = {3, 2}, .stride = 2, .output_padding = 1, .groups = 2});
    CHECK(pictures.weight.shape() == Shape{4, 3, 3, 2});
    CHECK(pictures.bias.shape() == Shape{6});
    CHECK(pictures(V(random_tensor({1, 4, 5, 6}))).shape() == Shape{1, 6, 12, 13});
    CHECK(parameters(pictures)[1].path == "bias");
    for (const double w : pictures.weight.value().to_vector())
        CHECK(std::abs(w) <= 1 / std::sqrt(18.0));
    nn::TransposedConvolution<double> sequences(
        {.input = 2, .output = 3, .kernel = 5, .stride = 3, .axes = 1, .bias = false});
    CHECK(sequences.weight.shape() == Shape{2, 3, 5});
    CHECK(parameters(sequences).size() == 1);
    CHECK(sequences(V(random_tensor({1, 2, 4}))).shape() == Shape{1, 3, 14});

    nn::Sequential net(nn::Convolution<double>({.input = 2, .output = 4, .stride = 2}),
                       nn::GroupNorm<double>({.groups = 2, .channels = 4}),
                       nn::Prelu<double>({.channels = 4}),
                       nn::TransposedConvolution<double>({.input = 4, .output = 2, .stride = 2}));
    CHECK(net(V(random_tensor({3, 2, 7, 5}))).shape() == Shape{3, 2, 7, 5});
    for (const int order : {1, 2}) {
        const auto report =
            gradcheck([&](const auto& in) { return square(net(in[0])); },
                      {random_tensor({3, 2, 7, 5})}, parameters(net), {.order = order});
        INFO(report.text());
        CHECK(report.passed());
    }
}
