// rms_norm and group_norm; layer_norm and batch_norm are also in numbers.cpp and convolution.cpp.

#include "ops/pytorch.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/views.hpp>

#include <limits>

using namespace test;

namespace {

using V = Variable<double>;
using F = Variable<float>;
using Many = std::vector<V>;

// The definitions, in double.
Tensor<double> rms_by_hand(const Tensor<double>& x, const Tensor<double>& gain, double epsilon) {
    Tensor<double> y(x.shape());
    for (std::size_t i = 0; i < x.shape(0); ++i) {
        double squares = 0;
        for (std::size_t j = 0; j < x.shape(1); ++j) squares += x(i, j) * x(i, j);
        for (std::size_t j = 0; j < x.shape(1); ++j)
            y(i, j) =
                x(i, j) / std::sqrt(squares / static_cast<double>(x.shape(1)) + epsilon) * gain(j);
    }
    return y;
}
Tensor<double> group_by_hand(const Tensor<double>& x, std::size_t groups,
                             const Tensor<double>& gain, const Tensor<double>& bias,
                             double epsilon) {
    Tensor<double> y(x.shape());
    const std::size_t channels = x.shape(1), rest = x.shape(2), each = channels / groups;
    for (std::size_t b = 0; b < x.shape(0); ++b)
        for (std::size_t g = 0; g < groups; ++g) {
            const auto sum_of = [&](auto f) {
                double sum = 0;
                for (std::size_t c = g * each; c < (g + 1) * each; ++c)
                    for (std::size_t k = 0; k < rest; ++k) sum += f(x(b, c, k));
                return sum / static_cast<double>(each * rest);
            };
            const double mean = sum_of([](double v) { return v; });
            const double variance = sum_of([&](double v) { return (v - mean) * (v - mean); });
            for (std::size_t c = g * each; c < (g + 1) * each; ++c)
                for (std::size_t k = 0; k < rest; ++k)
                    y(b, c, k) =
                        (x(b, c, k) - mean) / std::sqrt(variance + epsilon) * gain(c) + bias(c);
        }
    return y;
}

Tensor<double> to_double(const Tensor<float>& x) {
    Tensor<double> y(x.shape());
    for (std::size_t i = 0; i < x.size(); ++i) y.data()[i] = x.data()[i];
    return y;
}

} // namespace

TEST_CASE("rms_norm and group_norm equal PyTorch's, to the second derivative") {
    const auto file = golden("operations");
    equals_pytorch(file, {"rms_norm", [](const Many& x) { return rms_norm(x[0], x[1]); }});
    for (const auto& [name, groups] : {std::pair("group_norm", 2), std::pair("group_norm_flat", 3)})
        equals_pytorch(file, {name, [groups = groups](const Many& x) {
                                  return group_norm(x[0], static_cast<std::size_t>(groups), x[1],
                                                    x[2]);
                              }});
}

TEST_CASE("rms_norm and group_norm in float equal their definitions") {
    for (const std::size_t n : {1, 7, 16, 33, 1000}) {
        CAPTURE(n);
        const auto x = random_tensor<float>({5, n}, 1), gain = random_tensor<float>({n}, 2);
        CHECK(distance(to_double(rms_norm(F(x), gain).value()),
                       rms_by_hand(to_double(x), to_double(gain), 1e-5)) < 1e-6);
        // Far from 0, where only the differences count.
        Tensor<float> y = random_tensor<float>({2, 6, n}, 3);
        for (std::size_t i = 0; i < y.size(); ++i) y.data()[i] = 1000 + std::round(y.data()[i] * 8);
        const auto weight = random_tensor<float>({6}, 4), bias = random_tensor<float>({6}, 5);
        CHECK(distance(to_double(group_norm(F(y), 3, weight, bias).value()),
                       group_by_hand(to_double(y), 3, to_double(weight), to_double(bias), 1e-5)) <
              2e-6);
    }
}

