#include "support.hpp"

#include <unroll/nn/layers/layers.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/optim/optimizer.hpp>

#include <memory>
#include <thread>

using namespace test;

namespace {

using Linear = nn::Linear<double>;

Linear linear(std::size_t input, std::size_t output) {
    return Linear({.input = input, .output = output});
}

template <class... Layer>
void backward(const Tensor<double>& x, const Layer&... layers) {
    Tape<double> tape;
    Variable<double> y = x;
    ((y = layers(y)), ...);
    tape.backward(mean(y * y));
}

const Tensor<double> x = random_tensor({4, 3});

} // namespace

TEST_CASE("a parameter that is listed twice counts once") {
    Parameter<double> w("w", Tensor<double>::ones({2}));
    optim::Sgd<double> sgd(Parameters<double>{{"a", w}, {"b", w}}, {.learning_rate = 0.5});
    CHECK(sgd.parameters().size() == 1);
    CHECK(sgd.parameters()[0].path == "a");
    CHECK(w.parameter().optimizers == 1);
    w.gradient_buffer().fill(1);
    w.mark_gradient();
    sgd.step();
    CHECK(w.value() == Tensor<double>({2}, {0.5, 0.5}));
}

TEST_CASE("two parameters with the same path are an error") {
    Parameter<double> v("w", Tensor<double>::ones({2})), w("w", Tensor<double>::ones({2}));
    CHECK(contains(error_of([&] { optim::Sgd<double>(parameters(v, w)); }),
                   "two parameters have the path 'w'"));
    CHECK(v.parameter().optimizers == 0);
    Parameter<double> moved = std::move(w);
    CHECK(contains(error_of([&] {
                       optim::Sgd<double>(Parameters<double>{{"w", w}});
                   }),
                   "a variable has no value"));
}

TEST_CASE("optimisers count themselves in the parameters that they hold") {
    Linear layer = linear(3, 2);
    const auto count = [&] { return layer.weight.parameter().optimizers.load(); };
    {
        optim::Adam<double> adam(parameters(layer));
        CHECK(count() == 1);
        optim::Adam<double> copy(adam), other(parameters(layer));
        CHECK(count() == 3);
        other = copy;
        CHECK(count() == 3);
        optim::Adam<double> moved(std::move(copy));
        CHECK(count() == 3);
        other = std::move(moved);
        CHECK(count() == 2);
        adam.add_group(parameters(layer), {.weight_decay = 1});
        CHECK(count() == 2);
    }
    CHECK(count() == 0);
    const Linear copied = layer;
    CHECK(copied.weight.parameter().optimizers == 0);
}

TEST_CASE("a copy of an optimiser has its own state") {
    Linear layer = linear(3, 2);
    optim::Adam<double> adam(parameters(layer));
    backward(x, layer);
    adam.step();
    optim::Adam<double> copy(adam);
    const auto before = copy.state(), snapshot = adam.state();
    backward(x, layer);
    adam.step();
    CHECK(copy.state().at("weight.mean") == before.at("weight.mean"));
    CHECK(snapshot.at("weight.mean") == before.at("weight.mean"));
    CHECK(distance(adam.state().at("weight.mean"), before.at("weight.mean")) > 0);
}

TEST_CASE("the first step names the parameters that no optimiser holds") {
    Linear first = linear(3, 2), second = linear(2, 1);
    second.bias.rename("head_bias");
    optim::Sgd<double> sgd(parameters(first));
    const auto before = first.weight.value().copy();
    backward(x, first, second);
    const std::string error = error_of([&] { sgd.step(); });
    CHECK(contains(error, "that no optimiser holds"));
    CHECK(contains(error, "'head_bias' [1], 'weight' [1, 2]"));
    CHECK(contains(error, "members()"));
    CHECK(contains(error, "set_trainable(false)"));
    CHECK(contains(error, "holding.cpp"));
    CHECK(first.weight.value() == before);
    CHECK(first.weight.has_gradient());
    CHECK(sgd.steps() == 0);

    SUBCASE("allowed") { sgd.allow_unlisted(true); }
    SUBCASE("frozen") {
        second.weight.set_trainable(false);
        second.bias.set_trainable(false);
    }
    SUBCASE("held by another optimiser") {
        auto other = std::make_unique<optim::Sgd<double>>(parameters(second));
        CHECK(sgd.step());
        CHECK(other->step());
        backward(x, first, second);
        other.reset();
        sgd.allow_unlisted(false);
        CHECK(sgd.step()); // held when backward ran
        backward(x, first, second);
        // Now by its path, since its module was listed.
        CHECK(contains(error_of([&] { sgd.step(); }), "'bias' [1]"));
        return;
    }
    SUBCASE("added") {
        const Parameters<double> rest{{"head.weight", second.weight}, {"head.bias", second.bias}};
        sgd.add_group(rest, {});
    }
    CHECK(sgd.step());
    CHECK(distance(first.weight.value(), before) > 0);
}

