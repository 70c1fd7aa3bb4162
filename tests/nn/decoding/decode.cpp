#include "support.hpp"

#include <unroll/nn/decoding/decode.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/ops/softmax.hpp>

#include <algorithm>
#include <limits>

using namespace test;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
using Tokens = std::vector<std::int64_t>;
using Penalty = nn::BeamOptions::Penalty;

// A language model over `vocabulary` tokens with a different distribution for every prefix. The
// state [N, 1] is a number that identifies the prefix.
struct Language {
    std::size_t vocabulary;
    std::uint64_t seed = 1;

    Tensor<double> row(double prefix) const {
        const auto logits = random_tensor({1, vocabulary},
                                          seed * 1000003 + static_cast<std::uint64_t>(prefix), 1.5);
        return log_softmax(Variable<double>(logits)).value().select(0, 0);
    }
    double next(double prefix, std::int64_t token) const {
        return prefix * static_cast<double>(vocabulary + 1) + static_cast<double>(token + 1);
    }
    nn::Prediction<Variable<double>, double> operator()(const Variable<double>& state,
                                                        const Indices& tokens) const {
        const std::size_t rows = tokens.size();
        Tensor<double> prefixes({rows, 1}), p({rows, vocabulary});
        for (std::size_t i = 0; i < rows; ++i) {
            prefixes(i, 0) = next(state.value()(i, 0), tokens(i));
            p.select(0, i).assign(row(prefixes(i, 0)));
        }
        return {prefixes, p, prefixes};
    }
};

double penalty(std::size_t length, double a, Penalty kind) {
    const auto n = static_cast<double>(length);
    return std::pow(kind == Penalty::power ? n : (5 + n) / 6, a);
}

struct Path {
    Tokens tokens;
    double prefix, log_probability, score = 0;
    bool ended = false;
};

// Textbook beam search: no early end, everything sorted. `beam` 0 keeps all paths.
std::vector<Path> by_hand(const Language& language, std::int64_t start,
                          const nn::BeamOptions& options, std::size_t beam) {
    std::vector<Path> going{{{}, language.next(0, start), 0}}, found;
    for (std::size_t t = 0; t < options.max_length; ++t) {
        std::vector<Path> all;
        for (const Path& path : going) {
            const auto p = language.row(path.prefix);
            for (std::int64_t v = 0; v < static_cast<std::int64_t>(language.vocabulary); ++v) {
                Path longer = path;
                longer.tokens.push_back(v);
                longer.prefix = language.next(path.prefix, v);
                longer.log_probability += p(v);
                longer.ended = v == options.end;
                all.push_back(longer);
            }
        }
        std::stable_sort(all.begin(), all.end(), [](const Path& a, const Path& b) {
            return a.log_probability > b.log_probability;
        });
        if (beam > 0 && all.size() > beam) all.resize(beam);
        going.clear();
        for (Path& path : all) {
            path.score = path.log_probability /
                         penalty(path.tokens.size(), options.length_penalty, options.penalty);
            (path.ended || t + 1 == options.max_length ? found : going).push_back(path);
        }
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const Path& a, const Path& b) { return a.score > b.score; });
    if (found.size() > options.n_best) found.resize(options.n_best);
    return found;
}

void compare(const std::vector<nn::Hypothesis<double>>& found, const std::vector<Path>& expected) {
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        CHECK(found[i].tokens == expected[i].tokens);
        CHECK(found[i].score == doctest::Approx(expected[i].score).epsilon(1e-12));
        CHECK(found[i].log_probability ==
              doctest::Approx(expected[i].log_probability).epsilon(1e-12));
        CHECK(found[i].ended == expected[i].ended);
    }
}

const Indices three_starts({3}, {0, 1, 2});
Variable<double> no_prefix(std::size_t rows) { return Tensor<double>::zeros({rows, 1}); }

// A step with the same log-probabilities for every prefix.
auto always(std::vector<double> p) {
    return [p](const Variable<double>& state, const Indices& tokens) {
        Tensor<double> rows({tokens.size(), p.size()});
        for (std::size_t i = 0; i < tokens.size(); ++i)
            rows.select(0, i).assign(Tensor<double>({p.size()}, std::span<const double>(p)));
        return nn::Prediction<Variable<double>, double>{state, rows};
    };
}

} // namespace

