#include "support.hpp"

#include <unroll/nn/decoding/ctc_search.hpp>
#include <unroll/nn/decoding/decode.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/softmax.hpp>

#include <limits>

using namespace test;

namespace {

using Lengths = std::vector<std::size_t>;
using Symbols = std::vector<std::int64_t>;
constexpr double infinity = std::numeric_limits<double>::infinity();

Tensor<double> log_probabilities(const Shape& shape, std::uint64_t seed = 1) {
    return log_softmax(Variable<double>(random_tensor(shape, seed, 2.0))).value();
}

double log_probability(const Tensor<double>& x, const Symbols& target) {
    return -nn::ctc_loss(Variable<double>(x), {},
                         nn::pad_sequences(std::vector<Symbols>{target}, 0),
                         {0, nn::Reduction::sum})
                .loss.item();
}

// Every sequence of at most T symbols from 1 ... V - 1.
std::vector<Symbols> all_targets(std::size_t steps, std::size_t V) {
    std::vector<Symbols> all{{}};
    for (std::size_t begin = 0, length = 0; length < steps; ++length) {
        const std::size_t end = all.size();
        for (; begin < end; ++begin)
            for (std::size_t v = 1; v < V; ++v) {
                Symbols longer = all[begin];
                longer.push_back(static_cast<std::int64_t>(v));
                all.push_back(std::move(longer));
            }
    }
    return all;
}

// A bigram language model whose state is the last symbol.
struct Pairs {
    Tensor<double> table; // [V, V + 1]: the last column is the end

    struct State {
        std::size_t symbols = 0; // symbols so far
    };
    nn::Prediction<State, double> operator()(const State& state, const Indices& tokens) const {
        CHECK(tokens.size() == 1);
        return {
            {state.symbols + 1},
            Variable<double>(table.select(0, static_cast<std::size_t>(tokens(0))).expand_dims(0))};
    }
    double score(const Symbols& target, bool ends) const {
        double sum = 0;
        std::int64_t last = 0;
        for (const auto symbol : target) {
            sum += table(last, symbol);
            last = symbol;
        }
        return sum + (ends ? table(last, table.shape(1) - 1) : 0);
    }
};

} // namespace

TEST_CASE("prefix search finds the likeliest targets, with the probability of all their paths") {
    for (const std::size_t T : {0, 1, 3, 5})
        for (const std::size_t V : {1, 2, 3}) {
            CAPTURE(T);
            CAPTURE(V);
            const auto x = log_probabilities({T, 2, V}, 7 * T + V);
            const auto found =
                nn::ctc_beam_search(x, Lengths{T, T / 2}, {.beam = 1000, .n_best = 1000});
            for (std::size_t b = 0; b < 2; ++b) {
                const std::size_t length = b == 0 ? T : T / 2;
                const auto alone = x.select(1, b).slice(0, 0, length).expand_dims(1).copy();
                std::size_t possible = 0;
                double best = -infinity;
                for (const auto& target : all_targets(length, V)) {
                    const double p = log_probability(alone, target);
                    possible += p > -infinity ? 1 : 0;
                    best = std::max(best, p);
                }
                REQUIRE(found[b].size() == possible);
                CHECK(found[b][0].score == doctest::Approx(best).epsilon(1e-12));
                double before = infinity;
                for (const auto& h : found[b]) {
                    CHECK(h.log_probability ==
                          doctest::Approx(log_probability(alone, h.symbols)).epsilon(1e-12));
                    CHECK(h.score == h.log_probability);
                    CHECK(h.score <= before);
                    before = h.score;
                }
            }
        }
}

