#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/graph/formula_text.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/join.hpp>
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

TEST_CASE("first and second derivatives equal those derived by hand") {
    // f = x0^2 x1 + sin(x1): gradient (2 x0 x1, x0^2 + cos x1), Hessian ((2 x1, 2 x0), (2 x0, -sin
    // x1))
    Tape<double> tape;
    const auto x = tape.variable(Tensor<double>({2}, {1.5, -0.7}));
    const auto a = select(x, 0, 0), b = select(x, 0, 1);
    const auto f = a * a * b + sin(b);
    const Tensor<double> expected({2, 2}, {-1.4, 3, 3, -std::sin(-0.7)});
    CHECK(distance(hessian(f, x), expected) < 1e-14);
    const auto hv = hessian_vector_product(f, {x}, {Tensor<double>({2}, {2, -1})});
    CHECK(distance(hv[0], Tensor<double>({2}, {-5.8, 6 + std::sin(-0.7)})) < 1e-14);
    CHECK(distance(jacobian(stack({a * b, a, b * b}), x),
                   Tensor<double>({3, 2}, {-0.7, 1.5, 1, 0, 0, -1.4})) < 1e-14);
    CHECK(jacobian(matmul(reshape(x, {1, 2}), Tensor<double>::ones({2, 3})), x).shape() ==
          Shape{1, 3, 2});
    CHECK(hessian(sum(x * 3), x) == Tensor<double>::zeros({2, 2}));
    CHECK(hessian_vector_product(sum(x), {x}, {Tensor<double>::ones({2})})[0] ==
          Tensor<double>::zeros({2}));
}

TEST_CASE("a Hessian-vector product of a whole model equals differences of its gradient") {
    nn::seed(3);
    nn::Lstm<double> lstm({.input = 3, .hidden = 4, .layers = 2});
    const auto x = random_tensor({5, 2, 3}), y = random_tensor({5, 2, 4}, 7);
    auto all = parameters(lstm);
    Tape<double> tape;
    const auto loss = [&] {
        tape.clear();
        return mean_squared_error(lstm(Variable(x)).output, y);
    };
    std::vector<Tensor<double>> v;
    for (const auto& p : all) v.push_back(random_tensor(p.shape(), v.size() + 20));
    const auto product = hessian_vector_product(loss(), all, v);

    const double h = 1e-5;
    const auto gradient_at = [&](double d) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            auto& value = all[i].change();
            for (std::size_t k = 0; k < value.size(); ++k) value.data()[k] += d * v[i].data()[k];
        }
        std::vector<Tensor<double>> g;
        for (const auto& variable : gradients(loss(), all)) g.push_back(variable.value());
        for (std::size_t i = 0; i < all.size(); ++i) {
            auto& value = all[i].change();
            for (std::size_t k = 0; k < value.size(); ++k) value.data()[k] -= d * v[i].data()[k];
        }
        return g;
    };
    const auto ahead = gradient_at(h), behind = gradient_at(-h);
    for (std::size_t i = 0; i < all.size(); ++i)
        for (std::size_t k = 0; k < v[i].size(); ++k)
            CHECK(product[i].data()[k] ==
                  doctest::Approx((ahead[i].data()[k] - behind[i].data()[k]) / (2 * h))
                      .epsilon(1e-5));
    for (const auto& p : all) CHECK_FALSE(p.has_gradient());
}

TEST_CASE("a gradient penalty trains") {
    // The norm of d output / d input is driven to 1, as in a Wasserstein critic.
    Parameter<double> w("w", Tensor<double>({3, 1}, {2, -1, 0.5}));
    const auto x = random_tensor({4, 3});
    Tape<double> tape;
    double first = 0, last = 0;
    for (int step = 0; step < 300; ++step) {
        tape.clear();
        const auto in = tape.variable(x);
        const auto out = sum(tanh(matmul(in, w)));
        const auto g = gradients(out, {in}, {.create_graph = true})[0];
        const auto penalty = mean(square(norm_l2(g, {1}) - 1));
        last = penalty.item();
        if (step == 0) first = last;
        tape.backward(penalty);
        auto& value = w.change();
        for (std::size_t i = 0; i < 3; ++i) value.data()[i] -= 0.05 * w.gradient().data()[i];
        w.clear_gradient();
    }
    INFO(first);
    CHECK(last < first / 2);
}

TEST_CASE("an operand that where does not select has no second derivative") {
    Tape<double> tape;
    const auto x = tape.variable(Tensor<double>({3}, {-1, 0, 2}));
    const auto y = sum(fuse(
        "guarded", [](auto x) { return where(x > 0, log(x) * x, x * x); }, x));
    const auto g = gradients(y, {x}, {.create_graph = true})[0];
    CHECK(g.value() == Tensor<double>({3}, {-2, 0, std::log(2.0) + 1}));
    const auto h = gradients(sum(g), {x})[0];
    CHECK(h.value() == Tensor<double>({3}, {2, 2, 0.5}));
}

