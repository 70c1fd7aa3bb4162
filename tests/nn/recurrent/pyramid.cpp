#include "support.hpp"

#include <unroll/nn/attention/subsampling.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/recurrent/pyramid.hpp>
#include <unroll/ops/reduce.hpp>

using namespace test;

namespace {

using Lengths = std::vector<std::size_t>;

nn::Pyramid<nn::LstmCell<double>> listener(std::vector<std::size_t> factors) {
    nn::seed(3);
    return nn::Pyramid<nn::LstmCell<double>>(
        {.input = 2, .hidden = 3, .factors = std::move(factors)});
}

// The output for each non-empty sequence equals that for the sequence alone; values after the end
// of sequence 1 are not read.
template <class Net>
void check_alone(const Net& net, Tensor<double> x, const Lengths& lengths,
                 const Lengths& expected) {
    x.slice(0, lengths[1], x.shape(0)).select(1, 1).fill(std::nan(""));
    const auto together = net(Variable<double>(x), lengths);
    CHECK(together.lengths == expected);
    for (std::size_t b = 0; b < lengths.size(); ++b) {
        if (lengths[b] == 0) continue;
        const auto alone =
            net(Variable<double>(x.slice(1, b, b + 1).slice(0, 0, lengths[b]).copy()));
        REQUIRE(alone.x.shape(0) == expected[b]);
        CHECK(distance(together.x.value().slice(1, b, b + 1).slice(0, 0, expected[b]).copy(),
                       alone.x.value()) < 1e-14);
    }
}

template <class Net>
void check_gradients(Net& net, const Tensor<double>& x, const Lengths& lengths) {
    for (const int order : {1, 2}) {
        const auto report =
            gradcheck([&](const auto& in) { return sum(square(net(in[0], lengths).x)); }, {x},
                      parameters(net), {.order = order});
        CHECK_MESSAGE(report, report.text());
    }
}

} // namespace

TEST_CASE("joined steps") {
    const auto x = random_tensor({5, 2, 3});
    for (const std::size_t factor : {1, 2, 3, 7}) {
        const auto joined = nn::join_steps(Variable<double>(x), factor, Lengths{5, 2});
        const std::size_t fewer = (5 + factor - 1) / factor;
        REQUIRE(joined.x.shape() == Shape{fewer, 2, 3 * factor});
        CHECK(joined.lengths == Lengths{fewer, (2 + factor - 1) / factor});
        for (std::size_t t = 0; t < fewer * factor; ++t)
            for (std::size_t b = 0; b < 2; ++b)
                for (std::size_t i = 0; i < 3; ++i) {
                    const bool inside = t < 5 && (b == 0 || t < 2);
                    CHECK(joined.x.value()(t / factor, b, t % factor * 3 + i) ==
                          (inside ? x(t, b, i) : 0));
                }
    }
    CHECK(nn::join_steps(Variable<double>(x), 2).lengths == Lengths{3, 3});
    CHECK(nn::join_steps(Variable<double>(Tensor<double>(Shape{0, 2, 3})), 2).x.shape() ==
          Shape{0, 2, 6});
    CHECK(contains(error_of([&] { nn::join_steps(Variable<double>(x), 0); }), "factor"));
    CHECK(contains(error_of([&] {
                       nn::join_steps(Variable<double>(x), 2, Lengths{6, 1});
                   }),
                   "length 6 of sequence 0"));
    CHECK(contains(error_of([&] { nn::join_steps(Variable<double>(x.select(0, 0)), 2); }),
                   "expected [T, B, n]"));
}

TEST_CASE("a pyramid equals its layers with joined steps between them") {
    const auto net = listener({1, 2, 3});
    CHECK(net.factor() == 6);
    CHECK(net.output_width() == 6);
    const Variable<double> x(random_tensor({7, 2, 2}));
    const auto [output, lengths] = net(x);
    const auto first = net.layers[0](x).output;
    const auto second = net.layers[1](nn::join_steps(first, 2).x).output;
    const auto third = net.layers[2](nn::join_steps(second, 3).x).output;
    CHECK(output.shape() == Shape{2, 2, 6});
    CHECK(output.value() == third.value());
    CHECK(lengths == Lengths{2, 2});
}

