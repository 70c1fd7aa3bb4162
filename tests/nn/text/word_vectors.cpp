#include "core/files/files.hpp"
#include "support.hpp"

#include <unroll/nn/initialize.hpp>
#include <unroll/nn/losses/skip_gram.hpp>
#include <unroll/nn/text/word_vectors.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <limits>

using namespace test;
using nn::Tokens;
using Vectors = nn::WordVectors<double>;

namespace {

const std::string glove = "the 0.5 -1 2e-1\ncat 1 2 3\nsat -0.25 0 4";

std::string binary(const std::string& counts, bool newlines = true) {
    const std::string end = newlines ? "\n" : "";
    return counts + "\nthe " + raw<float>({0.5f, -1, 0.25f}) + end + "a\xffz " +
           raw<float>({1, 2, 3}) + end;
}

// The error message for a file, which must name the file.
template <class Read>
std::string refused(const Read& read, const std::string& content,
                    const nn::WordVectorOptions& options = {}) {
    const Folder folder;
    const std::string path = (folder / "x").string();
    put(path, content);
    const std::string message = refusal([&] { read(path, options, Where::current()); });
    says(message, path);
    return message;
}

} // namespace

TEST_CASE("word vectors from GloVe's and word2vec's text") {
    const Folder folder;
    const std::string path = (folder / "x").string();
    const Tensor<double> values({3, 3}, {0.5, -1, 0.2, 1, 2, 3, -0.25, 0, 4});
    const std::string windows = "3 3\r\nthe 0.5 -1 0.2 \r\ncat 1\t2  3\r\nsat -0.25 0 4\r\n";
    for (const std::string& content : {glove, glove + "\n", "3 3\n" + glove, windows}) {
        put(path, content);
        const auto vectors = Vectors::read_text(path);
        CHECK(vectors.words() == Tokens{"the", "cat", "sat"});
        CHECK(vectors.vectors() == values);
        CHECK(vectors["cat"] == Tensor<double>({3}, {1, 2, 3}));
    }
    CHECK(Vectors::read_text(path, {.most = 2}).size() == 2);
    put(path, "1 2\nword 3 4\n");
    CHECK(nn::WordVectors<float>::read_text(path).width() == 2);
    put(path, "a 1 2\nb 3 4\na 5 6\n");
    CHECK(Vectors::read_text(path, {.keeps_first = true})["a"](1) == 2);
    put(path, "a 1 2\n. . . 3 4\n");
    CHECK(Vectors::read_text(path, {.has_words_with_spaces = true}).words()[1] == ". . .");
}

