#include "support.hpp"

#include <unroll/nn/initialize.hpp>
#include <unroll/nn/pyramid.hpp>
#include <unroll/ops/reduce.hpp>

using namespace test;

namespace {

using Lengths = std::vector<std::size_t>;

nn::Pyramid<nn::LstmCell<double>> listener(std::vector<std::size_t> factors) {
    nn::seed(3);
    return nn::Pyramid<nn::LstmCell<double>>(
        {.input = 2, .hidden = 3, .factors = std::move(factors)});
}

} // namespace

TEST_CASE("steps joined side by side") {
    const auto x = random_tensor({5, 2, 3});
    for (const std::size_t factor : {1, 2, 3, 7}) {
        const auto joined = nn::join_steps(Variable<double>(x), factor, Lengths{5, 2});
        const std::size_t fewer = (5 + factor - 1) / factor;
        REQUIRE(joined.x.shape() == Shape{fewer, 2, 3 * factor});
        CHECK(joined.lengths == Lengths{fewer, (2 + factor - 1) / factor});
        for (std::size_t t = 0; t < fewer * factor; ++t)
            for (std::size_t b = 0; b < 2; ++b)
                for (std::size_t i = 0; i < 3; ++i) {
                    const bool inside = t < 5 && (b == 0 || t < 2 || factor == 1);
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

TEST_CASE("a pyramid is its layers with steps joined between them") {
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

TEST_CASE("a pyramid hears each sequence of a batch as if it were alone") {
    const auto net = listener({2, 2});
    auto x = random_tensor({9, 3, 2});
    const Lengths lengths{9, 5, 0};
    x.slice(0, 5, 9).select(1, 1).fill(std::nan(""));
    const auto together = net(Variable<double>(x), lengths);
    CHECK(together.lengths == Lengths{3, 2, 0});
    for (std::size_t b = 0; b < 2; ++b) {
        const auto alone =
            net(Variable<double>(x.slice(1, b, b + 1).slice(0, 0, lengths[b]).copy()));
        const std::size_t n = together.lengths[b];
        REQUIRE(alone.x.shape(0) == n);
        CHECK(distance(together.x.value().slice(1, b, b + 1).slice(0, 0, n).copy(),
                       alone.x.value()) < 1e-14);
    }
}

TEST_CASE("gradients of a pyramid, at first and second order") {
    for (const int order : {1, 2}) {
        auto net = listener({1, 2});
        const auto report = gradcheck(
            [&](Tape<double>&, const auto& in) {
                return sum(square(net(in[0], Lengths{3, 2}).x));
            },
            {random_tensor({3, 2, 2})}, nn::named_parameters(net), {.order = order});
        CHECK_MESSAGE(report, report.text());
    }
    CHECK(contains(error_of([] { listener({}); }), "at least one layer"));
    CHECK(contains(error_of([] { listener({2, 0}); }), "at least 1"));
    CHECK(nn::named_parameters(
              *std::make_unique<nn::Pyramid<nn::LstmCell<double>>>(listener({1, 2})))[8]
              .path == "layers.1.weight_ih_l0");
}
