#include "support.hpp"

#include <unroll/nn/layers/adaptive_softmax.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

using namespace test;

namespace {

using Softmax = nn::AdaptiveSoftmax<double>;
constexpr std::size_t V = 11, E = 3;
const Tensor<double> weight = random_tensor({V, E}, 3);

Softmax make(std::size_t frequent, std::size_t groups) {
    Softmax softmax({.vocabulary = V, .width = E, .frequent = frequent, .groups = groups});
    for (auto& entry : parameters(softmax))
        entry.set(random_tensor(entry.shape(), 5 + entry.path.size()));
    return softmax;
}

// p of every word given one h by the formula, for groups that end before the words `ends`.
std::vector<double> probabilities(const Softmax& softmax, const std::vector<std::size_t>& ends,
                                  const double* h) {
    const auto score = [&](const Tensor<double>& rows, const Tensor<double>& bias, std::size_t i) {
        double sum = bias(i);
        for (std::size_t k = 0; k < E; ++k) sum += rows(i, k) * h[k];
        return std::exp(sum);
    };
    const auto of_word = [&](std::size_t w) { return score(weight, softmax.bias.value(), w); };
    const auto of_group = [&](std::size_t g) {
        return score(softmax.group_weight.value(), softmax.group_bias.value(), g);
    };
    double first = 0;
    for (std::size_t w = 0; w < ends[0]; ++w) first += of_word(w);
    for (std::size_t g = 0; g + 1 < ends.size(); ++g) first += of_group(g);
    std::vector<double> all;
    for (std::size_t w = 0; w < ends[0]; ++w) all.push_back(of_word(w) / first);
    for (std::size_t g = 0; g + 1 < ends.size(); ++g) {
        double within = 0;
        for (std::size_t w = ends[g]; w < ends[g + 1]; ++w) within += of_word(w);
        for (std::size_t w = ends[g]; w < ends[g + 1]; ++w)
            all.push_back(of_group(g) / first * of_word(w) / within);
    }
    return all;
}

struct Case {
    std::size_t frequent, groups;
    std::vector<std::size_t> ends;
};
const std::vector<Case> cases{
    {0, 2, {11}},        {11, 2, {11}},      {40, 0, {11}},
    {4, 1, {4, 11}},     {2, 2, {2, 5, 11}}, {2, 3, {2, 4, 6, 11}},
    {9, 5, {9, 10, 11}}, {1, 2, {1, 3, 11}}, {8, 3, {8, 9, 10, 11}},
};

} // namespace

TEST_CASE("an adaptive softmax equals its formula word by word") {
    const auto h = random_tensor({2, 3, E}, 8);
    for (const auto& [frequent, groups, ends] : cases) {
        CAPTURE(frequent);
        CAPTURE(groups);
        const Softmax softmax = make(frequent, groups);
        const auto log_p = softmax.log_probabilities(h, weight).value();
        REQUIRE(log_p.shape() == Shape{2, 3, V});
        for (std::size_t i = 0; i < 6; ++i) {
            const auto p = probabilities(softmax, ends, h.data() + i * E);
            double sum = 0;
            for (std::size_t w = 0; w < V; ++w) {
                CHECK(std::exp(log_p(i / 3, i % 3, w)) == doctest::Approx(p[w]).epsilon(1e-12));
                sum += std::exp(log_p(i / 3, i % 3, w));
            }
            CHECK(sum == doctest::Approx(1).epsilon(1e-12));
        }
        // Targets in all groups, and some ignored ones.
        for (const auto& targets : {std::vector<std::int64_t>{0, 1, 2, 3, 4, 5},
                                    {10, 9, 8, 7, 6, 0},
                                    {0, 0, 0, 0, 0, 0},
                                    {-100, 10, 5, -100, 1, 3}}) {
            double expected = 0, counted = 0;
            for (std::size_t i = 0; i < 6; ++i) {
                if (targets[i] < 0) continue;
                expected -= log_p(i / 3, i % 3, targets[i]);
                ++counted;
            }
            const Indices y({2, 3}, std::span(targets));
            CHECK(softmax.loss(h, weight, y).item() ==
                  doctest::Approx(expected / counted).epsilon(1e-12));
        }
    }
}

TEST_CASE("an adaptive softmax without rare words is a softmax") {
    const Softmax softmax = make(0, 3);
    CHECK(parameters(const_cast<Softmax&>(softmax)).size() == 1);
    const auto h = random_tensor({4, E});
    const Indices y({4}, {3, 10, 0, 7});
    const auto full = linear(Variable<double>(h), Variable<double>(weight),
                             Variable<double>(softmax.bias.value()));
    CHECK(softmax.loss(h, weight, y).item() ==
          doctest::Approx(cross_entropy(full, y).item()).epsilon(1e-14));
}

