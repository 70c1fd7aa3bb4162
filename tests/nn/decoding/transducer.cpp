#include "support.hpp"

#include <unroll/nn/decoding/transducer.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/optim/optimizer.hpp>

#include <functional>
#include <limits>
#include <map>

using namespace test;

namespace {

using Lengths = std::vector<std::size_t>;
using Symbols = std::vector<std::int64_t>;
constexpr double infinity = std::numeric_limits<double>::infinity();

// A transducer whose state is its prefix, with random probabilities for each frame and prefix.
struct Table {
    std::size_t V;
    std::uint64_t seed;
    double deviation = 1;

    Tensor<double> row(std::size_t t, const Symbols& prefix) const {
        std::uint64_t number = seed + 7919 * t;
        for (const auto symbol : prefix) number = 31 * number + static_cast<std::uint64_t>(symbol);
        return log_softmax(Variable<double>(random_tensor({1, V}, number, deviation))).value();
    }
    auto joint() const {
        return [this](std::size_t t, const Symbols& prefix) {
            return Variable<double>(row(t, prefix));
        };
    }
    static auto predict() {
        return [](Symbols prefix, const Indices& tokens) {
            CHECK(tokens.shape() == Shape{1});
            prefix.push_back(tokens(0));
            return prefix;
        };
    }
    auto search(std::size_t frames, const nn::TransducerBeamOptions& options) const {
        return nn::transducer_beam_search(frames, joint(), predict(), Symbols(), options);
    }

    // The probability of every sequence, over all alignments with at most `most` symbols a frame.
    std::map<Symbols, double> enumerate(std::size_t frames, std::int64_t blank,
                                        std::size_t most) const {
        std::map<Symbols, double> all;
        const std::function<void(std::size_t, Symbols, std::size_t, double)> from =
            [&](std::size_t t, const Symbols& prefix, std::size_t emitted, double score) {
                if (t == frames) {
                    all[prefix] += std::exp(score);
                    return;
                }
                const auto p = row(t, prefix);
                for (std::size_t v = 0; v < V; ++v) {
                    const auto symbol = static_cast<std::int64_t>(v);
                    if (symbol == blank) {
                        from(t + 1, prefix, 0, score + p(0, v));
                    } else if (emitted < most) {
                        Symbols longer = prefix;
                        longer.push_back(symbol);
                        from(t, longer, emitted + 1, score + p(0, v));
                    }
                }
            };
        from(0, {}, 0, 0);
        return all;
    }
    // The loss of a target.
    double loss(std::size_t frames, const Symbols& target, std::int64_t blank = 0) const {
        Tensor<double> x({1, frames, target.size() + 1, V});
        for (std::size_t t = 0; t < frames; ++t)
            for (std::size_t u = 0; u <= target.size(); ++u)
                x.select(0, 0).select(0, t).select(0, u).assign(
                    row(t, Symbols(target.begin(), target.begin() + u)).select(0, 0));
        return nn::transducer_loss(Variable<double>(x), {},
                                   nn::pad_sequences(std::vector<Symbols>{target}, 0), {blank})
                   .loss.item() *
               static_cast<double>(std::max<std::size_t>(target.size(), 1));
    }
};

} // namespace

TEST_CASE("transducer search finds the likeliest sequences, over all their alignments") {
    for (const std::size_t T : {0, 1, 2, 3})
        for (const std::size_t V : {1, 2, 3})
            for (const std::size_t most : {1, 2}) {
                const auto blank = static_cast<std::int64_t>(V - 1);
                CAPTURE(T);
                CAPTURE(V);
                CAPTURE(most);
                const Table table{V, 50 * T + V};
                const auto all = table.enumerate(T, blank, most);
                const auto found = table.search(
                    T, {.beam = 1000, .n_best = 1000, .blank = blank, .max_symbols = most});
                REQUIRE(found.size() == all.size());
                double best = 0, before = infinity;
                for (const auto& [symbols, p] : all) best = std::max(best, p);
                CHECK(std::exp(found[0].log_probability) == doctest::Approx(best).epsilon(1e-12));
                for (const auto& h : found) {
                    CHECK(std::exp(h.log_probability) ==
                          doctest::Approx(all.at(h.symbols)).epsilon(1e-12));
                    CHECK(h.log_probability <= before);
                    before = h.log_probability;
                    // The limit excludes no alignment.
                    if (h.symbols.size() <= most && T > 0)
                        CHECK(h.log_probability ==
                              doctest::Approx(-table.loss(T, h.symbols, blank)).epsilon(1e-12));
                }
            }
}

