#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/tensor/xtensor.hpp>
#include <unroll/nn/layers/convolution.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/ops/views.hpp>

#include <functional>

using namespace test;

namespace {

using V = Variable<double>;

// The message of backward after `change` of the buffer that f has read.
std::string after(const std::function<V(const V& w, const Tensor<double>& x)>& f,
                  const std::function<void(Tensor<double>& x)>& change) {
    Tensor<double> x = random_tensor({3, 4});
    Tape<double> tape;
    const V w = tape.variable(random_tensor({3, 4}, 2));
    const V y = sum(f(w, x));
    change(x);
    const std::string error = error_of([&] { tape.backward(y, {.allow_non_finite = true}); });
    if (!error.empty()) CHECK(tape.gradient(w) == Tensor<double>::zeros({3, 4}));
    return error;
}

} // namespace

TEST_CASE("changes: every way of writing is detected") {
    const auto f = [](const V& w, const Tensor<double>& x) { return w * x; };
    const std::vector<std::pair<const char*, std::function<void(Tensor<double>&)>>> ways = {
        {"data", [](auto& x) { x.data()[0] = 100; }},
        {"element", [](auto& x) { x(1, 2) = 100; }},
        {"fill", [](auto& x) { x.fill(100); }},
        {"assign",
         [](auto& x) {
             x.assign(random_tensor({3, 4}, 9));
         }},
        {"slice", [](auto& x) { x.slice(0, 1, 2).fill(100); }},
        {"select", [](auto& x) { x.select(1, 3).fill(100); }},
        {"transpose", [](auto& x) { x.transpose()(0, 1) = 100; }},
        {"reshape", [](auto& x) { x.reshape({12}).data()[11] = 100; }},
        {"another handle", [](auto& x) { Tensor<double>(x).fill(100); }},
        {"xtensor", [](auto& x) { array(x)(0, 0) = 100; }},
    };
    for (const auto& [name, change] : ways) {
        CAPTURE(name);
        const std::string error = after(f, change);
        CHECK(contains(error, "multiply: backward, called at "));
        CHECK(contains(error, "changes.cpp:"));
        CHECK(contains(error, "needs a constant of shape [3, 4], which was changed"));
    }
    CHECK(after(f, [](auto& x) { static_cast<void>(std::as_const(x).data()[0]); }).empty());
}

TEST_CASE("changes: every operation that saves a value") {
    const auto fill = [](Tensor<double>& x) { x.fill(7); };
    const std::vector<std::function<V(const V&, const Tensor<double>&)>> all = {
        [](const V& w, const auto& x) { return w * x; },
        [](const V& w, const auto& x) { return x / w; },
        [](const V& w, const auto& x) { return pow(w, x); },
        [](const V& w, const auto& x) { return maximum(w, x); },
        [](const V& w, const auto& x) { return matmul(w, transpose(V(x))); },
        [](const V& w, const auto& x) {
            return fuse(
                "mine", [](auto a, auto b) { return a * tanh(b); }, w, x);
        },
    };
    for (const auto& f : all) CHECK(contains(after(f, fill), "which was changed"));
}

TEST_CASE("changes: variables, results and parameters") {
    Tape<double> tape;
    Tensor<double> values = Tensor<double>::ones({2});
    const V x = tape.variable(values, "the input");
    SUBCASE("a variable's own buffer") {
        const V y = sum(x * x);
        values.fill(5);
        CHECK(contains(error_of([&] { tape.backward(y); }), "the value of 'the input'"));
    }
    SUBCASE("a result") {
        V y = tanh(x);
        const V z = sum(square(y));
        Tensor<double> result = y.value();
        result.fill(5);
        CHECK(contains(error_of([&] { tape.backward(z); }), "the value of 'tanh'"));
    }
    SUBCASE("a parameter") {
        Parameter<double> w("w", Tensor<double>::ones({2}));
        const V y = sum(x * w);
        w.change().fill(2);
        CHECK(contains(error_of([&] { tape.backward(y); }), "the parameter 'w'"));
        CHECK_FALSE(w.has_gradient());
    }
    SUBCASE("for gradients of gradients, too") {
        const V y = sum(x * x * x);
        const V g = gradients(y, {x}, {.create_graph = true})[0];
        values.fill(5);
        CHECK(contains(error_of([&] { gradients(sum(g), {x}); }), "which was changed"));
    }
}

TEST_CASE("changes: indices, targets and masks") {
    Tape<double> tape;
    const V x = tape.variable(random_tensor({4, 3}));
    Indices indices({2}, {1, 2});
    Indices targets({4}, {0, 1, 2, 0});
    Mask mask = Mask::full({4, 3}, true);
    V y;
    SUBCASE("take") { y = sum(take(x, indices)); }
    SUBCASE("cross_entropy") { y = cross_entropy(x, targets); }
    SUBCASE("masked_fill") { y = sum(masked_fill(x, mask, 0.0)); }
    SUBCASE("softmax") { y = sum(square(softmax(x, mask))); }
    tape.backward(y, {.retain = true});
    const Tensor<double> expected = tape.gradient(x);
    indices.fill(0);
    targets.fill(1);
    mask.fill(false);
    // The old values, or an error.
    const std::string error = error_of([&] { tape.backward(y, {.allow_non_finite = true}); });
    if (error.empty())
        CHECK(distance(tape.gradient(x), (2.0 * V(expected)).value()) < 1e-12);
    else
        CHECK(contains(error, "which was changed"));
}