TEST_CASE("damaged text files of word vectors") {
    const auto refused = [](const std::string& content) {
        return ::refused(Vectors::read_text, content);
    };
    CHECK(contains(refused(""), "line 1: the file ends; expected a word and its numbers"));
    CHECK(contains(refused("a 1 2\nb 3\n"), "line 2: expected a word and 2 numbers, got 2 fields, "
                                            "in 'b 3'"));
    CHECK(contains(refused("a 1 2\nb 3 4 5\n"), "line 2: expected a word and 2 numbers, got 4"));
    CHECK(contains(refused("a 1 2\n\nb 3 4\n"), "line 2: expected a word and its numbers, got an "
                                                "empty line"));
    CHECK(contains(refused("\n"), "line 1: expected a word and its numbers, got an empty line"));
    CHECK(contains(refused("a\n"), "line 1: expected a word and its numbers, got 'a'"));
    CHECK(contains(refused("a 1 2\nb 3 x\n"), "line 2: expected a number in field 3, got 'x'"));
    CHECK(contains(refused("a 1 2\nb 3 0x1\n"), "got '0x1'"));
    CHECK(contains(refused("a 1 2\nb 3 +1\n"), "got '+1'"));
    CHECK(contains(refused("a 1 2\nb 3 nan\n"), "line 2: expected finite numbers, got 'nan'"));
    CHECK(contains(refused("a 1 inf\n"), "line 1: expected finite numbers, got 'inf'"));
    CHECK(contains(refused("a 1 1e999\n"), "line 1: expected a number in field 3, got '1e999'"));
    CHECK(contains(::refused(nn::WordVectors<float>::read_text, "a 1 1e99\n"),
                   "line 1: expected finite numbers, got '1e99'"));
    CHECK(contains(refused("a 1 2\nb 3 4\na 5 6\n"),
                   "line 3: the word 'a' is repeated, after line 1"));
    CHECK(contains(refused("3 2\na 1 2\nb 3 4\n"),
                   "line 4: expected 3 words, as the header says, got 2 when the file ends"));
    CHECK(contains(refused("1 2\na 1 2\nb 3 4\n"),
                   "line 3: expected 1 words, as the header says, got another: 'b 3 4'"));
    CHECK(contains(refused("2 3\na 1 2\nb 3 4\n"), "line 2: expected a word and 3 numbers, got 3"));
    CHECK(contains(refused("0 3\n"),
                   "line 1: expected the number of words and the width, got '0 3'"));
    CHECK(contains(refused("99999999999 18446744073709551615\na 1\n"), "line 2: "));
    CHECK(contains(::refused(Vectors::read_text, "2 18446744073709551615\na 1 2\n",
                             {.has_words_with_spaces = true}),
                   "line 2: "));
    CHECK(contains(refused(std::string("a 1 2\nb\0 3 4\n", 13)), "line 2: expected text, got a"));
    CHECK(contains(refused(std::string("\x89PNG\r\n\x1a\n\0\0", 10)), "line 1: "));
    CHECK(contains(refusal([] { Vectors::read_text("/nowhere/x"); }), "/nowhere/x"));
    // Truncated anywhere but at the last few bytes, a file with a header is incomplete.
    const std::string good = "2 2\nab 1 2\nc 3 44\n";
    for (std::size_t n = 0; n < good.size() - 2; ++n) {
        CAPTURE(n);
        refused(good.substr(0, n));
    }
}

TEST_CASE("word vectors from word2vec's binary files") {
    const Folder folder;
    const std::string path = (folder / "x").string();
    for (const bool newlines : {false, true}) {
        put(path, binary("2 3", newlines));
        const auto vectors = Vectors::read_binary(path);
        CHECK(vectors.words() == Tokens{"the", "a\xffz"});
        CHECK(vectors.vectors() == Tensor<double>({2, 3}, {0.5, -1, 0.25, 1, 2, 3}));
        CHECK(Vectors::read_binary(path, {.most = 1}).size() == 1);
        damage(binary("2 3", newlines), [](const Path& p) { Vectors::read_binary(p.string()); });
    }
    const auto refused = [](const std::string& content) {
        return ::refused(Vectors::read_binary, content);
    };
    CHECK(contains(refused(""), "line 1: expected the number of words and the width, got ''"));
    CHECK(contains(refused("2 3"), "line 1: expected the number of words"));
    CHECK(contains(refused("2 3 4\n"), "line 1: expected the number of words"));
    CHECK(contains(refused("-2 3\n"), "line 1: expected the number of words"));
    CHECK(contains(refused("0 3\n"), "line 1: expected the number of words"));
    CHECK(contains(refused(glove), "line 1: expected the number of words"));
    CHECK(contains(refused(binary("3 3")), "word 3, byte 38: expected 3 words, as the header says, "
                                           "got 2 when the file ends"));
    CHECK(contains(refused(binary("1 3")), "expected 1 words, as the header says, got 17 more "
                                           "bytes"));
    CHECK(contains(refused(binary("2 4")), "word 2"));
    CHECK(contains(refused(binary("2 18446744073709551615")), "word 1, byte 27: expected "
                                                              "18446744073709551615 numbers"));
    CHECK(contains(refused(binary("18446744073709551615 3")), "got 2 when the file ends"));
    const std::string nan = raw<float>({std::numeric_limits<float>::quiet_NaN()});
    CHECK(contains(refused("1 1\na " + nan), "expected finite numbers, got 'NaN'"));
    CHECK(contains(refused("2 1\na " + raw<float>({1}) + "a " + raw<float>({1})),
                   "the word 'a' is repeated, after number 1"));
    CHECK(contains(refused("1 1\n " + raw<float>({1})), "expected a word, got a space"));
}