TEST_CASE("a beam as wide as the search space finds the n best") {
    Tape<double> tape;
    for (const auto kind : {Penalty::power, Penalty::wu})
        for (const double a : {0.0, 0.6, 1.0, 2.0})
            for (std::uint64_t seed = 0; seed < 5; ++seed) {
                const Language language{3, seed};
                const nn::BeamOptions options{.beam = 100,
                                              .n_best = 7,
                                              .length_penalty = a,
                                              .penalty = kind,
                                              .end = 2,
                                              .max_length = 4};
                const auto found = nn::beam_search(language, no_prefix(3), three_starts, options);
                REQUIRE(found.size() == 3);
                for (std::size_t b = 0; b < 3; ++b)
                    compare(found[b], by_hand(language, three_starts(b), options, 0));
            }
}

TEST_CASE("narrow beams equal a plain loop's") {
    Tape<double> tape;
    for (const std::size_t beam : {1, 2, 3, 6})
        for (const double a : {0.0, 1.0})
            for (std::uint64_t seed = 0; seed < 10; ++seed) {
                const Language language{4, seed};
                const nn::BeamOptions options{
                    .beam = beam, .n_best = 3, .length_penalty = a, .end = 0, .max_length = 6};
                const auto found = nn::beam_search(language, no_prefix(3), three_starts, options);
                for (std::size_t b = 0; b < 3; ++b)
                    compare(found[b], by_hand(language, three_starts(b), options, beam));
            }
}

TEST_CASE("a beam of 1 is greedy") {
    Tape<double> tape;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const Language language{5, seed};
        const auto greedy =
            nn::greedy(language, no_prefix(3), three_starts, {.end = 4, .max_length = 8});
        const auto beam =
            nn::beam_search(language, no_prefix(3), three_starts,
                            {.beam = 1, .length_penalty = 1, .end = 4, .max_length = 8});
        for (std::size_t b = 0; b < 3; ++b) {
            CHECK(beam[b][0].tokens == greedy[b].tokens);
            CHECK(beam[b][0].log_probability == greedy[b].log_probability);
            CHECK(beam[b][0].ended == greedy[b].ended);
            double prefix = language.next(0, three_starts(b)), p = 0;
            for (const auto token : greedy[b].tokens) {
                const auto row = language.row(prefix).to_vector();
                CHECK(token == std::max_element(row.begin(), row.end()) - row.begin());
                p += row[static_cast<std::size_t>(token)];
                prefix = language.next(prefix, token);
            }
            CHECK(greedy[b].log_probability == doctest::Approx(p));
        }
    }
}

TEST_CASE("ties go to the better parent and the lowest token") {
    Tape<double> tape;
    const double third = std::log(1.0 / 3);
    const auto step = always({third, third, third});
    const Indices start({1}, {0});
    CHECK(nn::greedy(step, no_prefix(1), start, {.max_length = 3})[0].tokens == Tokens{0, 0, 0});
    const auto found =
        nn::beam_search(step, no_prefix(1), start, {.beam = 4, .n_best = 4, .max_length = 2})[0];
    CHECK(found[0].tokens == Tokens{0, 0});
    CHECK(found[1].tokens == Tokens{0, 1});
    CHECK(found[2].tokens == Tokens{0, 2});
    CHECK(found[3].tokens == Tokens{1, 0});
}