TEST_CASE("rms_norm and group_norm: squares neither overflow nor underflow") {
    const Tensor<float> along({1, 4}, {1, 0, 0, 0}), gain({4}, {1, 2, -1, 0.5f}),
        zeros = Tensor<float>::zeros({4});
    const auto rms = [&](const F& x) { return rms_norm(x, gain); };
    const auto group = [&](const F& x) { return group_norm(x, 2, gain, zeros); };
    struct Orders {
        Tensor<float> y, first, second;
    };
    // Gradients are divided by the scale of x once for each order.
    const auto orders = [&](const auto& f, float scale) {
        Tape<float> tape;
        Tensor<float> at({1, 4}, {1, -2, 3, 0.5f});
        for (std::size_t i = 0; i < 4; ++i) at.data()[i] *= scale;
        const F x = tape.variable(at);
        const F y = f(x);
        const F first = gradients(sum(y * F(Tensor<float>({4}, {1, 3, 2, -1}))), {x},
                                  {.create_graph = true})[0] *
                        scale;
        const F second = gradients(sum(first * F(along)), {x})[0] * scale;
        Tape<float> plain;
        const F v = plain.variable(at);
        plain.backward(sum(f(v) * F(Tensor<float>({4}, {1, 3, 2, -1}))));
        CHECK(distance((F(plain.gradient(v)) * scale).value(), first.value()) < 1e-5);
        return Orders{y.value(), first.value(), second.value()};
    };
    for (const auto& f : {std::function<F(const F&)>(rms), std::function<F(const F&)>(group)}) {
        const Orders expected = orders(f, 1e4f);
        for (const float scale : {1e15f, 1e20f, 1e30f, 1e35f, 1e37f}) {
            CAPTURE(scale);
            const Orders got = orders(f, scale);
            CHECK(distance(got.y, expected.y) < 1e-5);
            if (scale > 1e36f) continue; // the gradients are denormal
            CHECK(distance(got.first, expected.first) < 1e-4);
            CHECK(distance(got.second, expected.second) < 1e-4);
        }
    }
    // Without an epsilon, small numbers are normalised, too.
    const Tensor<float> tiny({1, 2}, {3e-30f, 4e-30f}), one = Tensor<float>::ones({2});
    CHECK(rms_norm(F(tiny), one, 0).value()(0, 1) ==
          doctest::Approx(4 / std::sqrt(12.5)).epsilon(1e-5));
    CHECK(rms_norm(F(tiny), one).value()(0, 1) == doctest::Approx(4e-30 / std::sqrt(1e-5)));
    CHECK(rms_norm(F(Tensor<float>::zeros({1, 2})), one).value() == Tensor<float>::zeros({1, 2}));
}

TEST_CASE("rms_norm and group_norm: NaN, empty shapes, invalid arguments") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const auto rows =
        rms_norm(V(Tensor<double>({2, 2}, {nan, 1, 3, 4})), Tensor<double>::ones({2}), 0).value();
    CHECK((std::isnan(rows(0, 0)) && std::isnan(rows(0, 1))));
    CHECK(rows(1, 0) == doctest::Approx(3 / std::sqrt(12.5)));

    const V none(Tensor<double>::zeros({0})), three(Tensor<double>::ones({3}));
    CHECK(rms_norm(V(Tensor<double>::zeros({0, 3})), three).shape() == Shape{0, 3});
    CHECK(rms_norm(V(Tensor<double>::zeros({2, 0})), none).shape() == Shape{2, 0});
    CHECK(group_norm(V(Tensor<double>::zeros({0, 3, 2})), 3, three, three).shape() ==
          Shape{0, 3, 2});
    CHECK(group_norm(V(Tensor<double>::zeros({2, 3, 0})), 1, three, three).shape() ==
          Shape{2, 3, 0});
    CHECK(group_norm(V(Tensor<double>::zeros({2, 0})), 1, none, none).shape() == Shape{2, 0});

    const V x(random_tensor({2, 3}));
    CHECK(contains(error_of([&] { rms_norm(V(1.0), three); }), "rms_norm: x [], gain [3]"));
    CHECK(contains(error_of([&] { rms_norm(x, three, -1); }),
                   "rms_norm: epsilon must be at least 0 and finite, got -1"));
    CHECK(contains(error_of([&] { group_norm(x, 3, three, three, nan); }),
                   "group_norm: epsilon must be at least 0 and finite, got nan"));
    CHECK(contains(error_of([&] { group_norm(x, 0, three, three); }), "0 groups for x [2, 3]"));
    CHECK(contains(error_of([&] { group_norm(x, 3, three, x); }),
                   "group_norm: x [2, 3] and [3], [2, 3]; expected [batch, channels, ...] and "
                   "[channels] for each"));
}
