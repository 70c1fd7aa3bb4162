#include "support.hpp"

#include <unroll/core/check/checking.hpp>
#include <unroll/nn/losses/transducer.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>

#include <functional>
#include <limits>

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

// One sequence of a batch.
struct Sequence {
    const Tensor<double>& x; // [B, T, L + 1, V]
    std::size_t b, T;
    Symbols target;
    std::int64_t blank = 0;

    std::size_t U() const { return target.size(); }
    double at_blank(std::size_t t, std::size_t u) const { return x(b, t, u, blank); }
    double at_symbol(std::size_t t, std::size_t u) const { return x(b, t, u, target[u]); }
};

// All alignments: their total probability, and the likeliest with its frames.
struct Enumerated {
    double probability = 0, best = -infinity;
    Lengths frames;

    explicit Enumerated(const Sequence& s) {
        Lengths chosen;
        const std::function<void(std::size_t, double)> from = [&](std::size_t t, double score) {
            const std::size_t u = chosen.size();
            if (t == s.T) {
                if (u < s.U()) return;
                probability += std::exp(score);
                if (score > best) {
                    best = score;
                    frames = chosen;
                }
                return;
            }
            if (u < s.U()) {
                chosen.push_back(t);
                from(t, score + s.at_symbol(t, u));
                chosen.pop_back();
            }
            from(t + 1, score + s.at_blank(t, u));
        };
        from(0, 0);
    }
};

double log_add(double a, double b) {
    const double top = std::max(a, b);
    return top == -infinity ? top : top + std::log(std::exp(a - top) + std::exp(b - top));
}

// The loss by a loop over the lattice, and minus the expected number of times that an alignment
// uses each log-probability, which is its gradient.
struct Loops {
    double loss;
    Tensor<double> gradient; // [T, L + 1, V]

    explicit Loops(const Sequence& s)
        : gradient(Tensor<double>::zeros({s.x.shape(1), s.x.shape(2), s.x.shape(3)})) {
        const std::size_t U = s.U();
        std::vector<double> alpha((s.T + 1) * (U + 1), -infinity), beta = alpha;
        const auto at = [&](std::size_t t, std::size_t u) { return t * (U + 1) + u; };
        alpha[0] = 0;
        beta[at(s.T, U)] = 0;
        for (std::size_t t = 0; t < s.T; ++t)
            for (std::size_t u = 0; u <= U; ++u) {
                const double a = alpha[at(t, u)];
                double& next = alpha[at(t + 1, u)];
                next = log_add(next, a + s.at_blank(t, u));
                if (u == U) continue;
                double& grown = alpha[at(t, u + 1)];
                grown = log_add(grown, a + s.at_symbol(t, u));
            }
        for (std::size_t t = s.T; t-- > 0;)
            for (std::size_t u = U + 1; u-- > 0;) {
                double& b = beta[at(t, u)];
                b = beta[at(t + 1, u)] + s.at_blank(t, u);
                if (u < U) b = log_add(b, beta[at(t, u + 1)] + s.at_symbol(t, u));
            }
        loss = -alpha[at(s.T, U)];
        for (std::size_t t = 0; t < s.T; ++t)
            for (std::size_t u = 0; u <= U; ++u) {
                const double a = alpha[at(t, u)] + loss;
                gradient(t, u, s.blank) -= std::exp(a + s.at_blank(t, u) + beta[at(t + 1, u)]);
                if (u < U)
                    gradient(t, u, s.target[u]) -=
                        std::exp(a + s.at_symbol(t, u) + beta[at(t, u + 1)]);
            }
    }
};

// Random lengths and targets for log-probabilities of a shape.
struct Drawn {
    Lengths lengths;
    Targets targets;

    Drawn(const Shape& shape, std::int64_t blank, Random& random) {
        for (std::size_t b = 0; b < shape[0]; ++b) {
            lengths.push_back(b == 0 ? shape[1] : 1 + random.below(shape[1]));
            const std::size_t L = shape[2] - 1;
            targets.emplace_back(b + 1 == shape[0] ? L : random.below(L + 1));
            for (auto& symbol : targets.back()) {
                symbol = static_cast<std::int64_t>(random.below(shape[3] - 1));
                if (symbol >= blank) ++symbol;
            }
        }
    }
};

} // namespace