TEST_CASE("gradients of an adaptive softmax, at first and second order") {
    const Indices y({2, 3}, {0, 10, 4, -100, 2, 7});
    for (const auto& [frequent, groups, ends] : cases) {
        Softmax softmax = make(frequent, groups);
        const auto loss = [&](const auto& in) { return softmax.loss(in[0], in[1], y); };
        const auto scores = [&](const auto& in) {
            return mean(square(softmax.log_probabilities(in[0], in[1])));
        };
        for (const int order : {1, 2}) {
            const auto all = parameters(softmax);
            const auto h = random_tensor({2, 3, E}, 8);
            const auto report = gradcheck(loss, {h, weight}, all, {.order = order});
            CHECK_MESSAGE(report, report.text());
            const auto second = gradcheck(scores, {h, weight}, all, {.order = order});
            CHECK_MESSAGE(second, second.text());
        }
    }
}

TEST_CASE("an adaptive softmax trains the rows of an embedding") {
    Softmax softmax = make(4, 2);
    Parameter<double> rows("rows", weight);
    Tape<double> tape;
    const auto h = tape.variable(random_tensor({2, E}));
    tape.backward(softmax.loss(h, rows, Indices({2}, {1, 8})));
    CHECK(rows.has_gradient());
    CHECK(softmax.bias.has_gradient());
    CHECK(softmax.group_weight.has_gradient());
    CHECK(softmax.group_bias.has_gradient());
}

TEST_CASE("an adaptive softmax is initialised with unigram frequencies") {
    const std::vector<std::size_t> counts{50, 20, 9, 7, 5, 3, 2, 1, 1, 1, 1};
    for (const auto& [frequent, groups, ends] : cases) {
        Softmax softmax = make(frequent, groups);
        softmax.begin_with(counts);
        const auto log_p = softmax.log_probabilities(Tensor<double>::zeros({E}), weight).value();
        for (std::size_t w = 0; w < V; ++w)
            CHECK(std::exp(log_p(w)) ==
                  doctest::Approx(static_cast<double>(counts[w]) / 100).epsilon(1e-12));
    }
    // Without counts all words are equally likely.
    Softmax softmax = make(0, 0);
    softmax.begin_with(std::vector<std::size_t>(V, 0));
    CHECK(softmax.bias.value() == Tensor<double>::zeros({V}));
    CHECK(contains(error_of([&] { softmax.begin_with(std::vector<std::size_t>(3)); }),
                   "3 counts for a vocabulary of 11"));
}

TEST_CASE("an adaptive softmax without targets") {
    for (const auto& [frequent, groups, ends] : cases) {
        const Softmax softmax = make(frequent, groups);
        Tape<double> tape;
        const auto h = tape.variable(random_tensor({0, 2, E}));
        CHECK(softmax.loss(h, weight, Indices(Shape{0, 2})).item() == 0);
        CHECK(softmax.log_probabilities(h, weight).shape() == Shape{0, 2, V});
        const auto some = tape.variable(random_tensor({2, E}));
        const auto loss = softmax.loss(some, weight, Indices({2}, {-100, -100}));
        CHECK(loss.item() == 0);
        tape.backward(loss);
        CHECK(tape.gradient(some) == Tensor<double>::zeros({2, E}));
    }
}

TEST_CASE("an adaptive softmax rejects invalid shapes") {
    const auto made = [](const nn::AdaptiveSoftmaxOptions& options) {
        return error_of([&] { Softmax{options}; });
    };
    CHECK(contains(made({.vocabulary = 0, .width = 3}),
                   "vocabulary and width must be at least 1, got 0 and 3"));
    CHECK(contains(made({.vocabulary = 5}), "got 5 and 0"));
    CHECK(contains(made({.vocabulary = 5, .width = 2, .frequent = 2, .groups = 0}),
                   "3 rare words need at least one group"));
    const Softmax softmax = make(4, 2);
    const auto refused = [&](const Shape& h, const Shape& rows, const Indices& y) {
        return error_of([&] { softmax.loss(random_tensor(h), random_tensor(rows), y); });
    };
    const Indices y({2}, {1, 8});
    CHECK(contains(refused({2, 4}, {V, E}, y), "h [2, 4] and weight [11, 3]"));
    CHECK(contains(refused({2, E}, {V, 4}, y), "expected [..., 3] and [11, 3]"));
    CHECK(contains(refused({3, E}, {V, E}, y), "targets have shape [2], expected [3]"));
    CHECK(contains(refused({2, E}, {V, E}, Indices({2}, {1, 11})),
                   "target 11 at position 1 is outside [0, 11)"));
    CHECK(contains(refused({2, E}, {V, E}, Indices({2}, {-1, 1})), "target -1 at position 0"));
    CHECK(contains(error_of([&] {
                       softmax.log_probabilities(random_tensor({2, 4}), weight);
                   }),
                   "h [2, 4]"));
}
