#include "support.hpp"

#include <unroll/nn/text/metrics.hpp>
#include <unroll/nn/text/text_metrics.hpp>

using namespace test;
using nn::Tokens;

namespace {

Tokens words(const std::string& text) {
    Tokens found(1);
    for (const char c : text) {
        if (c == ' ')
            found.emplace_back();
        else
            found.back() += c;
    }
    return text.empty() ? Tokens() : found;
}

std::string chunks(const std::string& tags) {
    std::string text;
    for (const auto& e : nn::entities(words(tags)))
        text += e.type + ":" + std::to_string(e.begin) + "-" + std::to_string(e.end) + " ";
    return text;
}

double bleu(const std::string& candidate, const std::vector<std::string>& references,
            std::size_t order = 4, nn::Bleu::Smoothing smoothing = nn::Bleu::Smoothing::none) {
    nn::Bleu bleu(order, smoothing);
    std::vector<Tokens> all;
    for (const auto& reference : references) all.push_back(words(reference));
    bleu.add(words(candidate), all);
    return bleu.score();
}

std::size_t letters(const std::string& a, const std::string& b) {
    const auto split = [](const std::string& text) {
        return std::vector<std::int64_t>(text.begin(), text.end());
    };
    return nn::edit_distance(split(a), split(b));
}

} // namespace

TEST_CASE("confusion matrix, accuracy, precision, recall and F1") {
    // Class 0: 3 correct, 4 predicted, 5 actual; 1: 1, 3, 2; 2: 0, 1, 1; 3: none.
    const Indices y({2, 5}, {0, 0, 0, 0, 0, 1, 1, 2, -100, -100});
    const Indices p({2, 5}, {0, 0, 0, 1, 2, 1, 0, 1, 0, 99});
    nn::ConfusionMatrix m(4);
    m.add(y, p);
    CHECK(m.total() == 8);
    CHECK(m.count(0, 1) == 1);
    CHECK(m.count(2, 1) == 1);
    CHECK(m.accuracy() == 0.5);
    CHECK(nn::accuracy(y, p) == 0.5);
    CHECK(m.of_class(0).precision == 0.75);
    CHECK(m.of_class(0).recall == 0.6);
    CHECK(m.of_class(0).f1 == doctest::Approx(2 * 0.75 * 0.6 / 1.35));
    CHECK(m.of_class(1).f1 == doctest::Approx(0.4));
    CHECK(m.of_class(2).f1 == 0);
    CHECK(m.of_class(3).precision == 0);
    CHECK(m.micro().f1 == 0.5);
    CHECK(m.micro().precision == 0.5);
    CHECK(m.macro().f1 == doctest::Approx((2 * 0.75 * 0.6 / 1.35 + 0.4 + 0) / 3));
    CHECK(m.macro().recall == doctest::Approx((0.6 + 0.5 + 0) / 3));
    const std::vector<std::size_t> other{0};
    CHECK(m.micro(other).precision == 0.25);
    CHECK(m.micro(other).recall == doctest::Approx(1.0 / 3));
    CHECK(m.macro(other).f1 == doctest::Approx(0.2));
    const Tokens names{"a", "b", "c", "d"};
    CHECK(m.table(names).text() == "target  a  b  c  d\n"
                                   "a       3  1  1  0\n"
                                   "b       1  1  0  0\n"
                                   "c       0  1  0  0\n"
                                   "d       0  0  0  0\n");
    const nn::ConfusionMatrix empty(2);
    CHECK(empty.accuracy() == 0);
    CHECK(empty.macro().f1 == 0);
    CHECK(nn::accuracy(Indices(Shape{0}), Indices(Shape{0})) == 0);

    const auto refused = [&](const Indices& targets, const Indices& predicted) {
        return error_of([&] { m.add(targets, predicted); });
    };
    CHECK(contains(refused(Indices({2}, {0, 0}), Indices({1}, {0})),
                   "targets have shape [2], predictions [1]"));
    CHECK(contains(refused(Indices({2}, {0, 0}), Indices({2}, {0, 4})),
                   "target 0 and prediction 4 at position 1; classes are in [0, 4)"));
    CHECK(contains(refused(Indices({1}, {-1}), Indices({1}, {0})), "target -1"));
    CHECK(m.total() == 8);
    CHECK(contains(error_of([] { nn::ConfusionMatrix(0); }), "at least one class"));
    CHECK(contains(error_of([&] { m.table(Tokens{"a"}); }), "1 names for 4 classes"));
    CHECK(contains(error_of([&] { m.count(4, 0); }), "no cell [4, 0]"));
}

