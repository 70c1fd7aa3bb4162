#include "support.hpp"

#include <unroll/core/check/checking.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/losses/crf.hpp>
#include <unroll/nn/text/vocabulary.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <limits>

using namespace test;

namespace {

using Crf = nn::Crf<double>;
using Lengths = std::vector<std::size_t>;
constexpr double infinity = std::numeric_limits<double>::infinity();

// All quantities of one sequence of a batch, by enumeration of all K^T paths.
struct Enumerated {
    double log_partition = -infinity, best = -infinity;
    std::vector<std::int64_t> best_path;
    std::vector<double> marginals; // [T, K]

    Enumerated(const Crf& crf, const Tensor<double>& e, std::size_t b, std::size_t length) {
        const std::size_t K = crf.options.tags;
        std::size_t paths = 1;
        for (std::size_t t = 0; t < length; ++t) paths *= K;
        std::vector<double> scores;
        double total = 0;
        marginals.assign(length * K, 0);
        for (std::size_t code = 0; code < paths; ++code) {
            const auto path = decoded(code, length, K);
            scores.push_back(score(crf, e, b, path));
            total += std::exp(scores.back());
            if (scores.back() > best) {
                best = scores.back();
                best_path = path;
            }
        }
        log_partition = std::log(total);
        for (std::size_t code = 0; code < paths && total > 0; ++code) {
            const auto path = decoded(code, length, K);
            for (std::size_t t = 0; t < length; ++t)
                marginals[t * K + static_cast<std::size_t>(path[t])] +=
                    std::exp(scores[code]) / total;
        }
    }

    static std::vector<std::int64_t> decoded(std::size_t code, std::size_t length, std::size_t K) {
        std::vector<std::int64_t> path;
        for (std::size_t t = 0; t < length; ++t, code /= K)
            path.push_back(static_cast<std::int64_t>(code % K));
        return path;
    }
    static double score(const Crf& crf, const Tensor<double>& e, std::size_t b,
                        const std::vector<std::int64_t>& path) {
        if (path.empty()) return 0;
        const auto& c = crf.options.constraints;
        if (!c.starts(path.front()) || !c.ends(path.back())) return -infinity;
        double s = crf.start.value()(path.front()) + crf.end.value()(path.back());
        for (std::size_t t = 0; t < path.size(); ++t) {
            s += e(t, b, path[t]);
            if (t == 0) continue;
            if (!c.transitions(path[t - 1], path[t])) return -infinity;
            s += crf.transitions.value()(path[t - 1], path[t]);
        }
        return s;
    }
};

Crf make(std::size_t tags, nn::TagConstraints constraints = {}) {
    Crf crf({tags, std::move(constraints)});
    for (auto& entry : parameters(crf))
        entry.change().assign(random_tensor(entry.shape(), 5 + entry.path.size()));
    return crf;
}

// B-a, I-a, O
nn::TagConstraints bio() { return nn::bio_constraints(nn::Tokens{"B-a", "I-a", "O"}); }

void agrees_with_enumeration(const Crf& crf, const Tensor<double>& e, const Lengths& lengths) {
    const std::size_t K = crf.options.tags;
    Tape<double> tape;
    const auto emissions = tape.variable(e);
    const auto log_z = crf.log_partition(emissions, lengths);
    tape.backward(sum(log_z));
    const auto marginals = tape.gradient(emissions);
    const auto paths = crf.decode(e, lengths);
    for (std::size_t b = 0; b < e.shape(1); ++b) {
        const std::size_t length = lengths.empty() ? e.shape(0) : lengths[b];
        const Enumerated all(crf, e, b, length);
        CHECK(log_z.value()(b) == doctest::Approx(all.log_partition).epsilon(1e-12));
        CHECK(paths[b].tags == all.best_path);
        CHECK(paths[b].score == doctest::Approx(length == 0 ? 0 : all.best).epsilon(1e-12));
        for (std::size_t t = 0; t < e.shape(0); ++t)
            for (std::size_t k = 0; k < K; ++k)
                CHECK(std::abs(marginals(t, b, k) - (t < length ? all.marginals[t * K + k] : 0)) <
                      1e-12);
        if (length == 0) continue;
        Indices tags({length, 1});
        for (std::size_t t = 0; t < length; ++t) tags.data()[t] = all.best_path[t];
        const Variable<double> alone(e.slice(0, 0, length).slice(1, b, b + 1).copy());
        CHECK(crf.score(alone, tags).item() == doctest::Approx(all.best).epsilon(1e-12));
        CHECK(crf.loss(alone, tags).item() ==
              doctest::Approx(all.log_partition - all.best).epsilon(1e-12));
    }
}

} // namespace