TEST_CASE("the transducer loss equals the enumeration of all alignments") {
    for (const std::size_t T : {0, 1, 2, 3, 4})
        for (const std::size_t U : {0, 1, 2, 4})
            for (const std::int64_t blank : {0, 2}) {
                CAPTURE(T);
                CAPTURE(U);
                CAPTURE(blank);
                const auto x = log_probabilities({2, T, U + 1, 3}, 10 * T + U + 1);
                Targets targets{{}, {}};
                for (std::size_t u = 0; u < U; ++u)
                    targets[0].push_back(u % 3 == 0 ? 1 : 2 - blank);
                targets[1].assign(targets[0].begin(), targets[0].begin() + (U + 1) / 2);
                const Lengths lengths{T, T - T / 2};
                const auto found = nn::transducer_loss(Variable<double>(x), lengths,
                                                       padded(targets), {blank, none});
                std::size_t impossible = 0;
                for (std::size_t b = 0; b < 2; ++b) {
                    const Enumerated all({x, b, lengths[b], targets[b], blank});
                    const double loss = found.loss.value()(b);
                    if (all.probability == 0) {
                        CHECK(loss == infinity);
                        ++impossible;
                        continue;
                    }
                    CHECK(loss == doctest::Approx(-std::log(all.probability)).epsilon(1e-12));
                    const auto alone = x.slice(0, b, b + 1).slice(1, 0, lengths[b]);
                    const auto short_x = alone.slice(2, 0, targets[b].size() + 1).copy();
                    CHECK(nn::transducer_align(short_x, {}, padded({targets[b]}), blank)[0] ==
                          all.frames);
                }
                CHECK(found.impossible == impossible);
                if (impossible == 0)
                    CHECK(nn::transducer_align(x, lengths, padded(targets), blank)[1].size() ==
                          targets[1].size());
            }
}

TEST_CASE("the transducer loss equals loops over the lattice: random sizes, values and gradients") {
    Random random(5);
    for (int round = 0; round < 12; ++round) {
        CAPTURE(round);
        const Shape shape{1 + random.below(5), 1 + random.below(20), 1 + random.below(15),
                          2 + random.below(6)};
        const auto blank = static_cast<std::int64_t>(random.below(shape[3]));
        const Drawn drawn(shape, blank, random);
        const std::size_t L = shape[2] - 1;
        nn::PaddedBatch targets{Indices::full({L, shape[0]}, -7), {}};
        for (std::size_t b = 0; b < shape[0]; ++b) {
            targets.lengths.push_back(drawn.targets[b].size());
            for (std::size_t u = 0; u < drawn.targets[b].size(); ++u)
                targets.numbers(u, b) = drawn.targets[b][u];
        }
        const auto x = log_probabilities(shape, 100 + static_cast<std::uint64_t>(round));
        Tensor<float> single(shape);
        for (std::size_t i = 0; i < x.size(); ++i)
            single.data()[i] = static_cast<float>(x.data()[i]);

        Tape<double> tape;
        const auto v = tape.variable(x);
        const auto loss = nn::transducer_loss(v, drawn.lengths, targets, {blank, none}).loss;
        tape.backward(loss, Tensor<double>::ones(loss.shape()));
        Tape<float> tape_in_float;
        const auto w = tape_in_float.variable(single);
        const auto loss_in_float =
            nn::transducer_loss(w, drawn.lengths, targets, {blank, none}).loss;
        tape_in_float.backward(loss_in_float, Tensor<float>::ones(loss.shape()));
        for (std::size_t b = 0; b < shape[0]; ++b) {
            const Loops loops({x, b, drawn.lengths[b], drawn.targets[b], blank});
            CHECK(loss.value()(b) == doctest::Approx(loops.loss).epsilon(1e-12));
            CHECK(distance(tape.gradient(v).select(0, b).copy(), loops.gradient) < 1e-12);
            CHECK(std::abs(loss_in_float.value()(b) - loops.loss) < 2e-6 * (1 + loops.loss));
            const auto g = tape_in_float.gradient(w).select(0, b).copy().to_vector();
            for (std::size_t i = 0; i < g.size(); ++i)
                CHECK(std::abs(g[i] - loops.gradient.data()[i]) < 2e-5);
        }
    }
}

