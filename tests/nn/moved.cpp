#include "support.hpp"

#include <unroll/nn/attention/subsampling.hpp>
#include <unroll/nn/attention/transformer.hpp>
#include <unroll/nn/recurrent/pyramid.hpp>
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
    moves(nn::Subsampling<double>({.input = 3, .channels = 1, .filters = 2, .width = 4}),
          [&](const auto& m) { return m(x).x.value(); });
    moves(nn::TransformerStack<double>({.width = 4, .heads = 2, .layers = 2}),
          [&](const auto& m) { return m(wide).value(); });
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
