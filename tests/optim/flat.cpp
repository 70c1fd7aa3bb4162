#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>
#include <unroll/optim/flat.hpp>

using namespace test;
using V = Variable<double>;

TEST_CASE("parameters as one vector, and back") {
    Parameter<double> a("a", Tensor<double>({2, 2}, {1, 2, 3, 4}));
    Parameter<double> none("none", Tensor<double>(Shape{0, 3}));
    Parameter<double> b("b", Tensor<double>::scalar(5));
    // One that is not contiguous.
    Parameter<double> c("c", Tensor<double>({3, 2}, {1, 2, 3, 4, 5, 6}).transpose());
    const auto all = parameters(a, none, b, c);
    const auto vector = optim::parameters_to_vector(all);
    CHECK(vector == Tensor<double>({11}, {1, 2, 3, 4, 5, 1, 3, 5, 2, 4, 6}));
    CHECK(optim::gradients_to_vector(all) == Tensor<double>::zeros({11}));
    {
        Tape<double> tape;
        const V y = sum(a * a) + 3 * b;
        tape.backward(y);
    }
    CHECK(optim::gradients_to_vector(all) ==
          Tensor<double>({11}, {2, 4, 6, 8, 3, 0, 0, 0, 0, 0, 0}));
    CHECK_FALSE(c.has_gradient());

    b.set_trainable(false);
    optim::vector_to_parameters((2 * V(vector)).value(), all);
    CHECK(a.value() == Tensor<double>({2, 2}, {2, 4, 6, 8}));
    CHECK(b.value().item() == 10);
    CHECK(c.value() == Tensor<double>({2, 3}, {2, 6, 10, 4, 8, 12}));
    CHECK(optim::parameters_to_vector(all) == (2 * V(vector)).value());
    CHECK(vector(0) == 1); // a copy

    for (const Shape& wrong : {Shape{10}, Shape{1, 11}, Shape{}})
        CHECK(contains(
            error_of([&] { optim::vector_to_parameters(Tensor<double>::zeros(wrong), all); }),
            "for parameters of 11 elements; expected [11]"));
    CHECK(b.value().item() == 10);
    CHECK(optim::parameters_to_vector(Parameters<double>()).shape() == Shape{0});
    optim::vector_to_parameters(Tensor<double>(Shape{0}), Parameters<double>());
}

TEST_CASE("a tape does not run backward over parameters set from a vector") {
    nn::Linear<float> layer({.input = 2, .output = 1});
    const auto all = parameters(layer);
    Tape tape;
    const auto loss = sum(square(layer(Tensor<float>::ones({1, 2}))));
    optim::vector_to_parameters(optim::parameters_to_vector(all), all);
    CHECK(contains(error_of([&] { tape.backward(loss); }), "changed"));
}

TEST_CASE("Hessian and Jacobian with respect to several parameters") {
    Parameter<double> w("w", Tensor<double>({2}, {0.5, -0.3}));
    Parameter<double> b("b", Tensor<double>::scalar(0.2));
    const auto all = parameters(w, b);
    const Tensor<double> x({3, 2}, {1, 2, -1, 0.5, 0.3, 0.7});
    // sum of f(z), z = x w + b: H = A^T diag(f'') A with A = [x, 1].
    Tape<double> tape;
    const V z = dot(V(x), w) + b;
    const V y = sum(exp(z));
    Tensor<double> expected = Tensor<double>::zeros({3, 3}), rows({3, 3});
    for (std::size_t n = 0; n < 3; ++n) {
        const double row[] = {x(n, 0), x(n, 1), 1}, f = std::exp(z.value()(n));
        for (std::size_t i = 0; i < 3; ++i) {
            rows(n, i) = row[i];
            for (std::size_t j = 0; j < 3; ++j) expected(i, j) += f * row[i] * row[j];
        }
    }
    CHECK(distance(hessian(y, all), expected) < 1e-14);
    CHECK(distance(hessian(y, {w, b}), expected) < 1e-14);
    CHECK(distance(jacobian(z, all), rows) < 1e-14);
    CHECK(jacobian(reshape(z, Shape{3, 1}), {w, b}).shape() == Shape{3, 1, 3});
    // One by itself keeps its shape.
    CHECK(hessian(y, b).shape() == Shape{});
    CHECK(hessian(y, {w}).shape() == Shape{2, 2});

    const Tensor<double> v({3}, {1, -2, 0.5});
    CHECK(distance(hessian_vector_product(y, all, v), dot(V(expected), V(v)).value()) < 1e-14);
    const auto parts =
        hessian_vector_product(y, all, {Tensor<double>({2}, {1, -2}), Tensor<double>::scalar(0.5)});
    CHECK(distance(parts[1], dot(V(expected), V(v)).value().select(0, 2)) < 1e-14);
    for (const Shape& wrong : {Shape{2}, Shape{3, 1}})
        CHECK(
            contains(error_of([&] { hessian_vector_product(y, all, Tensor<double>::ones(wrong)); }),
                     "for variables of 3 elements; expected [3]"));

    // A parameter that y does not depend on, and derivatives that are constant.
    Parameter<double> other("other", Tensor<double>::ones({1}));
    const auto with_other = hessian(sum(w * b), {w, b, other});
    CHECK(with_other == Tensor<double>({4, 4}, {0, 0, 1, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0}));
    CHECK(hessian(sum(w), {w, b}) == Tensor<double>::zeros({3, 3}));
    CHECK(hessian(sum(w), Parameters<double>()).shape() == Shape{0, 0});
}
