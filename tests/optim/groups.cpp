#include "support.hpp"

#include <unroll/nn/layers/layers.hpp>
#include <unroll/optim/optimizer.hpp>
#include <unroll/optim/schedule.hpp>

using namespace test;

namespace {

template <class T>
void give_gradient(const Parameters<T>& all, T value) {
    for (const auto& p : all) {
        p.gradient_buffer().fill(value);
        p.mark_gradient();
    }
}

} // namespace

TEST_CASE("groups have their own learning rate and weight decay") {
    nn::Linear<double> body({.input = 3, .output = 2}), head({.input = 2, .output = 1});
    const auto all = parameters(body, head);
    optim::Sgd<double> sgd(all, {.learning_rate = 0.1, .weight_decay = 0.5});
    sgd.add_group(parameters(head), {.learning_rate = 0.02, .weight_decay = 0});
    CHECK(sgd.parameters().size() == 4);
    const auto before_body = body.weight.value().copy(), before_head = head.weight.value().copy();
    give_gradient(all, 1.0);
    sgd.step();
    for (std::size_t i = 0; i < body.weight.size(); ++i) {
        const double w = before_body.to_vector()[i];
        CHECK(body.weight.value().to_vector()[i] == doctest::Approx(w - 0.1 * (1 + 0.5 * w)));
    }
    for (std::size_t i = 0; i < head.weight.size(); ++i)
        CHECK(head.weight.value().to_vector()[i] ==
              doctest::Approx(before_head.to_vector()[i] - 0.02));
}

TEST_CASE("schedules act on all groups in proportion") {
    nn::Linear<double> body({.input = 3, .output = 2}), head({.input = 2, .output = 1});
    optim::Adam<double> adam(parameters(body, head), {.learning_rate = 1e-3});
    const auto schedule = optim::warm_up(4, optim::constant(1e-3));
    adam.set_learning_rate(schedule(0));
    // Relative to the optimiser's initial learning rate, not to the current one.
    adam.add_group(parameters(head), {.learning_rate = 1e-4});
    CHECK(adam.learning_rate(body.weight) == doctest::Approx(2.5e-4));
    CHECK(adam.learning_rate(head.weight) == doctest::Approx(2.5e-5));
    adam.set_learning_rate(schedule(4));
    CHECK(adam.learning_rate() == 1e-3);
    CHECK(adam.learning_rate(head.bias) == doctest::Approx(1e-4));
    // A parameter belongs to the last group that it was added to.
    adam.add_group([](const auto& p) { return p.path == "1.bias"; }, {.weight_decay = 0.25});
    CHECK(adam.learning_rate(head.bias) == doctest::Approx(1e-3));
    CHECK(adam.weight_decay(head.bias) == 0.25);
    CHECK(adam.learning_rate(head.weight) == doctest::Approx(1e-4));
    Parameter<double> other("other", Tensor<double>::zeros({1}));
    CHECK(contains(error_of([&] { adam.learning_rate(other); }), "does not hold"));
}

TEST_CASE("vectors decay unless disabled") {
    nn::Linear<double> layer({.input = 3, .output = 2});
    Parameter<double> scale("scale", Tensor<double>::scalar(2));
    optim::AdamW<double> all(parameters(layer, scale), {.weight_decay = 0.1});
    CHECK(all.weight_decay(layer.bias) == 0.1);
    optim::AdamW<double> adam(parameters(layer, scale),
                              {.weight_decay = 0.1, .decay_vectors = false});
    CHECK(adam.weight_decay(layer.weight) == 0.1);
    CHECK(adam.weight_decay(layer.bias) == 0);
    CHECK(adam.weight_decay(scale) == 0);
    const auto weight = layer.weight.value().copy(), bias = layer.bias.value().copy();
    give_gradient(adam.parameters(), 0.0);
    adam.step();
    CHECK(distance(layer.bias.value(), bias) == 0);
    CHECK(scale.value().item() == 2);
    CHECK(layer.weight.value().to_vector()[0] ==
          doctest::Approx(weight.to_vector()[0] * (1 - 1e-3 * 0.1)));
    // The options of a group apply to all of its parameters.
    adam.add_group(parameters(layer), {.weight_decay = 0.3});
    CHECK(adam.weight_decay(layer.bias) == 0.3);
}

TEST_CASE("groups add parameters and keep the state") {
    nn::Linear<double> body({.input = 3, .output = 2}), head({.input = 2, .output = 1});
    const auto all = parameters(body, head);
    const Parameters<double> first(all.begin(), all.begin() + 2),
        second(all.begin() + 2, all.end());
    optim::Adam<double> whole(all), grown(first);
    give_gradient(first, 1.0);
    grown.step();
    const auto mean = grown.state().at("0.weight.mean").copy();
    grown.add_group(second, {.learning_rate = 1e-5});
    CHECK(grown.parameters().size() == 4);
    CHECK(head.weight.parameter().optimizers == 2);
    CHECK(grown.state().at("0.weight.mean") == mean);
    std::string names, expected;
    for (const auto& [name, tensor] : grown.state()) names += name + " ";
    for (const auto& [name, tensor] : whole.state()) expected += name + " ";
    CHECK(names == expected);
    whole.restore(grown.state(), grown.steps());
    CHECK(whole.state().at("0.weight.mean") == mean);
}

TEST_CASE("an invalid group is an error that changes nothing") {
    nn::Linear<double> body({.input = 3, .output = 2}), head({.input = 2, .output = 1});
    optim::Adam<double> adam(parameters(body));
    CHECK(contains(
        error_of([&] { adam.add_group([](const auto&) { return false; }, {.learning_rate = 1}); }),
        "accepts no parameter"));
    CHECK(contains(error_of([&] { adam.add_group(Parameters<double>(), {}); }), "no parameters"));
    CHECK(contains(error_of([&] { adam.add_group(parameters(body), {.weight_decay = -1}); }),
                   "weight decay of a group"));
    // Both are listed individually, so both have a 'weight'.
    CHECK(contains(error_of([&] { adam.add_group(parameters(head), {.learning_rate = 1}); }),
                   "two parameters have the path 'weight'"));
    CHECK(adam.parameters().size() == 2);
    CHECK(head.weight.parameter().optimizers == 0);
    optim::Adam<double> idle(parameters(head), {.learning_rate = 0});
    CHECK(contains(error_of([&] { idle.add_group(parameters(head), {.learning_rate = 1}); }),
                   "initialised with 0"));
}
