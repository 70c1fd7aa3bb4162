#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/autograd/record.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <memory>
#include <optional>

using namespace test;

namespace {

using V = Variable<double>;

const Tensor<double> point({2}, {1.5, -0.5});
const Tensor<double> slope({2}, {6.75, 0.75}); // 3 x^2

Tensor<double> cube_gradient() {
    Tape<double> tape;
    const V x = tape.variable(point);
    tape.backward(sum(x * x * x));
    return tape.gradient(x);
}

// tanh(layer(x)), whose rule computes it again on a separate tape.
V checkpoint(const nn::Linear<double>& layer, const V& x) {
    Tensor<double> value;
    {
        const NoRecording off;
        value = tanh(layer(x)).value();
    }
    return record<double>("checkpoint", {&x}, value, save_for_backward(x),
                          once([&layer](const Adjoints<double>& to, const V& g, const V& x) {
                              Tape<double> inner;
                              const V again = inner.variable(x.value());
                              inner.backward(tanh(layer(again)), g.value());
                              to[0].add(inner.gradient(again));
                          }));
}

} // namespace

TEST_CASE("nested: a tape records although recording is off around it") {
    SUBCASE("within a NoRecording") {
        const NoRecording<double> off;
        CHECK(cube_gradient() == slope);
        CHECK(Tape<double>::is_paused());
    }
    SUBCASE("within one for all types") {
        const NoRecording off;
        CHECK(cube_gradient() == slope);
        CHECK(Tape<double>::is_paused());
        CHECK(Tape<float>::is_paused());
    }
    SUBCASE("for parameters") {
        nn::Linear<double> layer({.input = 2, .output = 1});
        const NoRecording off;
        Tape<double> tape;
        tape.backward(sum(layer(V(Tensor<double>({1, 2}, {3, 4})))));
        CHECK(layer.weight.gradient() == Tensor<double>({1, 2}, {3, 4}));
    }
    SUBCASE("in the rule of a backward pass") {
        Tape<double> tape;
        const V x = tape.variable(point);
        tape.backward(sum(record<double>(
            "cube", {&x}, point.copy(), save_for_backward(),
            once([](const Adjoints<double>& to, const V& g) { to[0].add(g * cube_gradient()); }))));
        CHECK(tape.gradient(x) == slope);
    }
    SUBCASE("in the rule of a recorded pass") {
        Tape<double> tape;
        const V x = tape.variable(point);
        const V y = sum(record<double>(
            "cube", {&x}, point.copy(), save_for_backward(),
            once([](const Adjoints<double>& to, const V& g) { to[0].add(g * cube_gradient()); })));
        CHECK(gradients(y, {x}, {.create_graph = true})[0].value() == slope);
    }
}

TEST_CASE("nested: which tape records, with NoRecordings that end in any order") {
    Tape<double> outer;
    const V x = outer.variable(point);
    auto off = std::make_optional<NoRecording<double>>();
    CHECK_FALSE((x * x).is_recorded());
    auto inner = std::make_unique<Tape<double>>();
    const V y = inner->variable(point);
    CHECK((y * y).tape() == inner.get());
    CHECK_FALSE((x * x).is_recorded()); // recording on its tape is still off
    off.reset();
    CHECK((x * x).tape() == &outer);
    CHECK((y * y).tape() == inner.get());
    off.emplace();
    CHECK(Tape<double>::current() == nullptr);
    inner.reset();
    CHECK(Tape<double>::current() == nullptr);
    off.reset();
    CHECK(Tape<double>::current() == &outer);
}

TEST_CASE("nested: backward of a value that was computed while recording was off") {
    Tape<double> tape;
    const V x = tape.variable(point);
    const Parameter<double> w("w", point.copy());
    V y, z;
    {
        const NoRecording off;
        y = sum(x * x);
        z = sum(w * w);
    }
    SUBCASE("is an error") {
        for (const V& value : {y, z, y * 2.0}) {
            CHECK(contains(error_of([&] { tape.backward(value); }), "NoRecording"));
            CHECK(contains(error_of([&] { gradients(value, {x}); }), "NoRecording"));
        }
    }
    SUBCASE("but it is a constant to what is recorded") {
        tape.backward(sum(x) * y);
        CHECK(tape.gradient(x) == Tensor<double>({2}, {2.5, 2.5}));
    }
    SUBCASE("and detach() makes it one for backward") {
        tape.backward(detach(y));
        CHECK(tape.gradient(x) == Tensor<double>({2}, {0, 0}));
    }
}

TEST_CASE("nested: a pass in a rule adds to parameters that the outer pass adds to") {
    nn::Linear<double> layer({.input = 2, .output = 2}), plain = layer;
    const Tensor<double> in({1, 2}, {0.5, -1});
    for (int step = 0; step < 2; ++step) { // with gradients still empty, then not
        Tape<double> tape;
        const V x = tape.variable(in);
        tape.backward(sum(layer(checkpoint(layer, layer(x)))));
        Tape<double> reference;
        const V y = reference.variable(in);
        reference.backward(sum(plain(tanh(plain(plain(y))))));
        CHECK(distance(tape.gradient(x), reference.gradient(y)) < 1e-15);
        CHECK(distance(layer.weight.gradient(), plain.weight.gradient()) < 1e-15);
        CHECK(distance(layer.bias.gradient(), plain.bias.gradient()) < 1e-15);
    }
}

TEST_CASE(
    "nested: a pass of the same tape within one of its rules is an error that changes nothing") {
    for (const bool outer : {false, true})
        for (const bool inner : {false, true}) {
            Tape<double> tape;
            const V x = tape.variable(Tensor<double>::scalar(2));
            const V q = x * x;
            bool nests = true;
            const V y =
                record<double>("nesting", {&q}, Tensor<double>::scalar(4), save_for_backward(),
                               [&](const Adjoints<double>& to, const V& g) {
                                   if (nests && inner) gradients(q, {x}, {.retain = true});
                                   if (nests && !inner) tape.backward(q);
                                   to[0].add(g);
                               });
            const auto run = [&] { return gradients(y, {x}, {.create_graph = outer}); };
            CHECK(contains(error_of(run), "a backward pass over this tape is running"));
            nests = false;
            CHECK(run()[0].item() == 4);
        }
}