TEST_CASE("gradients of the transducer loss, at first and second order") {
    const Lengths lengths{4, 1, 2, 3, 0};
    const auto targets = padded({{1, 2, 2}, {2, 1, 1}, {}, {1}, {}});
    for (const auto reduction : {total, nn::Reduction::mean})
        for (const int order : {1, 2}) {
            const auto report = gradcheck(
                [&](const auto& in) {
                    return nn::transducer_loss(log_softmax(in[0]), lengths, targets, {0, reduction})
                        .loss;
                },
                {random_tensor({5, 4, 4, 3})}, {}, {.order = order});
            CHECK_MESSAGE(report, report.text());
        }
}

TEST_CASE("transducer losses are reduced as those of CTC") {
    const auto x = log_probabilities({3, 3, 4, 3});
    const auto targets = padded({{1, 2, 2}, {}, {2}});
    const auto loss = [&](nn::Reduction reduction) {
        return nn::transducer_loss(Variable<double>(x), {}, targets, {0, reduction}).loss.value();
    };
    const auto each = loss(none);
    CHECK(loss(total).item() == doctest::Approx(each(0) + each(1) + each(2)));
    CHECK(loss(nn::Reduction::mean).item() ==
          doctest::Approx((each(0) / 3 + each(1) + each(2)) / 3));
}

TEST_CASE("targets without an alignment") {
    // No frames; a forbidden symbol; no frames and no symbols; forbidden blanks.
    const Targets targets{{1}, {1, 2}, {}, {1}};
    const Lengths lengths{0, 2, 0, 2};
    auto logits = random_tensor({4, 2, 3, 3});
    logits.select(0, 1).select(1, 1).select(1, 2).fill(-infinity);
    logits.select(0, 3).select(0, 1).select(1, 0).fill(-infinity);
    for (const bool zero : {false, true}) {
        Tape<double> tape;
        const auto x = tape.variable(logits);
        const auto result =
            nn::transducer_loss(log_softmax(x), lengths, padded(targets), {0, none, zero});
        CHECK(result.impossible == 3);
        for (const std::size_t b : {0, 1, 3})
            CHECK(result.loss.value()(b) == (zero ? 0 : infinity));
        CHECK(result.loss.value()(2) == 0);
        tape.backward(result.loss, Tensor<double>::ones({4}));
        CHECK(tape.gradient(x) == Tensor<double>::zeros(logits.shape()));
    }
    CHECK(contains(error_of([&] {
                       nn::transducer_align(log_softmax(Variable<double>(logits)).value(), lengths,
                                            padded({{}, {1, 2}, {}, {}}));
                   }),
                   "no alignment of sequence 1 is possible"));
    CHECK(contains(error_of([&] { nn::transducer_align(logits, lengths, padded(targets)); }),
                   "no alignment of sequence 0 is possible"));
}

TEST_CASE("forbidden symbols, extreme logits and NaN in the transducer loss") {
    auto logits = random_tensor({2, 3, 3, 3});
    logits(0, 1, 0, 0) = logits(0, 0, 1, 2) = -infinity;
    logits(0, 2, 1, 1) = -infinity; // in no alignment of the target
    for (std::size_t i = 27; i < 54; ++i) logits.data()[i] = i % 4 == 0 ? 1e4 : -1e4;
    const auto targets = padded({{1, 2}, {2, 1}});
    Tape<double> tape;
    const auto x = tape.variable(logits);
    const auto p = log_softmax(x);
    const auto loss = nn::transducer_loss(p, {}, targets, {0, none}).loss;
    tape.backward(loss, Tensor<double>::ones({2}));
    CHECK(loss.value()(0) ==
          doctest::Approx(-std::log(Enumerated({p.value(), 0, 3, {1, 2}}).probability))
              .epsilon(1e-12));
    CHECK(loss.value()(1) == doctest::Approx(Loops({p.value(), 1, 3, {2, 1}}).loss).epsilon(1e-12));
    CHECK(loss.value()(1) > 1e4);
    const auto g = tape.gradient(x);
    for (const double v : g.to_vector()) CHECK(std::abs(v) <= 3);
    CHECK(g(0, 1, 0, 0) == 0);

    Tensor<float> single(logits.shape());
    for (std::size_t i = 0; i < single.size(); ++i)
        single.data()[i] = static_cast<float>(logits.data()[i]);
    const auto in_float =
        nn::transducer_loss(log_softmax(Variable<float>(single)), {}, targets, {0, none}).loss;
    for (std::size_t b = 0; b < 2; ++b)
        CHECK(in_float.value()(b) == doctest::Approx(loss.value()(b)).epsilon(1e-6));

    // Of a blank, of a symbol, next to impossible predecessors too.
    const auto clean = log_probabilities({1, 3, 3, 3});
    for (const auto& [t, u, v] : {std::tuple(0, 0, 0), std::tuple(0, 0, 1), std::tuple(2, 2, 0),
                                  std::tuple(1, 1, 2), std::tuple(2, 0, 1)}) {
        auto wrong = clean.copy();
        wrong(0, t, u, v) = std::nan("");
        const auto found = nn::transducer_loss(Variable<double>(wrong), {}, padded({{1, 2}}));
        CHECK(std::isnan(found.loss.item()));
        CHECK(found.impossible == 0);
    }
}