TEST_CASE("word vectors: round trip") {
    const Folder folder;
    const std::string path = (folder / "x").string();
    const nn::WordVectors<float> vectors(Tokens{"a", "ï", "3"}, random_tensor<float>({3, 5}));
    vectors.write_text(path);
    auto again = nn::WordVectors<float>::read_text(path);
    CHECK(again.words() == vectors.words());
    CHECK(again.vectors() == vectors.vectors());
    vectors.write_binary(path);
    again = nn::WordVectors<float>::read_binary(path);
    CHECK(again.words() == vectors.words());
    CHECK(again.vectors() == vectors.vectors());
    const nn::WordVectors<float> spaced(Tokens{"a b"}, random_tensor<float>({1, 5}));
    CHECK(contains(refusal([&] { spaced.write_text(path); }), "'a b' with white space"));
    CHECK(contains(refusal([&] { spaced.write_binary(path); }), "'a b' with white space"));
}

TEST_CASE("neighbours and analogies") {
    const Vectors v(
        Tokens{"king", "man", "woman", "queen", "apple", "zero"},
        Tensor<double>({6, 3}, {2, 2, 0, 0, 3, 0, 0, 2, 1, 2, 2, 1.4, -1, 0, 5, 0, 0, 0}));
    const auto near = v.nearest("king", 2);
    REQUIRE(near.size() == 2);
    CHECK(near[0].word == "queen");
    CHECK(near[0].cosine == doctest::Approx(8 / (std::sqrt(8.0) * std::sqrt(9.96))));
    CHECK(near[1].word == "man");
    CHECK(v.analogy("man", "king", "woman")[0].word == "queen");
    CHECK(v.nearest(Tensor<double>({3}, {0, 0, 7}), 1)[0].word == "apple");
    CHECK(v.nearest("king", 100).size() == 5);
    for (const auto& [word, cosine] : v.nearest("king", 100))
        CHECK(v.similarity("king", word) == doctest::Approx(cosine));
    CHECK(v.similarity("king", "king") == doctest::Approx(1));
    CHECK(contains(refusal([&] { v.similarity("king", "prince"); }), "'prince'"));
    CHECK(v.nearest("zero", 1)[0].cosine == 0);
    CHECK(v.nearest("king", 0).empty());
    CHECK(v.analogy("man", "man", "man", 9).size() == 5);
    CHECK(Vectors(Tokens{"one"}, Tensor<double>({1, 1}, {2})).nearest("one").empty());
    CHECK(contains(refusal([&] { v.nearest("prince"); }), "there is no vector for 'prince'"));
    CHECK(contains(refusal([&] { v.analogy("king", "prince", "man"); }), "'prince'"));
    CHECK(contains(refusal([&] { v["x"]; }), "'x'"));
    CHECK(contains(refusal([&] {
                       v.nearest(Tensor<double>({2}, {1, 2}));
                   }),
                   "a vector has shape [2], expected [3]"));
    CHECK(contains(refusal([] {
                       Vectors(Tokens{"a"}, random_tensor({2, 2}));
                   }),
                   "vectors have shape [2, 2], expected [1, width]"));
    CHECK(contains(refusal([] { Vectors(Tokens{}, random_tensor({1, 2})); }), "no symbols"));
    CHECK(contains(refusal([] {
                       Vectors(Tokens{"a", "a"}, random_tensor({2, 2}));
                   }),
                   "'a' occurs twice"));
    CHECK(contains(refusal([] {
                       Vectors(Tokens{"a"}, Tensor<double>({1, 1}, {std::nan("")}));
                   }),
                   "is not finite"));
}