TEST_CASE("narrow beams of transducers, and the greedy path") {
    for (const std::uint64_t seed : {1, 2, 3}) {
        const Table table{4, seed};
        for (const std::size_t beam : {1, 2, 5, 20}) {
            const auto found = table.search(12, {.beam = beam, .n_best = beam});
            CHECK(found.size() <= beam);
            for (const auto& h : found)
                CHECK(h.log_probability <= -table.loss(12, h.symbols) + 1e-9);
        }
        // If one symbol dominates, the best of a beam of 1 is the greedy path.
        const Table sharp{4, seed, 200};
        const auto greedy =
            nn::transducer_greedy(12, sharp.joint(), Table::predict(), Symbols(), 0, 100);
        const auto found = sharp.search(12, {.beam = 1, .max_symbols = 100});
        CHECK(greedy.symbols.size() > 3);
        CHECK(found[0].symbols == greedy.symbols);
        CHECK(found[0].log_probability == doctest::Approx(greedy.log_probability).epsilon(1e-9));
    }
}

TEST_CASE("the greedy path of a transducer, its limit and ties") {
    // Symbol 1 is the likeliest while fewer than three were emitted.
    const auto joint = [](std::size_t t, std::size_t emitted) {
        auto row = Tensor<float>({1, 3}, {-1, -2, -3});
        if (t > 0 && emitted < 3) row(0, 1) = -0.5f;
        return Variable<float>(row);
    };
    const auto predict = [](std::size_t emitted, const Indices&) { return emitted + 1; };
    const auto path = [&](std::size_t frames, std::size_t most) {
        return nn::transducer_greedy(frames, joint, predict, std::size_t{0}, 0, most);
    };
    CHECK(path(0, 10).symbols.empty());
    CHECK(path(0, 10).log_probability == 0);
    CHECK(path(1, 10).symbols.empty());
    CHECK(path(4, 10).symbols == Symbols{1, 1, 1});
    CHECK(path(4, 10).log_probability == -5.5);
    CHECK(path(2, 2).symbols == Symbols{1, 1});
    CHECK(path(3, 2).symbols == Symbols{1, 1, 1});
    const auto even = [](std::size_t, std::size_t) {
        return Variable<float>(Tensor<float>::full({1, 3}, std::log(1.f / 3)));
    };
    CHECK(nn::transducer_greedy(2, even, predict, std::size_t{0}, 1, 2).symbols ==
          Symbols{0, 0, 0, 0});
    const auto found = nn::transducer_beam_search(1, even, predict, std::size_t{0},
                                                  {.n_best = 4, .max_symbols = 1});
    REQUIRE(found.size() == 3);
    CHECK(found[0].symbols.empty());
    CHECK(found[1].symbols == Symbols{1});
    CHECK(found[2].symbols == Symbols{2});
}

TEST_CASE("transducer searches reject invalid arguments") {
    Tensor<double> row = Table{3, 1}.row(0, {});
    const auto joint = [&](std::size_t, int) { return Variable<double>(row); };
    const auto predict = [](int state, const Indices&) { return state; };
    const auto refused = [&](const nn::TransducerBeamOptions& options) {
        return error_of([&] { nn::transducer_beam_search(2, joint, predict, 0, options); });
    };
    const auto greedy = [&](std::int64_t blank = 0, std::size_t most = 10) {
        return error_of([&] { nn::transducer_greedy(2, joint, predict, 0, blank, most); });
    };
    CHECK(refused({}) == "");
    CHECK(greedy() == "");
    CHECK(contains(refused({.beam = 0}),
                   "transducer_beam_search: beam and n_best must be at least 1"));
    CHECK(contains(refused({.n_best = 0}), "at least 1"));
    CHECK(contains(refused({.blank = 3}), "the blank symbol is 3, outside [0, 3)"));
    CHECK(contains(refused({.blank = -1}), "the blank symbol is -1, expected at least 0"));
    CHECK(contains(refused({.max_symbols = 0}), "max_symbols must be at least 1"));
    CHECK(contains(greedy(3), "transducer_greedy: the blank symbol is 3, outside [0, 3)"));
    CHECK(contains(greedy(-1), "the blank symbol is -1"));
    CHECK(contains(greedy(0, 0), "max_symbols must be at least 1"));
    row(0, 1) = std::nan("");
    CHECK(contains(refused({}), "a log-probability is NaN"));
    CHECK(contains(greedy(), "a log-probability is NaN"));
    row.fill(-infinity);
    CHECK(contains(refused({}), "no symbol is possible in a frame"));
    CHECK(contains(greedy(), "no symbol is possible in a frame"));
    row = Tensor<double>::zeros({2, 3});
    CHECK(contains(refused({}), "the joint network returned shape [2, 3], expected [1, V]"));
    CHECK(contains(greedy(), "the joint network returned shape [2, 3], expected [1, V]"));
}