TEST_CASE("the transducer loss ignores padding") {
    const auto x = log_probabilities({2, 5, 4, 3});
    const Lengths lengths{3, 2}, target_lengths{2, 1};
    const auto losses = [&](double filler, const Indices& targets) {
        const std::size_t L = targets.shape(0);
        auto values = x.slice(2, 0, L + 1).copy();
        for (std::size_t b = 0; b < 2; ++b) {
            values.select(0, b).slice(0, lengths[b], 5).fill(filler);
            values.select(0, b).slice(1, target_lengths[b] + 1, L + 1).fill(filler);
            // The last state has no next symbol.
            values.select(0, b).select(1, target_lengths[b]).slice(1, 1, 3).fill(filler);
        }
        Tape<double> tape;
        const auto v = tape.variable(values);
        const auto loss = nn::transducer_loss(v, lengths, {targets, target_lengths}).loss;
        tape.backward(loss);
        const auto g = tape.gradient(v);
        for (std::size_t i = 0; i < g.size(); ++i)
            if (!(values.data()[i] == x.slice(2, 0, L + 1).copy().data()[i]))
                CHECK(g.data()[i] == 0);
        auto found = g.slice(1, 0, 3).slice(2, 0, 3).copy().to_vector();
        found.push_back(loss.item());
        return found;
    };
    const auto reference = losses(0, Indices({2, 2}, {1, 2, 2, 1}));
    for (const double filler : {1e30, -infinity, infinity, std::nan("")}) {
        CHECK(losses(filler, Indices({2, 2}, {1, 2, 2, 0})) == reference);
        CHECK(losses(filler, Indices({3, 2}, {1, 2, 2, -9, 99, 1})) == reference);
    }
}

TEST_CASE("empty batches, and the transducer loss in float under checking mode") {
    const Variable<double> empty(Tensor<double>(Shape{0, 3, 3, 2}));
    const nn::PaddedBatch nobody{Indices(Shape{2, 0}), {}};
    CHECK(nn::transducer_loss(empty, {}, nobody, {0, none}).loss.size() == 0);
    CHECK(nn::transducer_loss(empty, {}, nobody, {0, total}).loss.item() == 0);
    CHECK(nn::transducer_loss(empty, {}, nobody).loss.item() == 0);
    CHECK(nn::transducer_align(empty.value(), {}, nobody).empty());
    const Variable<double> no_frames(Tensor<double>(Shape{2, 0, 2, 2}));
    const auto found = nn::transducer_loss(no_frames, {}, padded({{1}, {}}), {0, none});
    CHECK(found.loss.value() == Tensor<double>({2}, {infinity, 0}));

    Tape<float> tape;
    const Checking<float> checking(tape);
    Tensor<float> logits = random_tensor<float>({2, 6, 4, 3});
    const auto targets = padded({{1, 2, 1}, {2}});
    float before = 0, after = 0;
    for (int step = 0; step < 40; ++step) {
        tape.clear();
        const auto x = tape.variable(logits);
        const auto loss = nn::transducer_loss(log_softmax(x), Lengths{6, 4}, targets).loss;
        (step == 0 ? before : after) = loss.item();
        tape.backward(loss);
        const auto g = tape.gradient(x);
        for (std::size_t i = 0; i < logits.size(); ++i) logits.data()[i] -= 3 * g.data()[i];
    }
    CHECK(after < 0.2f * before);
}

