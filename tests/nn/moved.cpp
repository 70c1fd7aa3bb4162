#include "support.hpp"

#include <unroll/nn/attention/subsampling.hpp>
#include <unroll/nn/attention/transformer.hpp>
#include <unroll/nn/decoding/transducer.hpp>
#include <unroll/nn/layers/convolution.hpp>
#include <unroll/nn/layers/norms.hpp>
#include <unroll/nn/layers/prelu.hpp>
#include <unroll/nn/layers/time_pooling.hpp>
#include <unroll/nn/losses/crf.hpp>
#include <unroll/nn/recurrent/pyramid.hpp>
#include <unroll/nn/trees/recursive.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/optim/optimizer.hpp>

using namespace test;

namespace {

using V = Variable<double>;

// Moves the module to itself, then away, and calls it each time.
template <class Module, class F>
void moves(Module module, const F& call) {
    const Tensor<double> before = call(module);
    Module& itself = module;
    module = std::move(itself);
    CHECK(call(module) == before);
    const Module other = std::move(module);
    CHECK(call(other) == before);
    CHECK(contains(error_of([&] { call(module); }), "the module was moved from"));
    module = other;
    CHECK(call(module) == before);
}

} // namespace

TEST_CASE("self-moved modules are unchanged; using moved-from modules is an error") {
    const V x = random_tensor({4, 2, 3}), wide = random_tensor({4, 2, 4});
    moves(nn::Lstm<double>({.input = 3, .hidden = 2, .learned_state = true}),
          [&](const auto& m) { return m(x).output.value(); });
    moves(nn::Gru<double>(
              {.input = 4, .hidden = 4, .layers = 2, .connection = nn::Connection::highway}),
          [&](const auto& m) { return m(wide).output.value(); });
    moves(nn::Pyramid<nn::GruCell<double>>({.input = 3, .hidden = 2, .factors = {1, 2}}),
          [&](const auto& m) { return m(x).x.value(); });
    moves(nn::Transducer<nn::GruCell<double>>(
              {.vocabulary = 3, .encoded = 3, .joint = 2, .predictor = {.input = 2, .hidden = 2}}),
          [&](const auto& m) {
              return m(x, {Indices({1, 2}, {1, 2}), {}}).value();
          });
    moves(nn::Subsampling<double>({.input = 3, .channels = 1, .filters = 2, .width = 4}),
          [&](const auto& m) { return m(x).x.value(); });
    moves(nn::TransformerStack<double>({.width = 4, .heads = 2, .layers = 2}),
          [&](const auto& m) { return m(wide).value(); });
    moves(nn::Linear<double>({.input = 3, .output = 2}),
          [&](const auto& m) { return m(x).value(); });
    moves(nn::LayerNorm<double>(3), [&](const auto& m) { return m(x).value(); });
    moves(nn::Dropout<double>(0.5), [&](const auto& m) { return m(x).value(); });
    moves(nn::BatchNorm<double>({.channels = 2}), [&](const auto& m) { return m(x).value(); });
    moves(nn::RmsNorm<double>(3), [&](const auto& m) { return m(x).value(); });
    moves(nn::GroupNorm<double>({.groups = 1, .channels = 2}),
          [&](const auto& m) { return m(x).value(); });
    moves(nn::Prelu<double>({.channels = 2}), [&](const auto& m) { return m(x).value(); });
    moves(nn::TransposedConvolution<double>({.input = 2, .output = 1, .axes = 1}),
          [&](const auto& m) { return m(x).value(); });
    moves(nn::Convolution<double>({.input = 2, .output = 1, .axes = 1}),
          [&](const auto& m) { return m(x).value(); });
    moves(nn::Embedding<double>({.vocabulary = 3, .width = 2}),
          [&](const auto& m) { return m(Indices({1}, {2})).value(); });
    moves(nn::MultiHeadAttention<double>({.width = 4, .heads = 2}),
          [&](const auto& m) { return m(wide).context.value(); });
    moves(nn::AttentionPooling<double>({.input = 3, .hidden = 2}),
          [&](const auto& m) { return m(x).context.value(); });
    moves(nn::Crf<double>({.tags = 3}), [&](const auto& m) { return m.log_partition(x).value(); });
    moves(nn::GruCell<double>(3, 2), [&](const auto& m) { return m.project(x).value(); });
    moves(nn::Rntn<double>({.input = 3, .hidden = 2}), [&](const auto& m) {
        const auto leaf = nn::Tree::from_parents(std::vector<std::int64_t>{-1});
        return m(nn::TreeBatch({&leaf, 1}), random_tensor({1, 3}))[0].value();
    });
}

TEST_CASE("the error of a moved-from layer names its class and the calling line") {
    struct Net {
        nn::Linear<double> out{{.input = 3, .output = 2}};
        void members(nn::Members<double>& m) { m("out", out); }
    } net;
    parameters(net);
    const V x = random_tensor({2, 3});
    const Net other = std::move(net);
    CHECK(error_of([&] { other.out(x); }) == "");
    const int line = __LINE__ + 1;
    const std::string message = error_of([&] { net.out(x); });
    CHECK(message.starts_with("Linear: the module was moved from; use the module that it was"));
    CHECK(contains(message, "moved.cpp:" + std::to_string(line)));
    // A copy of it is as empty; a vector that grows moves its elements on.
    const Net copy = net;
    CHECK(contains(error_of([&] { copy.out(x); }), "was moved from"));
    std::vector<nn::Linear<double>> layers;
    for (int i = 0; i < 5; ++i) layers.emplace_back(nn::LinearOptions{.input = 3, .output = 2});
    for (const auto& layer : layers) CHECK(error_of([&] { layer(x); }) == "");
    std::swap(layers[0], layers[1]);
    for (const auto& layer : layers) CHECK(error_of([&] { layer(x); }) == "");
    net.out = nn::Linear<double>({.input = 3, .output = 2});
    CHECK(error_of([&] { net.out(x); }) == "");
}

TEST_CASE("a self-moved optimiser is unchanged; using a moved-from one is an error") {
    nn::Linear<double> layer({.input = 2, .output = 1});
    optim::Adam<double> adam(parameters(layer));
    optim::Adam<double>& itself = adam;
    adam = std::move(itself);
    const auto backward = [&] {
        Tape<double> tape;
        tape.backward(sum(layer(V(Tensor<double>::ones({3, 2})))));
    };
    backward();
    CHECK(adam.step());
    optim::Adam<double> other = std::move(adam);
    backward();
    CHECK(contains(error_of([&] { adam.step(); }), "moved from"));
    CHECK(other.step());
}
