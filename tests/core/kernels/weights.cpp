// The packed copies of a parameter follow every modification.

#include "support.hpp"

#include <unroll/core/autograd/parameter.hpp>
#include <unroll/core/kernels/panels.hpp>
#include <unroll/core/kernels/product.hpp>
#include <unroll/core/kernels/weights.hpp>
#include <unroll/core/tensor/xtensor.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/optim/optimizer.hpp>

#include <thread>

using namespace test;

namespace {

Tensor<double> product(const Tensor<double>& a, const Tensor<double>& b, double scale = 1) {
    Tensor<double> out = Tensor<double>::ones({a.shape(0), b.shape(1)});
    multiply(a, b, scale, 0.5, out);
    return out;
}

// Compared with a copy of the weight, which has no packed copies.
void check(const Parameter<double>& w) {
    const Tensor<double>& weight = w.value();
    for (const std::size_t rows : {1, 3, 64, 100}) {
        const auto x = random_tensor({rows, weight.shape(0)}, rows),
                   y = random_tensor({rows, weight.shape(1)}, rows);
        CHECK(distance(product(x, weight), product(x, weight.copy())) < 1e-12);
        CHECK(distance(product(x, weight, -0.3), product(x, weight.copy(), -0.3)) < 1e-12);
        CHECK(distance(product(y, weight.transpose()), product(y, weight.copy().transpose())) <
              1e-12);
    }
}

bool is_packed(const Tensor<double>& w) { return weights::packed(w, false, w.shape(1)) != nullptr; }

} // namespace

TEST_CASE("weights: products with a parameter of any shape") {
    for (const auto& [rows, columns] : {std::pair<std::size_t, std::size_t>{1, 1},
                                        {1, 7},
                                        {7, 1},
                                        {16, 64},
                                        {5, 130},
                                        {130, 65},
                                        {300, 20},
                                        {20, 1100},
                                        {4500, 70},
                                        {33, 9000}})
        check(Parameter<double>("w", random_tensor({rows, columns})));
}

TEST_CASE("weights: products without an inner dimension are zero") {
    const Parameter<double> w("w", random_tensor({20, 70}));
    const Tensor<double> weight = w.value().slice(0, 3, 3), x = Tensor<double>::zeros({4, 0});
    CHECK(distance(product(x, weight), Tensor<double>::full({4, 70}, 0.5)) == 0);
    Tensor<double> out = Tensor<double>::full({4, 70}, 7);
    multiply(x, weight, 1.0, 0.0, out);
    CHECK(distance(out, Tensor<double>::zeros({4, 70})) == 0);
}

TEST_CASE("weights: every modification is detected") {
    Parameter<double> w("w", random_tensor({20, 70}));
    check(w);
    w.change().fill(2);
    check(w);
    w.set(random_tensor({20, 70}, 2));
    check(w);
    w = Parameter<double>("other", random_tensor({20, 70}, 3));
    check(w);
    w.change().slice(0, 3, 5).fill(7);
    check(w);
    w.change() = random_tensor({20, 70}, 5);
    check(w);

    Parameter<double> v("v", random_tensor({20, 70}, 6));
    check(v);
    CHECK(is_packed(v.value()) == panels::available());
    // A mutable pointer may be used later.
    double* const elements = v.change().data();
    check(v);
    CHECK(!is_packed(v.value()));
    elements[17] = 100;
    check(v);
    v.change().fill(1);
    check(v);
    elements[18] = 100;
    check(v);

    Parameter<double> u("u", random_tensor({20, 70}, 6));
    check(u);
    double& element = u.change()(3, 4);
    check(u);
    element = 50;
    check(u);

    Parameter<double> x("x", random_tensor({20, 70}, 6));
    check(x);
    auto seen = array(x.change());
    check(x);
    seen(2, 3) = 30;
    check(x);
}

TEST_CASE("weights: parameters are packed, however they were created and changed") {
    const auto packs = [](const Parameter<double>& p) {
        return is_packed(p.value()) == panels::available();
    };
    Parameter<double> made("w", random_tensor({20, 70}));
    CHECK(packs(made));
    const auto shared = random_tensor({20, 70});
    CHECK(packs(Parameter<double>("w", shared)));
    CHECK(packs(Parameter<double>("w", shared.transpose())));
    CHECK(packs(Parameter<double>(made)));
    nn::Linear<double> layer({.input = 20, .output = 70});
    {
        Tape<double> tape;
        tape.backward(sum(layer(tape.variable(random_tensor({4, 20})))));
        optim::Adam<double>(parameters(layer)).step();
    }
    const auto weight = parameters(layer).front();
    CHECK((weights::packed(weight.value().transpose(), true, 20) != nullptr) ==
          panels::available());
}

TEST_CASE("weights: copies and moves of parameters") {
    Parameter<double> a("a", random_tensor({20, 70}));
    check(a);
    Parameter<double> b(a);
    b.change().fill(3);
    check(a);
    check(b);
    const Parameter<double> c(std::move(a));
    check(c);
    // A parameter does not share the tensor that it is constructed from.
    auto tensor = random_tensor({20, 70});
    const Parameter<double> d("d", tensor);
    check(d);
    tensor(0, 0) = 100;
    CHECK(d.value()(0, 0) != 100);
    check(d);
    Tensor<double> outlives;
    {
        const Parameter<double> e("e", random_tensor({20, 70}));
        outlives = e.value();
        check(e);
    }
    CHECK(distance(product(random_tensor({3, 20}), outlives),
                   product(random_tensor({3, 20}), outlives.copy())) < 1e-12);
}

TEST_CASE("weights: more slices of a parameter than are cached") {
    const Parameter<double> w("w", random_tensor({20, 70}));
    const auto x = random_tensor({4, 20});
    for (int round = 0; round < 2; ++round)
        for (std::size_t begin = 0; begin < 40; begin += 3) {
            const auto part = w.value().slice(1, begin, begin + 30);
            CHECK(distance(product(x, part), product(x, part.copy())) < 1e-12);
        }
}

TEST_CASE("threads: concurrent products with a weight that has just changed") {
    Parameter<double> w("w", random_tensor({40, 70}));
    const auto x = random_tensor({4, 40});
    for (int round = 0; round < 20; ++round) {
        w.change().fill(round);
        const auto expected = product(x, w.value().copy());
        std::array<double, 4> distances;
        std::vector<std::thread> threads;
        for (double& d : distances)
            threads.emplace_back([&] { d = distance(product(x, w.value()), expected); });
        for (auto& thread : threads) thread.join();
        for (const double d : distances) CHECK(d < 1e-12);
    }
}
