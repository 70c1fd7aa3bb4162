#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/autograd/record.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

using namespace test;

namespace {

using V = Variable<double>;

// x^3 with a rule that computes with plain tensors.
V plain_cube(const V& x, bool once_only) {
    Tensor<double> value(x.shape());
    for (std::size_t i = 0; i < value.size(); ++i)
        value.data()[i] = std::pow(x.value().data()[i], 3);
    const auto rule = [](const Adjoints<double>& to, const V& g, const V& x) {
        Tensor<double> share(x.shape());
        for (std::size_t i = 0; i < share.size(); ++i)
            share.data()[i] = 3 * x.value().data()[i] * x.value().data()[i] * g.value().data()[i];
        to[0].add(V(share));
    };
    return once_only ? record<double>("cube", {&x}, value, save_for_backward(x), once(rule))
                     : record<double>("cube", {&x}, value, save_for_backward(x), rule);
}

} // namespace

TEST_CASE("orders: a rule that adds a plain tensor") {
    Tape<double> tape;
    const V x = tape.variable(Tensor<double>({2}, {1, 2}));
    SUBCASE("is right at first order") {
        CHECK(gradients(sum(plain_cube(x, false)), {x})[0].value() == Tensor<double>({2}, {3, 12}));
    }
    SUBCASE("is an error where it would be differentiated") {
        const V y = sum(plain_cube(x, false));
        const std::string error = error_of([&] { hessian(y, x); });
        CHECK(contains(error, "cube: its rule turns a plain tensor into a gradient"));
        CHECK(contains(error, "once()"));
        CHECK(contains(error, "orders.cpp"));
    }
    SUBCASE("also where it is one factor of what is added") {
        const V y = record<double>("mine", {&x}, x.value().copy(), save_for_backward(x),
                                   [](const Adjoints<double>& to, const V& g, const V& x) {
                                       to[0].add(g * V(x.value().copy()));
                                   });
        const V z = tape.variable(Tensor<double>({2}, {1, 1}));
        CHECK(contains(error_of([&] { gradients(sum(y * z), {x}, {.create_graph = true}); }),
                       "plain tensor"));
    }
    SUBCASE("may say that it is differentiable once") {
        const V y = sum(plain_cube(x, true));
        const V g = gradients(y, {x}, {.create_graph = true})[0];
        CHECK(g.value() == Tensor<double>({2}, {3, 12}));
        CHECK(contains(error_of([&] { gradients(sum(g), {x}); }),
                       "cube: its rule is marked by once()"));
        CHECK(contains(error_of([&] { hessian(y, x); }), "once()"));
        // Its gradient also depends on what the incoming one depends on.
        const V w = tape.variable(Tensor<double>({2}, {1, 2}));
        const V weighed = sum(plain_cube(x, true) * w);
        const V h = gradients(weighed, {x}, {.create_graph = true})[0];
        CHECK(contains(error_of([&] { gradients(sum(h), {w}); }), "once()"));
    }
    SUBCASE("that does not depend on what is differentiated passes as a constant") {
        const Tensor<double> mask({2}, {1, 0});
        const V y = record<double>(
            "drop", {&x}, (V(x.value()) * mask).value(), save_for_backward(),
            [mask](const Adjoints<double>& to, const V& g) { to[0].add(g * constant(mask)); });
        CHECK(hessian(sum(square(y)), x) == Tensor<double>({2, 2}, {2, 0, 0, 0}));
    }
}

