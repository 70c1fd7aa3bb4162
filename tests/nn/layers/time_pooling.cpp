#include "support.hpp"

#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/time_pooling.hpp>
#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

using namespace test;

namespace {

using Lengths = std::vector<std::size_t>;

// Four steps of three sequences of width 2; values beyond a length must not be read.
const Lengths lengths{4, 0, 2};

Tensor<double> steps() {
    auto h = random_tensor({4, 3, 2}, 5);
    for (std::size_t b = 0; b < 3; ++b)
        for (std::size_t t = lengths[b]; t < 4; ++t)
            for (std::size_t i = 0; i < 2; ++i) h(t, b, i) = std::nan("");
    return h;
}

template <class F>
void check_pooling(const F& pool, const Parameters<double>& parameters = {}) {
    for (const int order : {1, 2}) {
        const auto report = gradcheck([&](const auto& in) { return sum(square(pool(in[0]))); },
                                      {random_tensor({4, 3, 2}, 5)}, parameters, {.order = order});
        CHECK_MESSAGE(report, report.text());
    }
}

} // namespace

TEST_CASE("mean and maximum over time ignore padding") {
    const auto h = steps();
    const auto mean = nn::mean_over_time(Variable<double>(h), lengths).value(),
               most = nn::max_over_time(Variable<double>(h), lengths).value();
    for (std::size_t b = 0; b < 3; ++b)
        for (std::size_t i = 0; i < 2; ++i) {
            double sum = 0, largest = lengths[b] == 0 ? 0 : h(0, b, i);
            for (std::size_t t = 0; t < lengths[b]; ++t) {
                sum += h(t, b, i) / static_cast<double>(lengths[b]);
                largest = std::max(largest, h(t, b, i));
            }
            CHECK(mean(b, i) == doctest::Approx(sum));
            CHECK(most(b, i) == largest);
        }
    const Variable<double> whole(random_tensor({4, 3, 2}));
    CHECK(distance(nn::mean_over_time(whole).value(), unroll::mean(whole, {0}).value()) < 1e-15);
    CHECK(distance(nn::max_over_time(whole).value(), amax(whole, {0}).value()) == 0);
    check_pooling([](const auto& x) { return nn::mean_over_time(x, lengths); });
    check_pooling([](const auto& x) { return nn::max_over_time(x, lengths); });
}

TEST_CASE("attention pooling ignores padding") {
    nn::seed(2);
    nn::AttentionPooling<double> pool({.input = 2, .hidden = 3});
    const auto h = steps();
    const auto [context, weights] = pool(Variable<double>(h), lengths);
    REQUIRE(context.shape() == Shape{3, 2});
    REQUIRE(weights.shape() == Shape{4, 3});
    for (std::size_t b = 0; b < 3; ++b) {
        std::vector<double> shares;
        double total = 0;
        for (std::size_t t = 0; t < lengths[b]; ++t) {
            double score = 0;
            for (std::size_t k = 0; k < 3; ++k) {
                double inner = pool.attend.bias.value()(k);
                for (std::size_t i = 0; i < 2; ++i)
                    inner += pool.attend.weight.value()(k, i) * h(t, b, i);
                score += pool.weigh.weight.value()(0, k) * std::tanh(inner);
            }
            total += shares.emplace_back(std::exp(score));
        }
        for (std::size_t t = 0; t < 4; ++t)
            CHECK(weights.value()(t, b) ==
                  doctest::Approx(t < lengths[b] ? shares[t] / total : 0.0));
        for (std::size_t i = 0; i < 2; ++i) {
            double sum = 0;
            for (std::size_t t = 0; t < lengths[b]; ++t) sum += shares[t] / total * h(t, b, i);
            CHECK(context.value()(b, i) == doctest::Approx(sum));
        }
    }
    check_pooling([&](const auto& x) { return pool(x, lengths).context; }, parameters(pool));
}

TEST_CASE("the last layer's states are concatenated") {
    nn::seed(3);
    for (const bool bidirectional : {false, true}) {
        const nn::Gru<double> net(
            {.input = 2, .hidden = 3, .layers = 2, .bidirectional = bidirectional});
        const auto [y, state] = net(Variable<double>(random_tensor({4, 2, 2})));
        const auto last = nn::last_layer(state[0], bidirectional).value();
        CHECK(last.shape() == Shape{2, bidirectional ? std::size_t{6} : std::size_t{3}});
        // The forward direction ends with the last step, the backward direction with the first.
        for (std::size_t b = 0; b < 2; ++b)
            for (std::size_t i = 0; i < last.shape(1); ++i)
                CHECK(last(b, i) == y.value()(i < 3 ? 3 : 0, b, i));
    }
}

TEST_CASE("pooling over time without steps, and of invalid shapes") {
    const auto none = [](const Shape& shape) { return Variable<double>(Tensor<double>(shape)); };
    const nn::AttentionPooling<double> pool({.input = 2, .hidden = 3});
    for (const std::size_t batch : {0, 2}) {
        const auto zeros = Tensor<double>::zeros({batch, 2});
        CHECK(distance(nn::mean_over_time(none({0, batch, 2})).value(), zeros) == 0);
        CHECK(distance(nn::max_over_time(none({0, batch, 2})).value(), zeros) == 0);
        CHECK(distance(pool(none({0, batch, 2})).context.value(), zeros) == 0);
    }
    CHECK(contains(error_of([&] {
                       nn::mean_over_time(none({3, 2}));
                   }),
                   "mean_over_time: h has shape [3, 2], expected [T, B, n]"));
    CHECK(contains(error_of([&] {
                       nn::max_over_time(none({3, 2, 1}), Lengths{3});
                   }),
                   "max_over_time"));
    CHECK(contains(error_of([&] { pool(none({3, 2, 2}), Lengths{3, 4}); }), "AttentionPooling"));
    CHECK(contains(error_of([&] {
                       nn::last_layer(none({1, 2, 2}), true);
                   }),
                   "expected [layers * 2, B, H]"));
}