TEST_CASE("the end token, the limit and impossible tokens") {
    Tape<double> tape;
    const Indices start({1}, {0});
    const auto one = no_prefix(1);
    const double half = std::log(0.5);
    SUBCASE("no end before the limit") {
        const auto found =
            nn::beam_search(always({half, half}), one, start, {.beam = 2, .max_length = 3});
        CHECK(found[0][0].tokens.size() == 3);
        CHECK(!found[0][0].ended);
        CHECK(found[0][0].score == doctest::Approx(3 * half));
    }
    SUBCASE("the end at once") {
        const auto found = nn::greedy(always({-infinity, 0.0}), one, start, {.end = 1});
        CHECK(found[0].tokens == Tokens{1});
        CHECK(found[0].ended);
        CHECK(found[0].log_probability == 0);
        CHECK(!found[0].weights.storage());
    }
    SUBCASE("a length penalty of 1 compares means, of 0 sums") {
        // Two tokens, where the end token has probability 0.4: longer sequences have a larger mean.
        const auto step = always({std::log(0.6), std::log(0.4)});
        const nn::BeamOptions sums{.beam = 4, .n_best = 4, .end = 1, .max_length = 3};
        nn::BeamOptions means = sums;
        means.length_penalty = 1;
        CHECK(nn::beam_search(step, one, start, sums)[0][0].tokens == Tokens{1});
        const auto found = nn::beam_search(step, one, start, means)[0];
        CHECK(found[0].tokens == Tokens{0, 0, 0});
        CHECK(found[0].score == doctest::Approx(std::log(0.6)));
        CHECK(found.size() == 4);
        for (std::size_t i = 1; i < found.size(); ++i) CHECK(found[i].score <= found[i - 1].score);
    }
    SUBCASE("a beam wider than the vocabulary, and more hypotheses requested than exist") {
        const auto found = nn::beam_search(always({half, half}), one, start,
                                           {.beam = 50, .n_best = 50, .end = 1, .max_length = 2});
        CHECK(found[0].size() == 3);
    }
    SUBCASE("candidates of probability 0 are excluded") {
        const auto found = nn::beam_search(always({0.0, -infinity}), one, start,
                                           {.beam = 4, .n_best = 4, .max_length = 2});
        CHECK(found[0].size() == 1);
        const auto dead = always({-infinity, -infinity});
        CHECK(contains(error_of([&] { nn::beam_search(dead, one, start, {}); }),
                       "beam_search: sequence 0 allows no token after 0 of them"));
        CHECK(contains(error_of([&] { nn::greedy(dead, one, start, {}); }),
                       "greedy: sequence 0 allows no token after 0 of them"));
    }
    SUBCASE("a dead end after a complete hypothesis") {
        const auto step = [&](const Variable<double>& state, const Indices& tokens) {
            Tensor<double> p({tokens.size(), 2}, {half, half});
            if (tokens(0) == 0) p.fill(-infinity);
            return nn::Prediction<Variable<double>, double>{state, p};
        };
        const auto found =
            nn::beam_search(step, one, Indices({1}, {1}), {.beam = 2, .n_best = 2, .end = 1});
        CHECK(found[0].size() == 1);
        CHECK(found[0][0].tokens == Tokens{1});
    }
    SUBCASE("no sequences") {
        CHECK(nn::beam_search(always({0.0}), no_prefix(0), Indices(Shape{0}), {}).empty());
        CHECK(nn::greedy(always({0.0}), no_prefix(0), Indices(Shape{0}), {}).empty());
    }
    SUBCASE("errors name what was expected") {
        const auto beam = [&](nn::BeamOptions options) {
            return error_of([&] { nn::beam_search(always({0.0}), one, start, options); });
        };
        CHECK(contains(beam({.beam = 0}), "beam and n_best must be at least 1, got 0 and 1"));
        CHECK(contains(beam({.n_best = 0}), "got 4 and 0"));
        CHECK(contains(beam({.max_length = 0}), "max_length must be at least 1"));
        CHECK(contains(beam({.length_penalty = -1}), "length penalty must be at least 0, got -1"));
        CHECK(contains(beam({.end = 1}), "the end token is 1 of a vocabulary of 1"));
        const auto sample = [&](nn::SampleOptions options) {
            return error_of([&] { nn::sample(always({0.0}), one, start, options); });
        };
        CHECK(contains(sample({.temperature = -1}), "temperature must be at least 0, got -1"));
        CHECK(contains(sample({.top_p = 1.5}), "top_p must be in [0, 1], got 1.5"));
        CHECK(contains(error_of([&] { nn::greedy(always({std::nan("")}), one, start, {}); }),
                       "the log-probability of token 0 in row 0 is nan"));
        CHECK(contains(error_of([&] { nn::greedy(always({2.0}), one, start, {}); }),
                       "the log-probability of token 0 in row 0 is 2"));
        CHECK(contains(error_of([&] { nn::greedy(always({}), one, start, {}); }),
                       "log-probabilities have shape [1, 0], expected [1, V]"));
        CHECK(contains(error_of([&] {
                           nn::greedy(always({0.0}), one, Indices({1, 1}, {0}), {});
                       }),
                       "start tokens have shape [1, 1], expected [B]"));
    }
}