TEST_CASE("prefix search with a language model") {
    const std::size_t T = 4, V = 3;
    const auto x = log_probabilities({T, 1, V}, 3);
    const Pairs language{log_softmax(Variable<double>(random_tensor({V, V + 1}, 9))).value()};
    Tape<double> tape;
    for (const bool ends : {false, true}) {
        nn::CtcBeamOptions options{.beam = 1000, .n_best = 1000, .language = 0.7, .bonus = 0.4};
        if (ends) options.end = static_cast<std::int64_t>(V);
        const auto found = nn::ctc_beam_search(x, {}, options, language, Pairs::State(), 0)[0];
        double best = -infinity;
        for (const auto& target : all_targets(T, V))
            best = std::max(best, log_probability(x, target) + 0.7 * language.score(target, ends) +
                                      0.4 * static_cast<double>(target.size()));
        CHECK(found[0].score == doctest::Approx(best).epsilon(1e-12));
        for (const auto& h : found)
            CHECK(h.score - h.log_probability ==
                  doctest::Approx(0.7 * language.score(h.symbols, ends) +
                                  0.4 * static_cast<double>(h.symbols.size())));
    }
    // Symbols that it forbids are never output, however likely they sound.
    Pairs strict{language.table.copy()};
    for (std::size_t last = 0; last < V; ++last) strict.table(last, 1) = -infinity;
    auto loud = x.copy();
    for (std::size_t t = 0; t < T; ++t) loud(t, 0, 1) += 10;
    const auto bound = nn::ctc_beam_search(loud, {}, {.n_best = 50}, strict, Pairs::State(), 0);
    for (const auto& h : bound[0]) CHECK(std::count(h.symbols.begin(), h.symbols.end(), 1) == 0);
    // Prefixes that cannot end come last.
    for (std::size_t last = 0; last + 1 < V; ++last) strict.table(last, V) = -infinity;
    const auto ended =
        nn::ctc_beam_search(x, {}, {.n_best = 50, .end = 3}, strict, Pairs::State(), 0);
    CHECK(ended[0].front().symbols.back() == 2);
    CHECK(ended[0].back().score == -infinity);
    // With weight 0 it is not called.
    const auto silent = [](const Pairs::State&,
                           const Indices&) -> nn::Prediction<Pairs::State, double> {
        fail("language", "was called");
    };
    CHECK(nn::ctc_beam_search(x, {}, {.language = 0}, silent, Pairs::State(), 0)[0][0].symbols ==
          nn::ctc_beam_search(x, {})[0][0].symbols);
}

TEST_CASE("a narrow beam, ties and prefixes that return") {
    // A prefix that left a beam of 1 and returns has only the paths since then.
    const auto x = log_probabilities({40, 3, 5}, 4);
    for (const std::size_t beam : {1, 2, 5, 20}) {
        const auto found = nn::ctc_beam_search(x, {}, {.beam = beam, .n_best = beam});
        for (std::size_t b = 0; b < 3; ++b) {
            CHECK(found[b].size() <= beam);
            const auto alone = x.select(1, b).expand_dims(1).copy();
            for (const auto& h : found[b])
                CHECK(h.log_probability <= log_probability(alone, h.symbols) + 1e-9);
        }
    }
    const auto even = Tensor<float>::full({2, 1, 3}, std::log(1.f / 3));
    const auto found = nn::ctc_beam_search(even, {}, {.beam = 10, .n_best = 10});
    REQUIRE(found[0].size() == 5); // 1 and 2 with three paths each, then nothing, 1 2 and 2 1
    CHECK(found[0][0].symbols == Symbols{1});
    CHECK(found[0][1].symbols == Symbols{2});
    CHECK(found[0][2].symbols.empty());
    CHECK(found[0][3].symbols == Symbols{1, 2});
}

TEST_CASE("prefix search rejects invalid arguments") {
    const auto x = log_probabilities({3, 2, 3});
    const auto refused = [&](const nn::CtcBeamOptions& options, const Lengths& lengths = {}) {
        return error_of([&] { nn::ctc_beam_search(x, lengths, options); });
    };
    CHECK(contains(refused({.beam = 0}), "beam and n_best must be at least 1"));
    CHECK(contains(refused({.n_best = 0}), "at least 1"));
    CHECK(contains(refused({.blank = 3}), "the blank symbol is 3, outside [0, 3)"));
    CHECK(contains(refused({.language = -1}), "weight must be at least 0"));
    CHECK(contains(refused({}, {4, 1}), "length 4 of sequence 0"));
    CHECK(contains(error_of([&] { nn::ctc_beam_search(x.select(1, 0), {}); }), "[T, B, V]"));
    auto wrong = x.copy();
    wrong(1, 0, 1) = std::nan("");
    CHECK(contains(error_of([&] { nn::ctc_beam_search(wrong, {}); }), "NaN"));
    CHECK(contains(error_of([&] {
                       nn::ctc_beam_search(Tensor<double>::full({1, 1, 2}, -infinity), {});
                   }),
                   "no symbol is possible"));
    Tape<double> tape;
    const auto with = [&](const Tensor<double>& table, std::int64_t end = -1) {
        return error_of(
            [&] { nn::ctc_beam_search(x, {}, {.end = end}, Pairs{table}, Pairs::State(), 0); });
    };
    CHECK(with(Tensor<double>::zeros({3, 3})) == "");
    CHECK(contains(with(Tensor<double>::zeros({3, 2})), "[1, 2], expected [1, 3] or more"));
    CHECK(contains(with(Tensor<double>::zeros({3, 3}), 3), "[1, 3], expected [1, 4] or more"));
    CHECK(contains(with(Tensor<double>::full({3, 3}, std::nan(""))), "of symbol 1 is NaN"));
}
