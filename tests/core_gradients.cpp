#include "support.hpp"

#include <unroll/core/gradients.hpp>
#include <unroll/nn/recurrent.hpp>
#include <unroll/ops/fuse.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

using namespace test;

namespace {
using V = Variable<double>;
}

TEST_CASE("gradients: values, and nothing else is touched") {
    Tape<double> tape;
    Parameter<double> w("w", Tensor<double>({2}, {3, 4}));
    const auto x = tape.variable(Tensor<double>({2}, {1, 2}));
    const auto y = sum(x * x * w);
    const auto g = gradients(y, {x, w});
    CHECK(g[0].value() == Tensor<double>({2}, {6, 16}));
    CHECK(g[1].value() == Tensor<double>({2}, {1, 4}));
    CHECK_FALSE(g[0].is_recorded());
    CHECK_FALSE(w.has_gradient());
    CHECK(contains(error_of([&] { gradients(y, {x}); }), "used up"));
}

TEST_CASE("gradients of gradients") {
    Tape<double> tape;
    const auto x = tape.variable(Tensor<double>::scalar(2));
    const auto y = x * x * x;
    const auto g = gradients(y, {x}, {.create_graph = true})[0];
    CHECK(g.item() == doctest::Approx(12));
    const auto h = gradients(g, {x}, {.create_graph = true})[0];
    CHECK(h.item() == doctest::Approx(12));
    const auto third = gradients(h, {x}, {.create_graph = true})[0];
    CHECK(third.item() == doctest::Approx(6));
    tape.backward(y + g);
    CHECK(tape.gradient(x).item() == doctest::Approx(24));
}
