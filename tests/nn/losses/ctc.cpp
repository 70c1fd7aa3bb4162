#include "support.hpp"

#include <unroll/core/check/checking.hpp>
#include <unroll/nn/losses/ctc.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>

#include <limits>
#include <map>

using namespace test;

namespace {

using Lengths = std::vector<std::size_t>;
using Symbols = std::vector<std::int64_t>;
using Targets = std::vector<Symbols>;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr auto none = nn::Reduction::none, total = nn::Reduction::sum;

Tensor<double> log_probabilities(const Shape& shape, std::uint64_t seed = 1) {
    return log_softmax(Variable<double>(random_tensor(shape, seed))).value();
}

nn::PaddedBatch padded(const Targets& targets) { return nn::pad_sequences(targets, 77); }

// The probability of every possible target of sequence b, by enumeration of all V^T paths, and the
// likeliest path of each.
struct Enumerated {
    std::map<Symbols, double> probabilities;
    std::map<Symbols, std::pair<double, Symbols>> best;

    Enumerated(const Tensor<double>& x, std::size_t b, std::size_t length, std::int64_t blank) {
        const std::size_t V = x.shape(2);
        std::size_t paths = 1;
        for (std::size_t t = 0; t < length; ++t) paths *= V;
        for (std::size_t code = 0; code < paths; ++code) {
            Symbols path;
            double score = 0;
            for (std::size_t t = 0, rest = code; t < length; ++t, rest /= V) {
                path.push_back(static_cast<std::int64_t>(rest % V));
                score += x(t, b, rest % V);
            }
            Symbols target;
            for (std::size_t t = 0; t < length; ++t)
                if (path[t] != blank && (t == 0 || path[t] != path[t - 1]))
                    target.push_back(path[t]);
            probabilities[target] += std::exp(score);
            auto& found = best.try_emplace(target, -infinity, Symbols()).first->second;
            if (score > found.first) found = {score, path};
        }
    }
};

double loss_of(const Tensor<double>& x, const Symbols& target, std::int64_t blank = 0) {
    return nn::ctc_loss(Variable<double>(x), {}, padded({target}), {blank, total}).loss.item();
}

} // namespace

TEST_CASE("CTC equals the enumeration of all paths") {
    for (const std::size_t T : {0, 1, 2, 3, 4, 5})
        for (const std::size_t V : {1, 2, 3})
            for (std::int64_t blank = 0; blank < static_cast<std::int64_t>(V); ++blank) {
                CAPTURE(T);
                CAPTURE(V);
                const auto x = log_probabilities({T, 2, V}, 10 * T + V);
                const Lengths lengths{T, T / 2};
                for (std::size_t b = 0; b < 2; ++b) {
                    const Enumerated all(x, b, lengths[b], blank);
                    double sum = 0;
                    for (const auto& [target, p] : all.probabilities) {
                        const auto alone = x.slice(1, b, b + 1).slice(0, 0, lengths[b]).copy();
                        const double loss = loss_of(alone, target, blank);
                        CHECK(loss == doctest::Approx(-std::log(p)).epsilon(1e-12));
                        sum += std::exp(-loss);
                        const auto path = nn::ctc_align(alone, {}, padded({target}), blank)[0];
                        CHECK(path == all.best.at(target).second);
                        CHECK(nn::ctc_collapse(path, blank).symbols == target);
                        // In a batch with a sequence of another length.
                        Targets both(2, target);
                        if (b == 0) both[1].clear();
                        if (b == 1) both[0].clear();
                        const auto two =
                            nn::ctc_loss(Variable<double>(x), lengths, padded(both), {blank, none});
                        CHECK(two.loss.value()(b) == doctest::Approx(loss).epsilon(1e-12));
                    }
                    CHECK(sum == doctest::Approx(1).epsilon(1e-12));
                }
            }
}