TEST_CASE("a CRF equals the enumeration of all paths") {
    for (const std::size_t T : {1, 2, 3, 4, 5})
        for (const std::size_t K : {1, 2, 3}) {
            CAPTURE(T);
            CAPTURE(K);
            agrees_with_enumeration(make(K), random_tensor({T, 2, K}, 10 * T + K), {});
        }
    agrees_with_enumeration(make(3), random_tensor({5, 4, 3}), {5, 1, 3, 0});
    agrees_with_enumeration(make(3, bio()), random_tensor({5, 4, 3}), {2, 5, 1, 0});
    agrees_with_enumeration(make(3, bio()), random_tensor({1, 3, 3}), {});
    auto masked = random_tensor({4, 2, 3});
    masked(1, 0, 0) = masked(1, 0, 2) = masked(3, 1, 1) =
        -infinity; // only one tag is possible at a step
    agrees_with_enumeration(make(3), masked, {4, 4});
    agrees_with_enumeration(
        make(3, {.transitions = {}, .starts = {}, .ends = Mask({3}, {1, 0, 0})}),
        random_tensor({4, 2, 3}), {4, 2});
}

TEST_CASE("probabilities of all paths of a CRF sum to 1") {
    const Crf crf = make(3);
    const auto e = random_tensor({4, 1, 3});
    double total = 0;
    for (std::size_t code = 0; code < 81; ++code) {
        const auto path = Enumerated::decoded(code, 4, 3);
        total += std::exp(crf.log_likelihood(Variable<double>(e), Indices({4, 1}, path)).item());
    }
    CHECK(total == doctest::Approx(1).epsilon(1e-12));
}

TEST_CASE("gradients of a CRF, at first and second order") {
    const Lengths lengths{4, 2, 1, 0};
    for (const bool constrained : {false, true}) {
        Crf crf = make(3, constrained ? bio() : nn::TagConstraints());
        // The paths 0 1 2 0, 2 2, 2 and none; values after the end are not tags.
        const Indices tags({4, 4}, {0, 2, 2, -1, 1, 2, 99, -1, 2, -1, -1, 7, 0, 9, -1, -1});
        const auto loss = [&](const auto& in) { return crf.loss(in[0], tags, lengths); };
        const auto log_z = [&](const auto& in) { return crf.log_partition(in[0], lengths); };
        for (const int order : {1, 2}) {
            const auto all = parameters(crf);
            const auto e = random_tensor({4, 4, 3});
            const auto report = gradcheck(loss, {e}, all, {.order = order});
            CHECK_MESSAGE(report, report.text());
            const auto second = gradcheck(log_z, {e}, all, {.order = order});
            CHECK_MESSAGE(second, second.text());
        }
    }
}