TEST_CASE("orders: a tensor created before the rule runs is not a constant either") {
    Tape<double> tape;
    const V x = tape.variable(Tensor<double>({2}, {1, 2}));
    const Tensor<double> v = x.value(), cubes({2}, {1, 8});
    const auto refused = [&](const V& y) {
        CHECK(gradients(sum(y), {x}, {.retain = true})[0].value() == Tensor<double>({2}, {3, 12}));
        CHECK(contains(error_of([&] { hessian(sum(y), x); }), "cube: its rule turns a plain"));
        CHECK(contains(error_of([&] { gradients(sum(y * x), {x}, {.create_graph = true}); }),
                       "plain tensor"));
    };
    SUBCASE("captured") {
        refused(record<double>(
            "cube", {&x}, cubes, save_for_backward(),
            [v](const Adjoints<double>& to, const V& g) { to[0].add(3 * g * v * v); }));
    }
    SUBCASE("kept") {
        refused(record<double>("cube", {&x}, cubes, save_for_backward(v),
                               [](const Adjoints<double>& to, const V& g, const Tensor<double>& v) {
                                   to[0].add(3 * g * v * v);
                               }));
    }
    SUBCASE("captured by a rule that is marked by once()") {
        const V y = record<double>(
            "cube", {&x}, cubes, save_for_backward(),
            once([v](const Adjoints<double>& to, const V& g) { to[0].add(3 * g * v * v); }));
        const V g = gradients(sum(y), {x}, {.create_graph = true})[0];
        CHECK(g.value() == Tensor<double>({2}, {3, 12}));
        CHECK(contains(error_of([&] { gradients(sum(g), {x}); }), "once()"));
    }
    SUBCASE("a factor of a product") {
        const V m = tape.variable(Tensor<double>({2, 2}, {1, 2, 3, 4}));
        const Tensor<double> w({2, 2}, {1, 0, 2, 1});
        const V y = record<double>(
            "map", {&m}, matmul(V(w), V(m.value())).value(), save_for_backward(),
            [w](const Adjoints<double>& to, const V& g) { to[0].add_product(w.transpose(), g); });
        CHECK(contains(error_of([&] { hessian(sum(square(y)), m); }), "plain tensor"));
    }
}

TEST_CASE("orders: derivatives of constants are zero, everywhere") {
    Tape<double> tape;
    const V x = tape.variable(Tensor<double>({2}, {1, 2}));
    const V g = gradients(sum(2.0 * x), {x}, {.create_graph = true})[0];
    const Tensor<double> zeros = Tensor<double>::zeros({2});
    CHECK(gradients(sum(g), {x})[0].value() == zeros);
    CHECK(gradients(sum(g), {x}, {.create_graph = true})[0].value() == zeros);
    CHECK(jacobian(g, x) == Tensor<double>::zeros({2, 2}));
    CHECK(hessian(sum(g), x) == Tensor<double>::zeros({2, 2}));
    CHECK(hessian_vector_product(sum(2.0 * x), {x}, {zeros})[0] == zeros);
    tape.backward(sum(g));
    CHECK(tape.gradient(x) == zeros);
    const V third = gradients(sum(gradients(sum(x * x), {x}, {.create_graph = true})[0]), {x},
                              {.create_graph = true})[0];
    CHECK(gradients(sum(third), {x})[0].value() == zeros);
    // With y recorded but independent of x.
    const V y = tape.variable(Tensor<double>({2}, {5, 6}));
    CHECK(gradients(sum(y * y), {x})[0].value() == zeros);
    Parameter<double> w("w", Tensor<double>::ones({2}));
    CHECK(gradients(sum(y * y), {w})[0].value() == zeros);
}

TEST_CASE("orders: whatever takes a variable takes a parameter and a number") {
    Parameter<double> p("p", Tensor<double>({2}, {0.5, 2}));
    Tape<double> tape;
    const V x = tape.variable(Tensor<double>({2}, {1, 3}));
    const auto gradient_of = [&](const V& y) {
        p.clear_gradient();
        tape.backward(sum(y));
        return p.gradient().copy();
    };
    CHECK(gradient_of(2.0 * p) == Tensor<double>({2}, {2, 2}));
    CHECK(gradient_of(p * 2.0) == Tensor<double>({2}, {2, 2}));
    CHECK(gradient_of(-p) == Tensor<double>({2}, {-1, -1}));
    CHECK(gradient_of(p * p) == Tensor<double>({2}, {1, 4}));
    CHECK(distance(gradient_of(pow(p, 2.0)), Tensor<double>({2}, {1, 4})) < 1e-12);
    CHECK(distance(gradient_of(exp(p)), exp(V(p.value())).value()) < 1e-12);
    CHECK(gradient_of(sum(p)) == Tensor<double>({2}, {1, 1}));
    CHECK(gradient_of(p * x) == Tensor<double>({2}, {1, 3}));
    CHECK(gradient_of(x - p) == Tensor<double>({2}, {-1, -1}));
    CHECK(gradients(sum(square(p)), {p})[0].value() == Tensor<double>({2}, {1, 4}));
}