TEST_CASE("entities are chunked as conlleval does") {
    CHECK(chunks("O B-per I-per O") == "per:1-3 ");
    CHECK(chunks("B-per B-per I-per") == "per:0-1 per:1-3 ");
    CHECK(chunks("B-per I-loc") == "per:0-1 loc:1-2 ");
    CHECK(chunks("I-per I-per O I-per") == "per:0-2 per:3-4 "); // IOB1
    CHECK(chunks("I-per B-per") == "per:0-1 per:1-2 ");         // IOB1
    CHECK(chunks("B-loc") == "loc:0-1 ");
    CHECK(chunks("B I O I") == ":0-2 :3-4 ");
    CHECK(chunks("B-creative-work I-creative-work") == "creative-work:0-2 ");
    CHECK(chunks("O O") == "");
    CHECK(chunks("") == "");
    for (const std::string bad : {"X-per", "S-per", "B-", "Bper", "per", "<pad>"})
        CHECK(contains(error_of([&] { chunks("O " + bad); }),
                       "tag '" + bad + "' at position 1; expected O, B-type or I-type"));
    CHECK(contains(error_of([] { nn::entities(Tokens{""}); }), "tag '' at position 0"));
}

TEST_CASE("entity-level precision, recall and F1") {
    nn::EntityScores scores;
    const auto add = [&](const std::string& targets, const std::string& predicted) {
        scores.add(words(targets), words(predicted));
    };
    // Actual: per 0-2, loc 3-4, org 5-6. Predicted: per 0-2, loc 3-5 (too long), per 5-6 (not org).
    add("B-per I-per O B-loc O B-org", "B-per I-per O B-loc I-loc B-per");
    add("B-loc B-loc", "I-loc B-loc"); // the same chunks in another notation
    add("O", "B-misc");
    CHECK(scores.overall().precision == doctest::Approx(3.0 / 6));
    CHECK(scores.overall().recall == doctest::Approx(3.0 / 5));
    CHECK(scores.overall().f1 == doctest::Approx(6.0 / 11));
    CHECK(scores.of_type("per").precision == 0.5);
    CHECK(scores.of_type("per").recall == 1);
    CHECK(scores.of_type("org").f1 == 0);
    CHECK(scores.of_type("none").f1 == 0);
    CHECK(scores.types() == Tokens{"loc", "misc", "org", "per"});
    CHECK(scores.token_accuracy() == doctest::Approx(5.0 / 9));
    CHECK(contains(scores.table().text(),
                   "(all)       5          6        3      50.00   60.00  54.55"));
    CHECK(contains(error_of([&] { add("O O", "O"); }), "2 target tags and 1 predicted ones"));
    CHECK(contains(error_of([&] { add("O O", "O X"); }), "tag 'X' at position 1"));
    CHECK(scores.overall().recall == doctest::Approx(3.0 / 5));
    CHECK(nn::EntityScores().overall().f1 == 0);
}

TEST_CASE("perplexity and bits per character") {
    CHECK(nn::perplexity(10 * std::log(7.0), 10) == doctest::Approx(7));
    CHECK(nn::bits_per_character(12 * std::log(2.0), 4) == doctest::Approx(3));
    CHECK(contains(error_of([] { nn::perplexity(1, 0); }), "there are no tokens"));
    CHECK(contains(error_of([] { nn::bits_per_character(1, 0); }), "there are no characters"));
}

