#include "support.hpp"

#include <unroll/nn/initialize.hpp>
#include <unroll/nn/recurrent/character_lstm.hpp>
#include <unroll/nn/text/text.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

using namespace test;
using nn::Tokens;

namespace {

const nn::Vocabulary letters(std::vector<Tokens>{nn::split_characters("abcé")});
const std::vector<Tokens> sentences{{"ab", "é", "cab", "ab"}, {}, {"zé", "", "cab"}};

nn::CharacterLstm<double> spelling(std::size_t most = 0, double dropout = 0) {
    nn::seed(4);
    return nn::CharacterLstm<double>(
        {.characters = letters, .width = 3, .hidden = 2, .most = most, .dropout = dropout});
}

// The final states of both directions for a single word.
std::vector<double> alone(const nn::CharacterLstm<double>& spell, const std::string& word) {
    Tape<double> tape;
    const auto numbers = letters.encode(nn::split_characters(word));
    const Indices column({numbers.size(), 1}, std::span<const std::int64_t>(numbers));
    const auto h = spell.read(spell.characters(column)).output.value();
    const std::size_t last = numbers.size() - 1;
    return {h(last, 0, 0), h(last, 0, 1), h(0, 0, 2), h(0, 0, 3)};
}

} // namespace

TEST_CASE("words are embedded independently, and padding gives zeros") {
    const auto spell = spelling();
    Tape<double> tape;
    const auto y = spell(sentences).value();
    REQUIRE(y.shape() == Shape{4, 3, 4});
    CHECK(spell.output_width() == 4);
    for (std::size_t b = 0; b < sentences.size(); ++b)
        for (std::size_t t = 0; t < 4; ++t) {
            const bool is_there = t < sentences[b].size() && !sentences[b][t].empty();
            const auto expected =
                is_there ? alone(spell, sentences[b][t]) : std::vector<double>(4, 0.0);
            for (std::size_t i = 0; i < 4; ++i)
                CHECK(y(t, b, i) == doctest::Approx(expected[i]).epsilon(1e-12));
        }
    const auto cut = spelling(2)(std::vector<Tokens>{{"cabab", "ca"}}).value();
    for (std::size_t i = 0; i < 4; ++i) CHECK(cut(0, 0, i) == cut(1, 0, i));
}

TEST_CASE("character LSTM: empty words give zeros, invalid words are rejected") {
    const auto spell = spelling();
    Tape<double> tape;
    CHECK(spell(std::vector<Tokens>{}).shape() == Shape{0, 0, 4});
    CHECK(spell(std::vector<Tokens>{{}, {}}).shape() == Shape{0, 2, 4});
    CHECK(sum(square(spell(std::vector<Tokens>{{""}}))).item() == 0);
    CHECK(contains(error_of([&] { spell(std::vector<Tokens>{{"a\xff"}}); }), "not UTF-8"));
    const nn::CharacterLstm<double> few(
        {.characters = nn::Vocabulary::of(Tokens{"a"}), .width = 2, .hidden = 2});
    CHECK(few(std::vector<Tokens>{{"aa", "a"}, {"a"}}).shape() == Shape{2, 2, 4});
    CHECK(contains(error_of([&] { few(std::vector<Tokens>{{"ab"}}); }), "'b' at position 1"));
}

TEST_CASE("gradients of character LSTM embeddings") {
    for (const double dropout : {0.0, 0.3}) {
        auto spell = spelling(0, dropout);
        for (const int order : {1, 2}) {
            const auto report =
                gradcheck([&](const auto&) { return sum(square(spell(sentences))); }, {},
                          parameters(spell), {.order = order});
            CHECK_MESSAGE(report, report.text());
        }
    }
}