TEST_CASE("the distribution that tokens are sampled from") {
    const Tensor<double> p({1, 4}, {std::log(0.4), std::log(0.1), std::log(0.3), std::log(0.2)});
    const auto drawn = [&](nn::SampleOptions options) {
        return nn::sampling_distribution(p, options);
    };
    const auto expect = [](const Tensor<double>& got, std::initializer_list<double> wanted) {
        CHECK(distance(got, Tensor<double>({1, 4}, wanted)) < 1e-12);
    };
    expect(drawn({}), {0.4, 0.1, 0.3, 0.2});
    expect(drawn({.temperature = 0}), {1, 0, 0, 0});
    expect(drawn({.temperature = 0.5}), {16 / 30.0, 1 / 30.0, 9 / 30.0, 4 / 30.0});
    expect(drawn({.temperature = infinity}), {0.25, 0.25, 0.25, 0.25});
    expect(drawn({.top_k = 1}), {1, 0, 0, 0});
    expect(drawn({.top_k = 2}), {4 / 7.0, 0, 3 / 7.0, 0});
    expect(drawn({.top_k = 9}), {0.4, 0.1, 0.3, 0.2});
    expect(drawn({.top_p = 0}), {1, 0, 0, 0});
    expect(drawn({.top_p = 0.3}), {1, 0, 0, 0});
    expect(drawn({.top_p = 0.6}), {4 / 7.0, 0, 3 / 7.0, 0});
    expect(drawn({.top_p = 1}), {0.4, 0.1, 0.3, 0.2});
    expect(drawn({.temperature = infinity, .top_k = 3, .top_p = 0.5}), {0.5, 0, 0.5, 0});
    const Tensor<double> some({1, 3}, {-infinity, std::log(0.5), std::log(0.5)});
    CHECK(distance(nn::sampling_distribution(some, {.temperature = infinity}),
                   Tensor<double>({1, 3}, {0, 0.5, 0.5})) < 1e-12);
    CHECK(nn::sampling_distribution(some, {.top_k = 1})(0, 1) == 1); // the lower of equals
    CHECK(contains(error_of([] {
                       nn::sampling_distribution(Tensor<double>::full({1, 2}, -infinity), {});
                   }),
                   "row 0 allows no token"));
}

TEST_CASE("sampling") {
    Tape<double> tape;
    const std::vector<double> p{std::log(0.4), std::log(0.1), std::log(0.3), std::log(0.2)};
    const std::size_t n = 20000;
    const auto found =
        nn::sample(always(p), no_prefix(n), Indices::zeros({n}), {.end = 3, .max_length = 1});
    std::vector<double> counts(4);
    for (const auto& hypothesis : found) counts[static_cast<std::size_t>(hypothesis.tokens[0])]++;
    for (std::size_t v = 0; v < 4; ++v)
        CHECK(counts[v] / n == doctest::Approx(std::exp(p[v])).epsilon(0.05));

    // A sequence depends only on its own stream.
    const Language language{5};
    const nn::SampleOptions options{.top_k = 4, .top_p = 0.95, .end = 4, .max_length = 12};
    const auto three = nn::sample(language, no_prefix(3), three_starts, options);
    const auto two = nn::sample(language, no_prefix(2), three_starts.slice(0, 0, 2), options);
    for (std::size_t b = 0; b < 2; ++b) CHECK(three[b].tokens == two[b].tokens);
    nn::SampleOptions other = options;
    other.random = Random(2);
    const auto again = nn::sample(language, no_prefix(3), three_starts, other);
    CHECK((again[0].tokens != three[0].tokens || again[1].tokens != three[1].tokens));
    nn::SampleOptions cold = options;
    cold.temperature = 0;
    CHECK(nn::sample(language, no_prefix(3), three_starts, cold)[1].tokens ==
          nn::greedy(language, no_prefix(3), three_starts, {.end = 4, .max_length = 12})[1].tokens);
}