TEST_CASE("two optimisers may share a tape") {
    Linear generator = linear(3, 2), critic = linear(2, 1);
    optim::Adam<double> g(parameters(generator)), c(parameters(critic));
    for (int i = 0; i < 3; ++i) {
        backward(x, generator, critic);
        g.step();
        c.step();
        // After a pass that reaches both, one steps and the other's gradients are dropped.
        backward(x, generator, critic);
        c.step();
        for (const auto& p : g.parameters()) p.clear_gradient();
        backward(x.slice(1, 0, 2), critic);
        c.step();
    }
    CHECK(g.steps() == 3);
    CHECK(c.steps() == 9);
}

TEST_CASE("a step ignores gradients of other passes and threads") {
    Linear layer = linear(3, 2), other = linear(3, 2);
    optim::Sgd<double> sgd(parameters(layer));
    backward(x, layer);
    backward(x, other); // updated manually
    CHECK(sgd.step());
    backward(x, other);
    std::thread([&] { backward(x, layer); }).join();
    CHECK(sgd.step());
    // Several passes before one step, as in a line search.
    for (int i = 0; i < 3; ++i) backward(x, layer);
    CHECK(sgd.step());
}

TEST_CASE("a step without gradients is an error") {
    Linear layer = linear(3, 2);
    optim::Sgd<double> sgd(parameters(layer));
    CHECK(contains(error_of([&] { sgd.step(); }), "no parameter has a gradient"));
    backward(x, layer);
    CHECK(sgd.step());
    CHECK(contains(error_of([&] { sgd.step(); }), "Was backward called"));
    CHECK(sgd.steps() == 1);
    optim::Sgd<double> empty(Parameters<double>{});
    CHECK(contains(error_of([&] { empty.step(); }), "the optimiser holds no parameter"));
}

TEST_CASE("a step without gradients names the likely reason") {
    Linear layer = linear(3, 2);
    optim::Sgd<double> first(parameters(layer)), second(parameters(layer));
    backward(x, layer);
    CHECK(first.step());
    const std::string shared = error_of([&] { second.step(); });
    CHECK(contains(shared, "Another optimiser also holds 'bias' [2], 'weight' [2, 3]"));
    CHECK(contains(shared, "Let one optimiser hold each parameter"));
    const Tape<float> tape;
    const std::string type = error_of([&] { first.step(); });
    CHECK(contains(type, "a Tape<float> records here, but the value is double: create a "
                         "Tape<double>"));
    CHECK(contains(type, "holding.cpp:"));
}

TEST_CASE("modules may be moved, replaced and destroyed after the optimiser was constructed") {
    auto layer = std::make_unique<Linear>(linear(3, 2));
    optim::Sgd<double> sgd(parameters(*layer), {.learning_rate = 0.1});

    SUBCASE("moved") {
        std::vector<Linear> all;
        all.push_back(std::move(*layer));
        layer.reset();
        const auto before = all[0].weight.value().copy();
        backward(x, all[0]);
        CHECK(sgd.step());
        CHECK(distance(all[0].weight.value(), before) > 0);
    }
    SUBCASE("replaced, which the next step reports") {
        *layer = linear(3, 1);
        backward(x, *layer);
        const std::string error = error_of([&] { sgd.step(); });
        CHECK(contains(error, "no parameter has a gradient"));
        CHECK(contains(error, "replaced"));
        Linear before = linear(3, 3);
        sgd.add_group(
            Parameters<double>{{"before.weight", before.weight}, {"before.bias", before.bias}}, {});
        backward(x, before, *layer);
        CHECK(contains(error_of([&] { sgd.step(); }), "'bias' [1], 'weight' [1, 3]"));
    }
    SUBCASE("destroyed between backward and step") {
        backward(x, *layer);
        layer.reset();
        CHECK(sgd.step());
    }
    SUBCASE("destroyed before the optimiser, which is destroyed later") {
        layer.reset();
        CHECK(sgd.state().size() == 4);
    }
    SUBCASE("the optimiser is destroyed first") {
        { optim::Sgd<double> taken(std::move(sgd)); }
        CHECK(layer->weight.parameter().optimizers == 0);
        backward(x, *layer);
        CHECK(layer->weight.has_gradient());
    }
}

TEST_CASE("a parameter frozen after backward does not change") {
    Linear layer = linear(3, 2);
    optim::Sgd<double> sgd(parameters(layer), {.weight_decay = 0.1});
    backward(x, layer);
    layer.weight.set_trainable(false);
    const auto before = layer.weight.value().copy();
    sgd.step();
    CHECK(layer.weight.value() == before);
    CHECK_FALSE(layer.weight.has_gradient());
}