TEST_CASE("CTC equals PyTorch's, values and gradients") {
    const auto file = golden("ctc");
    const auto sizes = [&](const char* name) {
        const auto numbers = file.get<std::int64_t>(name).to_vector();
        return Lengths(numbers.begin(), numbers.end());
    };
    const auto lengths = sizes("lengths");
    for (const std::int64_t blank : {0, 4}) {
        const std::string begin = std::to_string(blank) + ".";
        const auto logits = file.get<double>(begin + "logits");
        const nn::PaddedBatch targets{
            file.get<std::int64_t>(begin + "targets").transpose().contiguous(),
            sizes("target_lengths")};
        for (const auto& [name, reduction] : {std::pair("none", none), std::pair("sum", total),
                                              std::pair("mean", nn::Reduction::mean)}) {
            CAPTURE(begin + name);
            const auto read = [&](const char* what) {
                return file.get<double>(begin + name + "." + what);
            };
            Tape<double> tape;
            const auto x = tape.variable(logits);
            const auto result = nn::ctc_loss(log_softmax(x), lengths, targets, {blank, reduction});
            CHECK(distance(result.loss.value(), read("loss")) < 1e-10);
            tape.backward(result.loss, read("seed"));
            CHECK(distance(tape.gradient(x), read("grad")) < 1e-10);
            CHECK(result.impossible == 0);

            Tensor<float> single(logits.shape());
            for (std::size_t i = 0; i < single.size(); ++i)
                single.data()[i] = static_cast<float>(logits.data()[i]);
            Tape<float> tape_in_float;
            const auto y = tape_in_float.variable(single);
            const auto found = nn::ctc_loss(log_softmax(y), lengths, targets, {blank, total});
            if (reduction != total) continue;
            CHECK(std::abs(found.loss.item() - read("loss").item()) < 1e-5 * found.loss.item());
            tape_in_float.backward(found.loss);
            const auto g = tape_in_float.gradient(y);
            const auto expected = read("grad");
            const double seed = read("seed").item();
            for (std::size_t i = 0; i < g.size(); ++i)
                CHECK(std::abs(g.data()[i] - expected.data()[i] / seed) < 1e-5);
        }
    }
}

TEST_CASE("gradients of CTC, at first and second order") {
    const Lengths lengths{6, 4, 3, 0};
    const auto targets = padded({{1, 2, 2}, {2}, {}, {}});
    for (const auto reduction : {total, nn::Reduction::mean})
        for (const int order : {1, 2}) {
            const auto report = gradcheck(
                [&](const auto& in) {
                    return nn::ctc_loss(log_softmax(in[0]), lengths, targets, {0, reduction}).loss;
                },
                {random_tensor({6, 4, 3})}, {}, {.order = order});
            CHECK_MESSAGE(report, report.text());
        }
    // With respect to log-probabilities: minus the expected number of occurrences of a symbol on a
    // path.
    Tape<double> tape;
    const auto x = tape.variable(log_probabilities({5, 2, 3}));
    tape.backward(nn::ctc_loss(x, {}, padded({{1, 1}, {2, 1}}), {0, total}).loss);
    const auto g = tape.gradient(x);
    for (std::size_t t = 0; t < 5; ++t)
        for (std::size_t b = 0; b < 2; ++b)
            CHECK(g(t, b, 0) + g(t, b, 1) + g(t, b, 2) == doctest::Approx(-1).epsilon(1e-12));
}

TEST_CASE("targets without a path") {
    // Too short; too short for a repetition; no steps; and three possible targets, the last without
    // steps.
    const Targets targets{{1, 2, 1}, {1, 1}, {1}, {1, 2}, {}, {}};
    const Lengths lengths{2, 2, 0, 2, 2, 0};
    Tape<double> tape;
    const auto x = tape.variable(random_tensor({2, 6, 3}));
    const auto p = log_softmax(x);
    const auto result = nn::ctc_loss(p, lengths, padded(targets), {0, none});
    CHECK(result.impossible == 3);
    const auto& losses = result.loss.value();
    for (const std::size_t b : {0, 1, 2}) CHECK(losses(b) == infinity);
    CHECK(losses(3) == doctest::Approx(-p.value()(0, 3, 1) - p.value()(1, 3, 2)));
    CHECK(losses(4) == doctest::Approx(-p.value()(0, 4, 0) - p.value()(1, 4, 0)));
    CHECK(losses(5) == 0);
    tape.backward(result.loss, Tensor<double>::ones({6}));
    const auto g = tape.gradient(x);
    for (const std::size_t b : {0, 1, 2, 5})
        CHECK(g.select(1, b).copy() == Tensor<double>::zeros({2, 3}));
    CHECK(g(0, 3, 1) < 0);

    const auto sum_of = [&](bool zero) {
        return nn::ctc_loss(log_softmax(Variable<double>(x.value())), lengths, padded(targets),
                            {0, total, zero});
    };
    CHECK(sum_of(false).loss.item() == infinity);
    CHECK(sum_of(true).loss.item() == doctest::Approx(losses(3) + losses(4)));
    CHECK(sum_of(true).impossible == 3);
    const auto means = nn::ctc_loss(log_softmax(Variable<double>(x.value())), lengths,
                                    padded(targets), {0, nn::Reduction::mean, true});
    CHECK(means.loss.item() == doctest::Approx((losses(3) / 2 + losses(4)) / 6));
}