TEST_CASE("changes: a pass that throws changes nothing") {
    struct Thrown {};
    Parameter<double> w("w", Tensor<double>({2}, {1, 2}));
    Tape<double> tape;
    const V x = tape.variable(Tensor<double>({2}, {3, 4}));
    tape.backward(sum(x * w));
    const Tensor<double> held = w.gradient().copy(), held_x = tape.gradient(x);
    bool throws = true;
    const V a = w * x;
    const V b = record<double>("mine", {&a}, a.value().copy(), save_for_backward(a),
                               [&](const Adjoints<double>& to, const V& g, const V& a) {
                                   if (throws) throw Thrown();
                                   to[0].add(g * a);
                               });
    // The parameter and x receive gradients before the rule throws.
    const V loss = sum(b) + sum(w * w) + sum(exp(x));
    CHECK_THROWS_AS(tape.backward(loss, {.retain = true}), Thrown);
    CHECK(w.gradient() == held);
    CHECK(tape.gradient(x) == held_x);
    CHECK_THROWS_AS(tape.backward(loss), Thrown);
    CHECK_THROWS_AS(gradients(loss, {x}), Thrown);
    CHECK_THROWS_AS(gradients(loss, {x, w}, {.create_graph = true}), Thrown);
    CHECK(Tape<double>::current() == &tape);
    CHECK((x * x).is_recorded());
    throws = false;
    tape.backward(loss);
    Tape<double> other;
    const V again = other.variable(Tensor<double>({2}, {3, 4}));
    Parameter<double> v("v", Tensor<double>({2}, {1, 2}));
    other.backward(sum(square(v * again)) * 0.5 + sum(v * v) + sum(exp(again)));
    CHECK(distance(w.gradient(), (V(held) + v.gradient()).value()) < 1e-12);
    CHECK(distance(tape.gradient(x), (V(held_x) + other.gradient(again)).value()) < 1e-12);
}

TEST_CASE("changes: gradcheck restores everything, even if the function throws") {
    struct Thrown {};
    Parameter<double> w("w", Tensor<double>({2}, {1, 2}));
    w.gradient_buffer().fill(7);
    w.mark_gradient();
    for (const auto mode : {GradcheckOptions::Mode::elements, GradcheckOptions::Mode::directions,
                            GradcheckOptions::Mode::together, GradcheckOptions::Mode::jacobian})
        for (int last = 1; last < 12; ++last) {
            int calls = 0;
            const auto f = [&] {
                if (++calls == last) throw Thrown();
                return sum(square(w));
            };
            try {
                gradcheck(f, {}, parameters(w), {.mode = mode});
            } catch (const Thrown&) {
            }
            CHECK(w.value() == Tensor<double>({2}, {1, 2}));
            CHECK(w.gradient() == Tensor<double>({2}, {7, 7}));
            CHECK(Tape<double>::current() == nullptr);
        }
}

TEST_CASE("changes: gradcheck restores running means") {
    nn::BatchNorm<double> norm({.channels = 2});
    const auto x = random_tensor({4, 2});
    const auto f = [&](const std::vector<Variable<double>>& in) { return square(norm(in[0])); };
    CHECK(gradcheck(f, {x}, parameters(norm)).passed());
    CHECK(norm.running_mean.value() == Tensor<double>::zeros({2}));
    CHECK(norm.running_var.value() == Tensor<double>::ones({2}));
}

TEST_CASE("changes: gradcheck says when a derivative is zero everywhere") {
    Parameter<double> w("w", Tensor<double>({2}, {1, 2})),
        unused("unused", Tensor<double>::ones({2}));
    const auto f = [&] { return sum(square(w)); };
    const auto some = gradcheck(f, {}, parameters(w, unused));
    CHECK(some.passed());
    CHECK(some.entries[0].verdict == GradcheckReport::Verdict::passed);
    CHECK(some.entries[1].verdict == GradcheckReport::Verdict::zero);
    const auto none = gradcheck(f, {}, parameters(unused));
    CHECK_FALSE(none.passed());
    CHECK(contains(none.text(), "every derivative is zero"));
    const auto constant = gradcheck([](const Variable<double>&) { return Variable<double>(3.0); },
                                    Tensor<double>::ones({2}));
    CHECK_FALSE(constant.passed());
    const NoRecording<double> off;
    CHECK(gradcheck(f, {}, parameters(w)).passed());
}