TEST_CASE("a loaded embedding, frozen or tuned") {
    const Vectors v(Tokens{"the", "cat"}, Tensor<double>({2, 2}, {1, 2, 3, 5}));
    const nn::Vocabulary words(std::vector<Tokens>{{"The", "cat", "dog"}});
    const auto [rows, found] = v.rows_for(words, Random(1));
    CHECK(found == 2);
    const auto row = [&](const std::string& word) {
        return rows.select(0, static_cast<std::size_t>(words.number(word))).to_vector();
    };
    CHECK(row("The") == std::vector<double>{1, 2});
    CHECK(row("cat") == std::vector<double>{3, 5});
    CHECK(row("<pad>") == std::vector<double>{0, 0});
    CHECK(std::abs(row("dog")[0]) > 0);
    CHECK(v.rows_for(words, Random(1)).rows == rows);

    nn::Embedding<double> embed(rows, words.padding());
    const Indices x({2}, {words.number("cat"), words.padding()});
    for (const bool tuned : {false, true}) {
        embed.weight.set_trainable(tuned);
        Tape<double> tape;
        const auto w = tape.variable(Tensor<double>::ones({2}));
        tape.backward(sum(embed(x) * w));
        CHECK(tape.gradient(w) == Tensor<double>({2}, {3, 5}));
        CHECK(embed.weight.has_gradient() == tuned);
    }
    const auto g = embed.weight.gradient();
    CHECK(sum(Variable<double>(g)).item() == 2);
    // Products of one-hot rows with the table are rows of the table.
    CHECK(one_hot<double>(x, words.size()).shape() == Shape{2, words.size()});
}

TEST_CASE("the loss of skip-gram with negative sampling") {
    nn::SkipGram<double> model({.vocabulary = 6, .width = 4});
    for (auto& entry : parameters(model))
        entry.change().assign(random_tensor({6, 4}, entry.path.size()));
    const Indices centres({3}, {0, 5, 0}), contexts({3}, {1, 0, 1});
    const Indices negatives({3, 2}, {2, 3, 3, 3, 5, 0});
    const auto loss = [&](const auto&) { return model.loss(centres, contexts, negatives); };
    Tape<double> tape;
    double expected = 0;
    const auto& v = model.centre.weight.value();
    const auto& u = model.context.weight.value();
    const auto score = [&](std::int64_t word, std::int64_t centre) {
        double dot = 0;
        for (int i = 0; i < 4; ++i) dot += u(word, i) * v(centre, i);
        return dot;
    };
    for (int i = 0; i < 3; ++i) {
        expected += std::log1p(std::exp(-score(contexts(i), centres(i)))) / 3;
        for (int k = 0; k < 2; ++k)
            expected += std::log1p(std::exp(score(negatives(i, k), centres(i)))) / 3;
    }
    CHECK(loss(0).item() == doctest::Approx(expected).epsilon(1e-12));
    for (const int order : {1, 2}) CHECK(gradcheck(loss, {}, parameters(model), {.order = order}));
    CHECK(contains(error_of([&] { model.loss(centres, contexts, centres); }),
                   "negatives [3]; expected [N], [N] and [N, K]"));
    CHECK(contains(error_of([&] {
                       model.loss(Indices({3}, {0, 6, 0}), contexts, negatives);
                   }),
                   "index 6 at position 1 is outside [0, 6)"));
}