TEST_CASE("forbidden symbols and NaN in CTC") {
    auto logits = random_tensor({4, 2, 3});
    logits(1, 0, 0) = logits(1, 0, 2) = -infinity; // only symbol 1 at step 1
    for (std::size_t t = 0; t < 4; ++t) logits(t, 1, 2) = -infinity;
    Tape<double> tape;
    const auto x = tape.variable(logits);
    const auto p = log_softmax(x);
    const auto result = nn::ctc_loss(p, {}, padded({{1, 2}, {1, 2}}), {0, none});
    const Enumerated all(p.value(), 0, 4, 0);
    CHECK(result.loss.value()(0) ==
          doctest::Approx(-std::log(all.probabilities.at({1, 2}))).epsilon(1e-12));
    CHECK(result.loss.value()(1) == infinity);
    CHECK(result.impossible == 1);
    tape.backward(result.loss, Tensor<double>::ones({2}));
    const auto g = tape.gradient(x);
    for (const double v : g.to_vector()) CHECK(std::isfinite(v));
    CHECK(g.select(1, 1).copy() == Tensor<double>::zeros({4, 3}));
    CHECK(g(1, 0, 0) == 0);

    auto wrong = log_probabilities({4, 1, 3});
    wrong(2, 0, 1) = std::nan("");
    CHECK(std::isnan(loss_of(wrong, {1, 2})));
}

TEST_CASE("CTC ignores padding") {
    auto x = log_probabilities({5, 2, 3});
    const auto losses = [&](const Tensor<double>& values, const Indices& targets) {
        Tape<double> tape;
        const auto v = tape.variable(values);
        const auto loss =
            nn::ctc_loss(v, Lengths{3, 2}, {targets, {2, 1}}, {0, nn::Reduction::mean}).loss;
        tape.backward(loss);
        auto found = tape.gradient(v).slice(0, 0, 3).copy().to_vector();
        found.push_back(loss.item());
        const auto beyond = tape.gradient(v).slice(0, 3, values.shape(0)).copy();
        CHECK(beyond == Tensor<double>::zeros(beyond.shape()));
        return found;
    };
    const auto reference = losses(x.slice(0, 0, 3).copy(), Indices({2, 2}, {1, 2, 2, 0}));
    for (const double filler : {0.0, 1e30, -infinity, infinity, std::nan("")}) {
        x.slice(0, 3, 5).fill(filler);
        CHECK(losses(x, Indices({3, 2}, {1, 2, 2, -9, 99, 1})) == reference);
    }
}

TEST_CASE("empty batches, and CTC in float under checking mode") {
    const Variable<double> empty(Tensor<double>(Shape{3, 0, 2}));
    const nn::PaddedBatch nobody{Indices(Shape{2, 0}), {}};
    CHECK(nn::ctc_loss(empty, {}, nobody, {0, none}).loss.size() == 0);
    CHECK(nn::ctc_loss(empty, {}, nobody, {0, total}).loss.item() == 0);
    CHECK(nn::ctc_loss(empty, {}, nobody).loss.item() == 0);
    CHECK(nn::ctc_align(empty.value(), {}, nobody).empty());
    CHECK(nn::ctc_greedy(empty.value()).empty());

    Tape<float> tape;
    const Checking<float> checking(tape);
    Tensor<float> logits = random_tensor<float>({6, 2, 3});
    const auto targets = padded({{1, 2, 1}, {2}});
    float before = 0, after = 0;
    for (int step = 0; step < 40; ++step) {
        tape.clear();
        const auto x = tape.variable(logits);
        const auto loss = nn::ctc_loss(log_softmax(x), Lengths{6, 4}, targets).loss;
        (step == 0 ? before : after) = loss.item();
        tape.backward(loss);
        const auto g = tape.gradient(x);
        for (std::size_t i = 0; i < logits.size(); ++i) logits.data()[i] -= 3 * g.data()[i];
    }
    CHECK(after < 0.2f * before);
    const auto found = nn::ctc_greedy(logits, Lengths{6, 4});
    CHECK(found[0].symbols == Symbols{1, 2, 1});
    CHECK(found[1].symbols == Symbols{2});
}