TEST_CASE("states and weights follow their hypotheses; nothing is recorded") {
    // The attention weights are the numbers of prefixes, which identify the tokens.
    Tape<double> tape;
    const Language language{4};
    for (const auto& sequence :
         nn::beam_search(language, no_prefix(3), three_starts,
                         {.beam = 3, .n_best = 3, .end = 0, .max_length = 6})) {
        for (const auto& hypothesis : sequence) {
            REQUIRE(hypothesis.weights.shape() == Shape{hypothesis.tokens.size(), 1});
            for (std::size_t t = 1; t < hypothesis.tokens.size(); ++t)
                CHECK(hypothesis.weights(t, 0) ==
                      language.next(hypothesis.weights(t - 1, 0), hypothesis.tokens[t - 1]));
        }
    }

    const nn::Embedding<double> embed({.vocabulary = 6, .width = 3});
    const nn::Lstm<double> lstm({.input = 3, .hidden = 4, .layers = 2});
    const nn::Linear<double> head({.input = 4, .output = 6});
    using State = nn::Lstm<double>::States;
    const auto step = [&](const State& state, const Indices& tokens) {
        auto [out, next] = lstm(expand_dims(embed(tokens), 0), state);
        return nn::Prediction<State, double>{next, log_softmax(head(select(out, 0, 0)))};
    };
    const auto zero = tape.variable(Tensor<double>::zeros({2, 3, 4}));
    const std::size_t before = tape.size();
    const auto found = nn::beam_search(step, State{zero, zero}, three_starts,
                                       {.beam = 5, .n_best = 5, .max_length = 4});
    CHECK(tape.size() == before);
    CHECK_FALSE(Tape<double>::is_paused());
    for (std::size_t b = 0; b < 3; ++b)
        for (const auto& hypothesis : found[b]) { // scored again, as one sequence
            Indices in({4, 1});
            in(0, 0) = three_starts(b);
            for (std::size_t t = 1; t < 4; ++t) in(t, 0) = hypothesis.tokens[t - 1];
            const auto p = log_softmax(head(lstm(embed(in)).output)).value();
            double sum = 0;
            for (std::size_t t = 0; t < 4; ++t) sum += p(t, 0, hypothesis.tokens[t]);
            CHECK(hypothesis.log_probability == doctest::Approx(sum).epsilon(1e-12));
        }

    const Indices parents({3}, {2, 0, 2});
    const Variable<double> x = random_tensor({2, 3, 4});
    const auto moved =
        nn::reorder(std::array{std::vector{std::array{x}}}, parents)[0][0][0].value();
    CHECK(moved.select(1, 1) == x.value().select(1, 0));
    CHECK(moved.select(1, 2) == x.value().select(1, 2));
    CHECK(contains(error_of([&] { nn::reorder(Variable<double>(1.0), parents); }),
                   "a state has shape [], expected [..., B, H]"));
}

TEST_CASE("unknown words are copied from the source position with the largest weight") {
    const std::vector<std::string> known{"je", "vois"}, source{"i", "see", "Ada"};
    const auto v = nn::Vocabulary::of(known, nn::SpecialSymbols()); // je 4, vois 5
    nn::Hypothesis<double> written;
    written.tokens = {2, 4, 1, 0, 1, 3, 5};
    CHECK(nn::words_of(written, v, source) ==
          std::vector<std::string>{"je", "<unk>", "<unk>"}); // no weights
    written.weights = Tensor<double>::zeros({7, 4});
    written.weights(1, 0) = written.weights(2, 2) = written.weights(4, 1) = 0.5;
    written.weights(4, 3) = 0.9; // padding
    CHECK(nn::words_of(written, v, source) == std::vector<std::string>{"je", "Ada", "see"});
    CHECK(nn::words_of(written, v, {}) == std::vector<std::string>{"je", "<unk>", "<unk>"});
    written.weights = Tensor<double>::zeros({7, 1}); // without attention to the words
    CHECK(nn::words_of(written, v, source) == std::vector<std::string>{"je", "<unk>", "<unk>"});
    CHECK(nn::words_of(nn::Hypothesis<double>(), v, source).empty());
}