TEST_CASE("the logits of a transducer equal loops over its parts") {
    nn::seed(3);
    const nn::Transducer<nn::GruCell<double>> model({.vocabulary = 4,
                                                     .encoded = 3,
                                                     .joint = 5,
                                                     .predictor = {.input = 2, .hidden = 4},
                                                     .blank = 2});
    const auto encoded = random_tensor({3, 2, 3});
    const nn::PaddedBatch targets{Indices({2, 2}, {1, 3, 0, -5}), {2, 1}};
    const auto logits = model(Variable<double>(encoded), targets).value();
    REQUIRE(logits.shape() == Shape{2, 3, 3, 4});
    const Indices inputs({3, 2}, {2, 2, 1, 3, 0, 2});
    const auto h = model.predictor(model.embedding(inputs)).output.value();
    const auto weight = [](const nn::Linear<double>& layer) { return layer.weight.value(); };
    for (std::size_t b = 0; b < 2; ++b)
        for (std::size_t t = 0; t < 3; ++t)
            for (std::size_t u = 0; u < 3; ++u)
                for (std::size_t v = 0; v < 4; ++v) {
                    double sum = model.output.bias.value()(v);
                    for (std::size_t j = 0; j < 5; ++j) {
                        double z = model.from_encoder.bias.value()(j);
                        for (std::size_t i = 0; i < 3; ++i)
                            z += weight(model.from_encoder)(j, i) * encoded(t, b, i);
                        for (std::size_t i = 0; i < 4; ++i)
                            z += weight(model.from_predictor)(j, i) * h(u, b, i);
                        sum += weight(model.output)(v, j) * std::tanh(z);
                    }
                    CHECK(logits(b, t, u, v) == doctest::Approx(sum).epsilon(1e-12));
                }
    const Lengths lengths{3, 2};
    const auto expected = nn::transducer_loss(log_softmax(Variable<double>(logits)), lengths,
                                              targets, {2, nn::Reduction::sum});
    CHECK(model.loss(Variable<double>(encoded), targets, lengths, nn::Reduction::sum).item() ==
          doctest::Approx(expected.loss.item()).epsilon(1e-12));
}

TEST_CASE("the search of a transducer returns the probability that its loss gives") {
    nn::seed(4);
    const nn::Transducer<nn::LstmCell<double>> model(
        {.vocabulary = 3,
         .encoded = 2,
         .joint = 4,
         .predictor = {.input = 2, .hidden = 3, .layers = 2, .dropout = 0.5, .learned_state = true},
         .dropout = 0.5});
    const Variable<double> encoded(random_tensor({2, 3, 2}, 1, 3.0));
    const Lengths lengths{2, 1, 0};
    Tape<double> tape;
    const auto found = model.beam_search(
        encoded, lengths, {.beam = 1000, .n_best = 1000, .blank = 9, .max_symbols = 2});
    const auto greedy = model.greedy(encoded, lengths, 2);
    CHECK(tape.size() == 0);
    REQUIRE(found.size() == 3);
    CHECK(found[0].size() > found[1].size());
    CHECK(found[2].size() == 1);
    const NoRecording<double> paused;
    for (std::size_t b = 0; b < 3; ++b) {
        const auto alone =
            Variable<double>(encoded.value().slice(1, b, b + 1).slice(0, 0, lengths[b]).copy());
        for (const auto& h : found[b])
            if (h.symbols.size() <= 2)
                CHECK(h.log_probability ==
                      doctest::Approx(
                          -model
                               .loss(alone, nn::pad_sequences(std::vector<Symbols>{h.symbols}, 0),
                                     {}, nn::Reduction::sum)
                               .item())
                          .epsilon(1e-12));
        const auto same = [&](const auto& h) { return h.symbols == greedy[b].symbols; };
        const auto at = std::find_if(found[b].begin(), found[b].end(), same);
        REQUIRE(at != found[b].end());
        CHECK(greedy[b].log_probability <= at->log_probability + 1e-12);
    }
    CHECK(model.beam_search(Variable<double>(Tensor<double>(Shape{2, 0, 2}))).empty());
    CHECK(model.greedy(Variable<double>(Tensor<double>(Shape{2, 0, 2}))).empty());
}