TEST_CASE("a CRF ignores padding") {
    const Crf crf = make(3, bio());
    const double nan = std::nan("");
    auto e = random_tensor({4, 2, 3});
    const auto losses = [&](const Tensor<double>& emissions, const Indices& tags,
                            const Lengths& lengths) {
        Tape<double> tape;
        for (auto& entry : parameters(const_cast<Crf&>(crf))) entry.clear_gradient();
        const auto x = tape.variable(emissions);
        const auto loss = crf.loss(x, tags, lengths);
        tape.backward(loss);
        auto found = tape.gradient(x).slice(0, 0, 2).copy().to_vector();
        for (auto& entry : parameters(const_cast<Crf&>(crf)))
            for (const double g : entry.gradient().to_vector()) found.push_back(g);
        found.push_back(loss.item());
        return found;
    };
    const auto reference =
        losses(e.slice(0, 0, 2).copy(), Indices({2, 2}, {0, 2, 1, 2}), Lengths{2, 2});
    for (const double filler : {0.0, 1e30, -infinity, infinity, nan}) {
        e.slice(0, 2, 4).fill(filler);
        CHECK(losses(e, Indices({4, 2}, {0, 2, 1, 2, -1, 50, 1, 0}), Lengths{2, 2}) == reference);
        CHECK(crf.decode(e, Lengths{2, 2})[0].score == crf.decode(e.slice(0, 0, 2))[0].score);
    }
}

TEST_CASE("a CRF without a possible path") {
    const Crf crf = make(2, {.transitions = Mask({2, 2}, {0, 0, 0, 0}), .starts = {}, .ends = {}});
    Tape<double> tape;
    const auto e = tape.variable(random_tensor({3, 2, 2}));
    const auto log_z = crf.log_partition(e, Lengths{3, 1});
    CHECK(log_z.value()(0) == -infinity);
    CHECK(std::isfinite(log_z.value()(1)));
    tape.backward(sum(log_z), {.allow_non_finite = true});
    for (const double g : tape.gradient(e).to_vector()) CHECK(std::isfinite(g));
    CHECK(contains(error_of([&] { crf.decode(e.value()); }), "no path of sequence 0 is possible"));
    CHECK(contains(error_of([&] {
                       crf.decode(Tensor<double>::full({1, 1, 2}, std::nan("")));
                   }),
                   "no path of sequence 0 is possible"));

    const Crf free = make(2);
    auto masked = random_tensor({2, 1, 2});
    masked(1, 0, 1) = -infinity;
    tape.clear();
    const auto x = tape.variable(masked);
    const auto likelihood = free.log_likelihood(x, Indices({2, 1}, {0, 1}));
    CHECK(likelihood.item() == -infinity);
    tape.backward(likelihood, {.allow_non_finite = true});
    CHECK(tape.gradient(x) == Tensor<double>::zeros({2, 1, 2}));
    masked(1, 0, 0) = std::nan("");
    CHECK(std::isnan(free.loss(Variable<double>(masked), Indices({2, 1}, {0, 0})).item()));
}

TEST_CASE("ties, one tag and empty batches of a CRF") {
    Crf crf = make(3);
    for (auto& entry : parameters(crf)) entry.change().fill(0);
    CHECK(crf.decode(Tensor<double>::zeros({3, 1, 3}))[0].tags == std::vector<std::int64_t>(3, 0));
    CHECK(crf.log_partition(Variable<double>(Tensor<double>::zeros({3, 1, 3}))).item() ==
          doctest::Approx(3 * std::log(3.0)));
    CHECK(crf.log_partition(Variable<double>(Tensor<double>::zeros({0, 2, 3}))).value() ==
          Tensor<double>::zeros({2}));
    CHECK(crf.score(Variable<double>(Tensor<double>::zeros({0, 2, 3})), Indices(Shape{0, 2}))
              .value() == Tensor<double>::zeros({2}));
    CHECK(crf.log_partition(Variable<double>(Tensor<double>(Shape{2, 0, 3}))).size() == 0);
    CHECK(crf.decode(Tensor<double>(Shape{2, 0, 3})).empty());
    CHECK(crf.loss(Variable<double>(Tensor<double>(Shape{2, 0, 3})), Indices(Shape{2, 0})).item() ==
          0);
    CHECK(make(1).loss(Variable<double>(random_tensor({4, 2, 1})), Indices::zeros({4, 2})).item() ==
          doctest::Approx(0));
}