TEST_CASE("long sequences of CTC remain finite, with two operations per step") {
    Tape<float> tape;
    const auto x = tape.variable(random_tensor<float>({500, 3, 8}));
    Symbols target;
    for (int i = 0; i < 90; ++i) target.push_back(1 + i % 7);
    const auto p = log_softmax(x);
    const std::size_t before = tape.size();
    const auto loss = nn::ctc_loss(p, {}, padded({target, {1}, {}}), {0, total}).loss;
    std::size_t fused = 0;
    for (std::size_t i = before; i < tape.size(); ++i) {
        const auto& node = tape.node(static_cast<NodeId>(i));
        if (node.rule != nullptr && tape.time_step(node.scope) != Scope::no_index) ++fused;
    }
    CHECK(fused == 1000); // a gather of the emissions, and the step
    tape.backward(loss);
    const auto g = tape.gradient(x);
    for (std::size_t i = 0; i < g.size(); ++i) CHECK(std::abs(g.data()[i]) <= 1.001f);
}

TEST_CASE("paths of CTC, collapsed") {
    const Symbols path{0, 1, 1, 0, 1, 2, 2, 0};
    const auto found = nn::ctc_collapse(path);
    CHECK(found.symbols == Symbols{1, 1, 2});
    CHECK(found.steps == Lengths{1, 4, 5});
    CHECK(nn::ctc_collapse(path, 2).symbols == Symbols{0, 1, 0, 1, 0});
    CHECK(nn::ctc_collapse({}).symbols.empty());
    // On ties the first symbol, and the state that has advanced further.
    const auto even = Tensor<double>::zeros({3, 1, 3});
    CHECK(nn::ctc_greedy(even)[0].symbols.empty());
    CHECK(nn::ctc_align(even, {}, padded({{1}}))[0].size() == 3);
}

TEST_CASE("CTC rejects invalid input") {
    const Variable<double> x(log_probabilities({4, 2, 3}));
    const auto refused = [&](const Targets& targets, const Lengths& lengths = {},
                             std::int64_t blank = 0) {
        return error_of([&] { nn::ctc_loss(x, lengths, padded(targets), {blank}); });
    };
    const Targets good{{1, 2}, {1}};
    CHECK(refused(good) == "");
    CHECK(contains(error_of([&] { nn::ctc_loss(x + 5, {}, padded(good)); }),
                   "the loss of target 0 is negative, "));
    CHECK(contains(refused({{1, 3}, {1}}), "symbol 3 at position 1 of target 0 is outside [0, 3)"));
    CHECK(contains(refused({{1}, {-2}}), "symbol -2 at position 0 of target 1 is outside"));
    CHECK(contains(refused({{1}, {1, 0}}), "symbol 0 at position 1 of target 1 is the blank"));
    CHECK(contains(refused(good, {}, 2), "symbol 2 at position 1 of target 0 is the blank"));
    CHECK(contains(refused(good, {}, 3), "the blank symbol is 3, outside [0, 3)"));
    CHECK(contains(refused(good, {}, -1), "the blank symbol is -1"));
    CHECK(contains(refused(good, {4}), "1 lengths for a batch of 2"));
    CHECK(contains(refused(good, {5, 4}), "length 5 of sequence 0 is more than the 4 steps"));
    CHECK(contains(refused(good, {4, static_cast<std::size_t>(-1)}), "more than the 4 steps"));
    CHECK(contains(refused({{1}}), "targets have shape [1, 1], expected [L, 2]"));
    CHECK(contains(error_of([&] {
                       nn::ctc_loss(x, {}, {Indices::ones({2, 2}), {1, 3}});
                   }),
                   "length 3 of sequence 1 is more than the 2"));
    CHECK(contains(error_of([&] {
                       nn::ctc_loss(Variable<double>(log_probabilities({4, 3})), {}, padded(good));
                   }),
                   "log-probabilities have shape [4, 3], expected [T, B, V]"));
    CHECK(contains(error_of([&] {
                       nn::ctc_align(x.value(), Lengths{1, 1}, padded({{1, 2}, {1}}));
                   }),
                   "no path of sequence 0 is possible"));
    CHECK(contains(error_of([&] { nn::ctc_greedy(x.value(), Lengths{9, 1}); }), "length 9"));
}