TEST_CASE("long transducer lattices remain finite, with one operation per diagonal") {
    Tape<float> tape;
    const auto x = tape.variable(random_tensor<float>({3, 200, 61, 4}));
    Symbols target;
    for (int i = 0; i < 60; ++i) target.push_back(1 + i % 3);
    const auto p = log_softmax(x);
    const std::size_t before = tape.size();
    const auto loss = nn::transducer_loss(p, {}, padded({target, {1}, {}}), {0, total}).loss;
    std::size_t fused = 0;
    for (std::size_t i = before; i < tape.size(); ++i) {
        const auto& node = tape.node(static_cast<NodeId>(i));
        if (node.rule != nullptr && tape.time_step(node.scope) != Scope::no_index) ++fused;
    }
    CHECK(fused == 260);
    tape.backward(loss);
    const auto g = tape.gradient(x);
    for (std::size_t i = 0; i < g.size(); ++i) CHECK(std::abs(g.data()[i]) <= 1.001f);
}

TEST_CASE("ties of alignments go to the earlier frame") {
    const auto even = Tensor<double>::zeros({1, 3, 3, 2});
    CHECK(nn::transducer_align(even, {}, padded({{1, 1}}))[0] == Lengths{0, 0});
}

TEST_CASE("the transducer loss rejects invalid input") {
    const Variable<double> x(log_probabilities({2, 4, 3, 3}));
    const auto refused = [&](const Targets& targets, const Lengths& lengths = {},
                             std::int64_t blank = 0) {
        return error_of([&] { nn::transducer_loss(x, lengths, padded(targets), {blank}); });
    };
    const Targets good{{1, 2}, {1}};
    CHECK(refused(good) == "");
    CHECK(contains(refused({{1, 3}, {1}}),
                   "Transducer: symbol 3 at position 1 of target 0 is outside [0, 3)"));
    CHECK(contains(refused({{1, 1}, {-2}}), "symbol -2 at position 0 of target 1 is outside"));
    CHECK(contains(refused({{1}, {1, 0}}), "symbol 0 at position 1 of target 1 is the blank"));
    CHECK(contains(refused(good, {}, 2), "symbol 2 at position 1 of target 0 is the blank"));
    CHECK(contains(refused(good, {}, 3), "the blank symbol is 3, outside [0, 3)"));
    CHECK(contains(refused(good, {}, -1), "the blank symbol is -1"));
    CHECK(contains(refused(good, {4}), "1 lengths for a batch of 2"));
    CHECK(contains(refused(good, {5, 4}), "length 5 of sequence 0 is more than the 4 steps"));
    CHECK(contains(refused(good, {4, static_cast<std::size_t>(-1)}), "more than the 4 steps"));
    CHECK(contains(refused({{1, 2}}), "targets have shape [2, 1], expected [L, 2]"));
    for (const Targets& other : {Targets{{1}, {1}}, Targets{{1, 2, 1}, {1}}})
        CHECK(contains(refused(other),
                       "log-probabilities have shape [2, 4, 3, 3], expected [B, T, L + 1, V] with "
                       "L = " +
                           std::to_string(other[0].size())));
    CHECK(contains(error_of([&] {
                       nn::transducer_loss(x, {}, {Indices::ones({2, 2}), {1, 3}});
                   }),
                   "Transducer: target: length 3 of sequence 1 is more than the 2"));
    CHECK(contains(
        error_of([&] {
            nn::transducer_loss(Variable<double>(log_probabilities({4, 2, 3})), {}, padded(good));
        }),
        "log-probabilities have shape [4, 2, 3], expected [B, T, L + 1, V]"));
    CHECK(contains(error_of([&] {
                       nn::transducer_align(x.value(), Lengths{9, 1}, padded(good));
                   }),
                   "length 9"));
}