TEST_CASE("misuse of gradients") {
    Tape<double> tape, other;
    const auto x = tape.variable(random_tensor({3}));
    const auto y = square(x);
    CHECK(contains(error_of([&] { gradients(y, {x}); }), "a seed of that shape is needed"));
    CHECK(contains(error_of([&] { gradients(y, {x}, V(random_tensor({2}))); }),
                   "the seed has shape [2], the value [3]"));
    CHECK(contains(error_of([&] { gradients(sum(y), {other.variable(random_tensor({3}))}); }),
                   "another tape"));
    CHECK(contains(error_of([&] { gradients(sum(y), {slice(x, 0, 0, 2)}); }), "Tape::retain"));
    CHECK(contains(error_of([&] { gradients(sum(y), {x, slice(x, 0, 0, 2)}); }), "Tape::retain"));
    CHECK(gradients(V(1.0), {x})[0].value() == Tensor<double>::zeros({3}));
    CHECK(contains(error_of([&] { gradients(sum(y), {Variable(random_tensor({3}))}); }),
                   "a constant of shape [3], number 0 of wrt, has no gradient"));
    CHECK(contains(error_of([&] { hessian_vector_product(sum(y), {x}, {}); }),
                   "0 tensors for 1 variables"));
    CHECK(contains(error_of([&] { hessian_vector_product(sum(y), {x}, {random_tensor({2})}); }),
                   "v has shape [2] for a variable of shape [3]"));
    CHECK(contains(error_of([&] { hessian_vector_product(y, {x}, random_tensor({3})); }),
                   "need a scalar, got shape [3]"));
    // None of these has freed a rule.
    CHECK(distance(gradients(sum(y), {y})[0].value(), Tensor<double>::ones({3})) == 0);
}

TEST_CASE("an unrecorded gradient is not mistaken for a recorded one") {
    Tape<double> tape;
    const auto x = tape.variable(random_tensor({3}));
    const nn::Linear<double> layer({.input = 3, .output = 1});
    const V g = gradients(sum(exp(x)), {x}, {.retain = true})[0];
    const V constant = V(random_tensor({3}));
    for (const std::string& message :
         {error_of([&] { sum(x) + sum(g); }), error_of([&] { g* x; }), error_of([&] {
              stack({x, g}, 0);
          }),
          error_of([&] { matmul(x, constant * g); }), error_of([&] {
              layer(reshape(2 * g, {1, 3}));
          }),
          error_of([&] { where(Mask::ones({3}), x, abs(g)); })})
        CHECK(contains(message, "call the earlier gradients() with {.create_graph = true}, or "
                                "detach()"));
    CHECK(contains(error_of([&] { tape.backward(sum(g)); }), "{.create_graph = true}"));

    // What only computes, the values as constants, and recorded gradients are right.
    CHECK(error_of([&] { sum(g + constant); }) == "");
    CHECK(distance((x + detach(g)).value(), (x + V(g.value())).value()) == 0);
    const V recorded = gradients(sum(exp(x)), {x}, {.create_graph = true})[0];
    tape.backward(sum(x) + sum(recorded));
    CHECK(distance(tape.gradient(x), (1 + exp(x)).value()) < 1e-15);
    const NoRecording<double> paused;
    CHECK(error_of([&] { x - 0.1 * g; }) == "");
}

TEST_CASE("the gradient with respect to intermediate values and retained views") {
    Tape<double> tape;
    const auto x = tape.variable(random_tensor({4, 3}));
    const auto row = select(x, 0, 1);
    tape.retain(row);
    const auto y = sum(row * row) + sum(x);
    const auto g = gradients(y, {row, x}, {.create_graph = true});
    CHECK(distance(g[0].value(), (2.0 * row).value()) < 1e-15);
    CHECK(distance(g[1].value().select(0, 0), Tensor<double>::ones({3})) == 0);
    CHECK(distance(g[1].value().select(0, 1), (2.0 * row + 1).value()) < 1e-15);
    tape.backward(sum(square(g[1])));
    CHECK(distance(tape.gradient(x).select(0, 1), (4.0 * (2.0 * row + 1)).value()) < 1e-14);
}

TEST_CASE("formulas of fused operations") {
    const auto formula_of = [](const auto& f, auto... names) {
        return detail::read<1>(f).formula(names...);
    };
    CHECK(text(formula_of([](auto x) { return x * sigmoid(1.5 * x); }, nullptr)) == "x·σ(1.5·x)");
    CHECK(latex(formula_of([](auto x) { return 1 / (1 + exp(-x)); }, "x -> y")) ==
          "y = \\frac{1}{1 + \\exp\\left(-x\\right)}");
    CHECK(text(formula_of([](auto x) { return (x - 1) * (x - 1) / 2; }, "x -> y")) ==
          "y = (x − 1)·(x − 1) / 2");

    nn::LstmCell<double> cell(2, 3);
    Tape<double> tape;
    const nn::State<double, 2> state{tape.variable(random_tensor({1, 3})),
                                     tape.variable(random_tensor({1, 3}))};
    const auto next = cell.step(cell.project(Variable(random_tensor({1, 2}))), state);
    CHECK(contains(error_of([&] { formula(state[0]); }), "is not a fused operation"));
    CHECK(contains(error_of([] { formula(V(1.0)); }), "a constant has no formula"));
    CHECK(text(formula(next[1])) == text(formula(next[0])));
    CHECK(text(formula(next[0])) == "c' = σ(f)·c + σ(i)·tanh(g)\nh = σ(o)·tanh(c')");
}