TEST_CASE("noise, pairs and subsampling") {
    const std::vector<std::size_t> counts{16, 0, 1, 81};
    const nn::NoiseTable noise(counts);
    CHECK(noise.probability(0) == doctest::Approx(8.0 / 36));
    CHECK(noise.probability(1) == 0);
    CHECK(noise.probability(3) == doctest::Approx(27.0 / 36));
    Random random(4);
    std::vector<double> drawn(4, 0);
    for (int i = 0; i < 36000; ++i) drawn[static_cast<std::size_t>(noise.draw(random))] += 1;
    CHECK(drawn[0] == doctest::Approx(8000).epsilon(0.04));
    CHECK(drawn[1] == 0);
    CHECK(drawn[2] == doctest::Approx(1000).epsilon(0.12));
    const auto beside = noise.draw_beside(Indices({2}, {3, 0}), 50, random);
    CHECK(beside.shape() == Shape{2, 50});
    for (int i = 0; i < 50; ++i) {
        CHECK(beside(0, i) != 3);
        CHECK(beside(1, i) != 0);
    }
    for (const auto& bad : std::vector<std::vector<std::size_t>>{{}, {5}, {0, 5}, {0, 0}})
        CHECK(contains(error_of([&] { nn::NoiseTable table(bad); }),
                       "at least two words with a comparable weight are needed"));
    CHECK(contains(error_of([&] { nn::NoiseTable table(counts, 1e9); }), "at least two words"));
    CHECK(contains(error_of([&] { noise.probability(4); }), "word 4 is outside [0, 4)"));

    const std::vector<std::int64_t> text{1, 2, 3, 4};
    const auto near = nn::skip_gram_pairs(text, 1, random);
    CHECK(near.centres == Indices({6}, {1, 2, 2, 3, 3, 4}));
    CHECK(near.contexts == Indices({6}, {2, 1, 3, 2, 4, 3}));
    const auto far = nn::skip_gram_pairs(text, 100, random);
    CHECK(far.centres.size() <= 12);
    CHECK(nn::skip_gram_pairs(std::vector<std::int64_t>{7}, 2, random).centres.size() == 0);
    CHECK(contains(error_of([&] { nn::skip_gram_pairs(text, 0, random); }), "at least 1"));

    const std::vector<std::int64_t> many(10000, 0);
    const std::vector<std::size_t> shares{9900, 100};
    CHECK(nn::subsample(many, shares, 0.0099, random).size() == doctest::Approx(1000).epsilon(0.1));
    CHECK(nn::subsample(std::vector<std::int64_t>(50, 1), shares, 0.01, random).size() == 50);
    CHECK(contains(error_of([&] { nn::subsample(many, shares, 0, random); }), "above 0"));
    CHECK(contains(error_of([&] { nn::subsample(text, shares, 1, random); }),
                   "word 2 at position 1 has no count; there are counts of 2 words"));
}

TEST_CASE("skip-gram learns which words occur together") {
    // Two topics whose words never occur together.
    const std::vector<Tokens> topics{{"cat", "dog", "cow", "pig"}, {"one", "two", "six", "ten"}};
    Random random(7);
    std::vector<Tokens> sentences;
    for (int i = 0; i < 200; ++i) {
        sentences.emplace_back();
        for (int j = 0; j < 6; ++j)
            sentences.back().push_back(topics[static_cast<std::size_t>(i % 2)][random.below(4)]);
    }
    const nn::Vocabulary words(sentences, {.special = nn::SpecialSymbols::none()});
    const nn::NoiseTable noise(words.counts());
    nn::seed(3);
    nn::SkipGram<float> model({.vocabulary = words.size(), .width = 8});
    Tape<float> tape;
    for (int epoch = 0; epoch < 4; ++epoch)
        for (const auto& sentence : sentences) {
            const auto pairs = nn::skip_gram_pairs(words.encode(sentence), 3, random);
            tape.clear();
            const auto loss = model.loss(pairs.centres, pairs.contexts,
                                         noise.draw_beside(pairs.contexts, 5, random));
            tape.backward(loss);
            for (auto& p : parameters(model)) {
                auto& value = p.change();
                for (std::size_t i = 0; i < value.size(); ++i)
                    value.data()[i] -= 0.5f * p.gradient().data()[i];
                p.clear_gradient();
            }
        }
    const auto vectors = model.vectors(words);
    for (std::size_t t = 0; t < 2; ++t)
        for (const auto& word : topics[t])
            for (const auto& neighbour : vectors.nearest(word, 3))
                CHECK(std::find(topics[t].begin(), topics[t].end(), neighbour.word) !=
                      topics[t].end());
}