TEST_CASE("BLEU") {
    // The examples of Papineni et al.: seven of "the", of which two are in one reference; and the
    // two candidates for one sentence.
    CHECK(bleu("the the the the the the the",
               {"the cat is on the mat", "there is a cat on the mat"},
               1) == doctest::Approx(2.0 / 7));
    const std::vector<std::string> references{
        "It is a guide to action that ensures that the military will forever heed Party commands",
        "It is the guiding principle which guarantees the military forces always being under the "
        "command of the Party",
        "It is the practical guide for the army always to heed the directions of the party"};
    const std::string first =
        "It is a guide to action which ensures that the military always obeys the commands of the "
        "party";
    CHECK(bleu(first, references, 1) == doctest::Approx(17.0 / 18));
    CHECK(bleu(first, references, 2) == doctest::Approx(std::sqrt(17.0 / 18 * 10.0 / 17)));
    CHECK(bleu(first, references) ==
          doctest::Approx(std::pow(17.0 / 18 * 10.0 / 17 * 7.0 / 16 * 4.0 / 15, 0.25)));
    CHECK(bleu("a b c d e", {"a b c d e"}) == 1);
    CHECK(bleu("a b c d", {"a b c d e"}) == doctest::Approx(std::exp(1 - 5.0 / 4)));
    // The reference closest in length counts, the shorter one on ties.
    CHECK(bleu("a b c d", {"a b c d e f", "a b c d e"}) == doctest::Approx(std::exp(1 - 5.0 / 4)));
    CHECK(bleu("a b c d", {"a b c d e", "a b c"}) == 1);
    CHECK(bleu("a b c", {"a b c"}) == 0); // no four words
    CHECK(bleu("a b c x", {"a b c y"}) == 0);
    // (3 + 0)/4 by one word, (2 + 1)/(3 + 1), (1 + 1)/(2 + 1), (0 + 1)/(1 + 1)
    CHECK(bleu("a b c x", {"a b c y"}, 4, nn::Bleu::Smoothing::add_one) ==
          doctest::Approx(std::pow(3.0 / 4 * 3.0 / 4 * 2.0 / 3 * 1.0 / 2, 0.25)));
    CHECK(bleu("", {"a b"}) == 0);
    CHECK(nn::Bleu().score() == 0);

    // Counts are summed over the corpus before the division.
    nn::Bleu corpus(2);
    corpus.add(words("a b c"), std::vector<Tokens>{words("a b d e")});
    corpus.add(words("x y"), std::vector<Tokens>{words("x y")});
    CHECK(corpus.precision(1) == doctest::Approx(4.0 / 5));
    CHECK(corpus.precision(2) == doctest::Approx(2.0 / 3));
    CHECK(corpus.brevity_penalty() == doctest::Approx(std::exp(1 - 6.0 / 5)));
    CHECK(corpus.score() == doctest::Approx(std::exp(-0.2) * std::sqrt(8.0 / 15)));
    CHECK(contains(error_of([&] { corpus.add(words("a"), {}); }), "at least one reference"));
    CHECK(contains(error_of([&] { corpus.precision(3); }), "no precision of 3-grams"));
    CHECK(contains(error_of([] { nn::Bleu(0); }), "order must be at least 1"));
}

TEST_CASE("edit distance") {
    CHECK(letters("kitten", "sitting") == 3);
    CHECK(letters("", "abc") == 3);
    CHECK(letters("abc", "") == 3);
    CHECK(letters("", "") == 0);
    CHECK(letters("flaw", "lawn") == 2);
    CHECK(nn::edit_distance(words("the cat sat"), words("the big cat sits")) == 2);
}

TEST_CASE("errors of forecasts") {
    const Tensor<double> y({4}, {1, 2, -4, 10}), p({4}, {2, 2, -2, 5});
    CHECK(nn::root_mean_squared_error(y, p) == doctest::Approx(std::sqrt(30.0 / 4)));
    CHECK(nn::mean_absolute_error(y, p) == 2);
    CHECK(nn::mean_absolute_percentage_error(y, p) == doctest::Approx((1 + 0 + 0.5 + 0.5) / 4));
    CHECK(nn::correlation(y, y) == doctest::Approx(1));
    CHECK(nn::correlation(y, Tensor<double>({4}, {3, 3, 3, 3})) == 0);
    // By the definition, for deviations -1 0 1 and 1 1 -2 from the means.
    CHECK(nn::correlation(Tensor<double>({3}, {4, 5, 6}), Tensor<double>({3}, {8, 8, 5})) ==
          doctest::Approx(-3 / std::sqrt(2.0 * 6.0)));
    CHECK(contains(error_of([&] { nn::correlation(y, y.slice(0, 0, 2)); }), "correlation"));
    CHECK(contains(error_of([&] { nn::mean_absolute_error(y, y.slice(0, 0, 2)); }),
                   "mean_absolute_error: targets have shape [4], predictions [2]"));
    CHECK(contains(
        error_of([&] { nn::mean_absolute_percentage_error(Tensor<double>::zeros({4}), p); }),
        "the target at position 0 is 0"));
    CHECK(contains(error_of([] {
                       nn::root_mean_squared_error(Tensor<float>(Shape{0}),
                                                   Tensor<float>(Shape{0}));
                   }),
                   "there are no targets"));
}