TEST_CASE("BIO constraints") {
    const nn::Tokens tags{"O", "B-per", "I-per", "B-loc", "I-loc"};
    const auto c = nn::bio_constraints(tags);
    CHECK(c.starts == Mask({5}, {1, 1, 0, 1, 0}));
    CHECK(c.ends == Mask::ones({5}));
    CHECK(c.transitions == Mask({5, 5}, {1, 1, 0, 1, 0, //
                                         1, 1, 1, 1, 0, //
                                         1, 1, 1, 1, 0, //
                                         1, 1, 0, 1, 1, //
                                         1, 1, 0, 1, 1}));
    const auto refused = [](const nn::Tokens& tags) {
        return error_of([&] { nn::bio_constraints(tags); });
    };
    CHECK(contains(refused({"O", "<pad>"}), "tag 1 is '<pad>'; expected O, B-type or I-type"));
    CHECK(contains(refused({"O", "B-"}), "tag 1 is 'B-'"));
    CHECK(contains(refused({"O", ""}), "tag 1 is ''"));
    CHECK(contains(refused({"O", "O"}), "tag 'O' occurs twice"));
    CHECK(contains(refused({}), "no tags"));
}

TEST_CASE("a CRF rejects invalid input") {
    const Crf crf = make(3, bio());
    const Variable<double> e(random_tensor({4, 2, 3}));
    const auto refused = [&](const Indices& tags, const Lengths& lengths) {
        return error_of([&] { crf.loss(e, tags, lengths); });
    };
    const auto good = Indices::full({4, 2}, 2);
    CHECK(contains(error_of([&] {
                       crf.log_partition(Variable<double>(random_tensor({4, 3})));
                   }),
                   "emissions have shape [4, 3], expected [T, B, 3]"));
    CHECK(contains(error_of([&] { crf.decode(random_tensor({4, 2, 2})); }), "expected [T, B, 3]"));
    CHECK(contains(refused(Indices::zeros({4, 3}), {}), "tags have shape [4, 3], expected [4, 2]"));
    CHECK(contains(refused(good, {4}), "1 lengths for a batch of 2"));
    CHECK(contains(refused(good, {4, 5}), "length 5 of sequence 1 is more than the 4 steps"));
    Indices tags = good.copy();
    tags(2, 1) = 3;
    CHECK(contains(refused(tags, {}), "tag 3 at step 2 of sequence 1 is outside [0, 3)"));
    CHECK(refused(tags, {4, 2}) == "");
    tags(2, 1) = 1;
    CHECK(contains(refused(tags, {}), "tag 1 at step 2 of sequence 1 must not follow tag 2"));
    tags(0, 0) = 1;
    CHECK(contains(refused(tags, {}), "tag 1 at step 0 of sequence 0 must not be the first"));
    CHECK(contains(error_of([] { Crf({}); }), "tags must be at least 1"));
    CHECK(contains(error_of([] { Crf({2, bio()}); }), "allowed transitions have shape [3, 3]"));
    const Crf ends({2, {.transitions = {}, .starts = {}, .ends = Mask({2}, {1, 0})}});
    CHECK(contains(error_of([&] {
                       ends.score(Variable<double>(random_tensor({1, 1, 2})), Indices({1, 1}, {1}));
                   }),
                   "must not be the last"));
}

TEST_CASE("a CRF under checking mode, in float, learns to tag") {
    nn::seed(1);
    nn::Crf<float> crf({3, bio()});
    Tape<float> tape;
    const Checking<float> checking(tape);
    const Indices tags({3, 2}, {0, 2, 1, 0, 2, 1});
    float before = 0;
    Tensor<float> e = random_tensor<float>({3, 2, 3});
    for (int step = 0; step < 30; ++step) {
        tape.clear();
        const auto x = tape.variable(e);
        const auto loss = crf.loss(x, tags);
        if (step == 0) before = loss.item();
        tape.backward(loss);
        const auto g = tape.gradient(x);
        for (std::size_t i = 0; i < e.size(); ++i) e.data()[i] -= 2 * g.data()[i];
    }
    tape.clear();
    CHECK(crf.loss(Variable<float>(e), tags).item() < 0.2f * before);
    CHECK(crf.decode(e)[1].tags == std::vector<std::int64_t>{2, 0, 1});
}