TEST_CASE("a transducer learns to copy, and aligns what it found") {
    nn::seed(5);
    nn::Transducer<nn::GruCell<float>> model(
        {.vocabulary = 4, .encoded = 4, .joint = 16, .predictor = {.input = 8, .hidden = 8}});
    // Frame t shows symbol s or nothing.
    const std::vector<Symbols> shown{{1, 0, 0, 2, 2}, {3, 0, 1, 0}, {0, 0, 3, 3, 1, 2}};
    const Lengths lengths{5, 4, 6};
    Tensor<float> frames = Tensor<float>::zeros({6, 3, 4});
    std::vector<Symbols> targets(3);
    for (std::size_t b = 0; b < 3; ++b)
        for (std::size_t t = 0; t < shown[b].size(); ++t) {
            frames(t, b, shown[b][t]) = 3;
            if (shown[b][t] > 0) targets[b].push_back(shown[b][t]);
        }
    const auto padded = nn::pad_sequences(targets, 0);
    const Variable<float> x(frames);
    optim::Adam<float> adam(parameters(model), {.learning_rate = 0.05});
    for (int i = 0; i < 80; ++i) {
        Tape<float> tape;
        tape.backward(model.loss(x, padded, lengths));
        adam.step();
    }
    CHECK(model.loss(x, padded, lengths).item() < 0.1f);
    const auto greedy = model.greedy(x, lengths);
    const auto found = model.beam_search(x, lengths, {.beam = 4});
    const auto aligned = model.align(x, padded, lengths);
    for (std::size_t b = 0; b < 3; ++b) {
        CHECK(greedy[b].symbols == targets[b]);
        CHECK(found[b][0].symbols == targets[b]);
        REQUIRE(aligned[b].size() == targets[b].size());
        CHECK(std::is_sorted(aligned[b].begin(), aligned[b].end()));
    }
}

TEST_CASE("transducers reject invalid input") {
    const nn::Transducer<nn::GruCell<double>> model(
        {.vocabulary = 3, .encoded = 2, .joint = 2, .predictor = {.input = 2, .hidden = 2}});
    const Variable<double> x(random_tensor({3, 2, 2}));
    const auto refused = [&](const std::vector<Symbols>& targets, const Lengths& lengths = {}) {
        return error_of([&] { model.loss(x, nn::pad_sequences(targets, 0), lengths); });
    };
    CHECK(refused({{1}, {2}}) == "");
    CHECK(contains(refused({{1}, {3}}),
                   "Transducer: symbol 3 at position 0 of target 1 is outside [0, 3)"));
    CHECK(contains(refused({{1}, {0}}), "is the blank"));
    CHECK(contains(refused({{1}}), "targets have shape [1, 1], expected [L, 2]"));
    CHECK(contains(refused({{1}, {2}}, {3, 4}), "length 4 of sequence 1"));
    CHECK(contains(error_of([&] { model.greedy(x, Lengths{1}); }), "1 lengths for a batch of 2"));
    const Variable<double> wide(random_tensor({3, 2, 5}));
    CHECK(contains(error_of([&] { model.beam_search(wide); }),
                   "Transducer: encoded frames have shape [3, 2, 5], expected [T, B, 2]"));
    CHECK(contains(error_of([&] { model.beam_search(x, {}, {.beam = 0}); }), "at least 1"));
}