TEST_CASE("a pyramid processes each sequence of a batch independently") {
    check_alone(listener({2, 2}), random_tensor({9, 3, 2}), {9, 5, 0}, {3, 2, 0});
}

TEST_CASE("gradients of a pyramid, at first and second order") {
    auto net = listener({1, 2});
    check_gradients(net, random_tensor({3, 2, 2}), {3, 2});
    CHECK(contains(error_of([] { listener({}); }), "at least one layer"));
    CHECK(contains(error_of([] { listener({2, 0}); }), "at least 1"));
    CHECK(parameters(*std::make_unique<nn::Pyramid<nn::LstmCell<double>>>(listener({1, 2})))[8]
              .path == "layers.1.weight_ih_l0");
}

TEST_CASE("subsampling is two strided convolutions and a linear map") {
    nn::seed(4);
    const nn::Subsampling<double> net({.input = 10, .channels = 2, .filters = 3, .width = 4});
    const auto x = random_tensor({9, 2, 10});
    const auto [y, lengths] = net(Variable<double>(x));
    CHECK(y.shape() == Shape{3, 2, 4});
    CHECK(lengths == Lengths{3, 3});
    // One element of the result by its formula, layer by layer, with zero padding.
    const auto layer = [&](const Tensor<double>& in, const nn::Convolution<double>& c) {
        Tensor<double> out(Shape{3, (in.shape(1) + 1) / 2, (in.shape(2) + 1) / 2});
        for (std::size_t o = 0; o < 3; ++o)
            for (std::size_t t = 0; t < out.shape(1); ++t)
                for (std::size_t f = 0; f < out.shape(2); ++f) {
                    double sum = c.bias.value()(o);
                    for (std::size_t i = 0; i < in.shape(0); ++i)
                        for (std::size_t u = 0; u < 3; ++u)
                            for (std::size_t v = 0; v < 3; ++v) {
                                const std::size_t at = 2 * t + u, by = 2 * f + v; // after padding
                                if (at < 1 || by < 1 || at > in.shape(1) || by > in.shape(2))
                                    continue;
                                sum += c.weight.value()(o, i, u, v) * in(i, at - 1, by - 1);
                            }
                    out(o, t, f) = std::max(sum, 0.0);
                }
        return out;
    };
    for (std::size_t b = 0; b < 2; ++b) {
        Tensor<double> in(Shape{2, 9, 5});
        for (std::size_t c = 0; c < 2; ++c)
            for (std::size_t t = 0; t < 9; ++t)
                for (std::size_t f = 0; f < 5; ++f) in(c, t, f) = x(t, b, 5 * c + f);
        const auto top = layer(layer(in, net.convolutions[0]), net.convolutions[1]);
        for (std::size_t t = 0; t < 3; ++t)
            for (std::size_t o = 0; o < 4; ++o) {
                double sum = net.output.bias.value()(o);
                for (std::size_t i = 0; i < 6; ++i)
                    sum += net.output.weight.value()(o, i) * top(i / 2, t, i % 2);
                CHECK(y.value()(t, b, o) == doctest::Approx(sum).epsilon(1e-12));
            }
    }
}

TEST_CASE("subsampling processes each sequence of a batch independently") {
    nn::seed(4);
    nn::Subsampling<double> net({.input = 6, .filters = 2, .width = 3});
    check_alone(net, random_tensor({11, 3, 6}), {11, 6, 1}, {3, 2, 1});
    check_gradients(net, random_tensor({5, 2, 6}), {5, 3});
    CHECK(
        contains(error_of([] { nn::Subsampling<float>({.input = 5, .channels = 2, .width = 1}); }),
                 "cannot be divided into 2 equal channels"));
    CHECK(contains(error_of([] { nn::Subsampling<float>({.input = 5}); }), "at least 1"));
    CHECK(contains(error_of([&] {
                       net(Variable<double>(random_tensor({2, 1, 5})));
                   }),
                   "expected [T, B, 6]"));
}
