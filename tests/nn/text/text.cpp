#include "core/files/files.hpp"
#include "support.hpp"

#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/nn/text/batches.hpp>
#include <unroll/nn/text/text.hpp>
#include <unroll/nn/text/vocabulary.hpp>

#include <set>

using namespace test;
using nn::Tokens;
using Numbers = std::vector<std::int64_t>;

namespace {

const std::vector<Tokens> sentences{{"the", "cat", "sat"}, {"the", "dog"}, {"a", "cat", "the"}};

std::string joined(const Tokens& tokens) {
    std::string text;
    for (const auto& token : tokens) text += token + "|";
    return text;
}

std::string refused_file(const std::string& content, const nn::ColumnOptions& options = {}) {
    const Folder folder;
    put(folder / "x", content);
    const std::string message =
        refusal([&] { nn::read_columns((folder / "x").string(), options); });
    if (!message.empty()) says(message, (folder / "x").string());
    return message;
}

} // namespace

TEST_CASE("vocabularies number symbols by frequency") {
    const nn::Vocabulary v(sentences);
    CHECK(joined(v.symbols()) == "<pad>|<unk>|<s>|</s>|the|cat|a|dog|sat|");
    CHECK(v.padding() == 0);
    CHECK(v.unknown() == 1);
    CHECK(v.start() == 2);
    CHECK(v.end() == 3);
    CHECK(v.counts() == std::vector<std::size_t>{0, 0, 0, 0, 3, 2, 1, 1, 1});
    CHECK(v.number("cat") == 5);
    CHECK(v.number("bird") == 1);
    CHECK(v.symbol(8) == "sat");
    CHECK(v.encode(sentences[1]) == Numbers{4, 7});
    CHECK(v.encode(Tokens{"a", "bird"}, nn::Vocabulary::Ends::both) == Numbers{2, 6, 1, 3});
    CHECK(v.encode(Tokens{}, nn::Vocabulary::Ends::end) == Numbers{3});
    CHECK(joined(v.decode(Numbers{2, 6, 1, 0, 3, 4})) == "a|<unk>|");

    const nn::Vocabulary frequent(sentences, {.min_count = 2});
    CHECK(joined(frequent.symbols()) == "<pad>|<unk>|<s>|</s>|the|cat|");
    CHECK(frequent.counts()[1] == 3);
    const nn::Vocabulary small(sentences, {.max_size = 5});
    CHECK(small.size() == 5);
    CHECK(small.counts()[1] == 5);
    const nn::Vocabulary two(sentences, {.special = {"", "?", "", ""}});
    CHECK(two.unknown() == 0);
    CHECK(two.padding() == -1);
    CHECK(two.encode(Tokens{"x"}) == Numbers{0});

    const nn::Vocabulary characters(std::vector<Tokens>{nn::split_characters("naïve\n")});
    CHECK(characters.size() == 10);
    CHECK(characters.contains("ï"));
    CHECK(nn::Vocabulary(std::vector<Tokens>{{"<unk>", "x"}}).counts()[1] == 1);
}

TEST_CASE("vocabularies reject unknown symbols and invalid numbers") {
    const auto none = nn::SpecialSymbols::none();
    const nn::Vocabulary tags = nn::Vocabulary::of(Tokens{"O"});
    CHECK(tags.size() == 1);
    CHECK(tags.encode(Tokens{"O", "O"}) == Numbers{0, 0});
    CHECK(contains(error_of([&] {
                       tags.encode(Tokens{"O", "B-x"});
                   }),
                   "'B-x' at position 1 is not among its 1 symbols"));
    CHECK(contains(error_of([&] { tags.number("B"); }), "there is no unknown symbol"));
    CHECK(contains(error_of([&] { tags.symbol(1); }), "number 1 is outside [0, 1)"));
    CHECK(contains(error_of([&] { tags.decode(Numbers{-1}); }), "number -1 is outside"));
    CHECK(contains(error_of([&] { tags.encode(Tokens{"O"}, nn::Vocabulary::Ends::end); }),
                   "there is no end symbol"));
    CHECK(contains(error_of([&] { tags.encode(Tokens{"O"}, nn::Vocabulary::Ends::both); }),
                   "there is no start symbol"));
    CHECK(contains(error_of([] {
                       nn::Vocabulary::of(Tokens{"a", "b", "a"});
                   }),
                   "'a' occurs twice, as 0 and 2"));
    CHECK(contains(error_of([] { nn::Vocabulary::of(Tokens{""}); }), "symbol 0 is empty"));
    CHECK(contains(error_of([] { nn::Vocabulary::of(Tokens{}); }), "no symbols"));
    CHECK(contains(error_of([] { nn::Vocabulary(sentences, {.max_size = 3}); }),
                   "max_size 3 has no room for 4 special symbols"));
    CHECK(contains(error_of([&] { nn::Vocabulary(sentences, {.min_count = 9, .special = none}); }),
                   "no symbol is left of 5 that occur"));
    CHECK(contains(error_of([&] { nn::Vocabulary(sentences, {.min_count = 9}); }),
                   "no symbol is left of 5 that occur"));
    CHECK(contains(error_of([] { nn::Vocabulary(std::vector<Tokens>{}); }), "no symbol is left"));
}

TEST_CASE("vocabularies are saved and loaded") {
    const Folder folder;
    const std::string path = (folder / "v").string();
    const nn::Vocabulary v(std::vector<Tokens>{{"a", "\n", "\\n", "\r", "ï", " ", "a"}},
                           {.special = {"<pad>", "", "", "\\"}});
    v.save(path);
    const auto loaded = nn::Vocabulary::load(path);
    CHECK(loaded.symbols() == v.symbols());
    CHECK(loaded.padding() == 0);
    CHECK(loaded.unknown() == -1);
    CHECK(loaded.end() == 1);
    const auto refused = [&](const std::string& content) {
        put(path, content);
        const auto message = refusal([&] { nn::Vocabulary::load(path); });
        says(message, path);
        return message;
    };
    CHECK(contains(refused("\n\n\n"), "line 4: the file ends; expected four lines"));
    CHECK(contains(refused("\n\n\n\na\n\nb\n"), "line 6: "));
    CHECK(contains(refused("\n\n\n\na\nb\na\n"), "line 7: 'a' occurs twice"));
    CHECK(contains(refused("<p>\n<p>\n\n\na\n"), "'<p>' occurs twice"));
    CHECK(contains(refused("\n\n\n\n\\x\n"), "line 5: expected n, r or \\"));
    CHECK(contains(refused("\n\n\n\na\nb\xff\n"), "line 6: expected text in UTF-8, got byte 255"));
    CHECK(contains(refused("\n\n\n\n"), "line 5: the file ends; expected a symbol"));
}

TEST_CASE("tokenisers") {
    CHECK(joined(nn::split_whitespace("  two  words\t\n")) == "two|words|");
    CHECK(joined(nn::split_whitespace("Ça va\u202f?")) == "Ça|va|?|");
    CHECK(nn::split_whitespace(" \t").empty());
    CHECK(joined(nn::split_words("Don't stop: naïve_3 “été”… 3.5€!")) ==
          "Don|'|t|stop|:|naïve_3|“|été|”|…|3|.|5|€|!|");
    CHECK(joined(nn::split_words("日本、東京")) == "日本|、|東京|");
    CHECK(nn::split_words("").empty());
    CHECK(joined(nn::split_characters("aé 😀")) == "a|é| |😀|");
    CHECK(joined(nn::split_words("2² हिन्दी می\u200cروم，ok")) == "2|²|हिन्दी|می\u200cروم|，|ok|");
    CHECK(nn::to_lower("ABC xyz ÉŒ ΑΣ Жß 日 3") == "abc xyz éœ ασ жß 日 3");
    CHECK(contains(error_of([] { nn::to_lower("a\xff"); }), "to_lower: byte 255 at position 1"));
    CHECK(nn::join_words(Tokens{"l", "'", "été", ",", "peut", "-", "être", "."}) ==
          "l'été, peut-être.");
    CHECK(nn::join_words(Tokens{}).empty());
    for (const std::string bad : {"\x80", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                  "\xe2\x82", "\xff", "\xc3\x28", "\xf0\x80\x80\x80"}) {
        CHECK(contains(error_of([&] { nn::split_characters("ab" + bad); }),
                       "at position 2 is not UTF-8"));
        CHECK(contains(error_of([&] { nn::split_words("ab" + bad); }), "split_words: byte"));
        CHECK(contains(error_of([&] { nn::split_whitespace("ab" + bad); }), "is not UTF-8"));
    }
}

TEST_CASE("lines and sentences of files") {
    const Folder folder;
    const std::string path = (folder / "x").string();
    put(path, "\xef\xbb\xbfone two\r\n\n \nthree");
    CHECK(nn::read_lines(path) == std::vector<std::string>{"one two", "", " ", "three"});
    const auto read = nn::read_sentences(path, nn::split_whitespace);
    CHECK(read == std::vector<Tokens>{{"one", "two"}, {"three"}});
    put(path, "");
    CHECK(nn::read_lines(path).empty());
    put(path, "one\n\xc2\xa0\n\f\n");
    CHECK(nn::read_lines(path) == std::vector<std::string>{"one"});
    CHECK(nn::read_lines(path, {.blank_end = true}).size() == 3);
    put(path, "one\rtwo\r");
    CHECK(nn::read_lines(path) == std::vector<std::string>{"one", "two"});
    bool latin1 = false;
    put(path, "caf\xe9\n");
    CHECK(nn::read_lines(path, {.latin1 = &latin1}) == std::vector<std::string>{"café"});
    CHECK(latin1);
    CHECK(contains(refusal([&] { nn::read_lines(path); }), "iconv"));
    put(path, std::string("\xff\xfeo\0", 4));
    CHECK(contains(refusal([&] { nn::read_lines(path); }), "UTF-16"));
    // A line that contains only a no-break space or a form feed is blank and separates sentences.
    put(path, "a O\n\xc2\xa0\nb O\n\f\nc O\n");
    CHECK(nn::read_columns(path).size() == 3);
    put(path, "\xc2\xa0\na O\n");
    CHECK(nn::read_columns(path).size() == 1);
    put(path, std::string("good\nb\0d\n", 9));
    CHECK(contains(refusal([&] { nn::read_lines(path); }),
                   "', line 2: expected text in UTF-8, got byte 0 as character 2 of the line"));
    CHECK(contains(refusal([&] { nn::read_lines("/nowhere/x"); }), "/nowhere/x"));
}

TEST_CASE("word shapes") {
    const Tokens words{"",    "@ada",   "#AI",   "http://a.b", "B2",  "naive", "Ada",  "A",
                       "USA", "iPhone", "McRae", "naïve",      "Été", "-",     "Don't"};
    const Numbers forms{0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 8, 9, 9, 9, 6};
    CHECK(nn::word_forms(words) == forms);
    CHECK(nn::word_forms(Tokens{}).empty());
}

TEST_CASE("files of pairs") {
    const Folder folder;
    const std::string path = (folder / "x").string();
    const auto read = [&] { return nn::read_pairs(path, nn::split_words); };
    put(path, "Go.\tVa !\tCC-BY\r\nI see\tje vois");
    const auto pairs = read();
    REQUIRE(pairs.size() == 2);
    CHECK(pairs[0].source == Tokens{"Go", "."});
    CHECK(pairs[0].target == Tokens{"Va", "!"});
    CHECK(pairs[1].target == Tokens{"je", "vois"});
    const auto refused = [&](const std::string& content) {
        put(path, content);
        return refusal(read);
    };
    CHECK(contains(refused("a\tb\nno tab\n"),
                   "', line 2: expected a sentence, a tab and another sentence, in 'no tab'"));
    CHECK(contains(refused("\tb\n"), "line 1: the text before the tab is empty"));
    CHECK(contains(refused("a\t \n"), "line 1: the text after the tab is empty"));
    CHECK(contains(refused("a\tb\n\xff\n"), "line 2: expected text in UTF-8"));
    CHECK(contains(refused(""), "x' is empty"));
}

TEST_CASE("column files") {
    const Folder folder;
    const std::string path = (folder / "x").string();
    put(path, "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\nrejects VBZ I-VP O\n\n\n"
              "Peter NNP I-NP B-PER\n \t\nYes UH O O");
    auto read = nn::read_columns(path);
    REQUIRE(read.size() == 3);
    CHECK(read[0].words == Tokens{"EU", "rejects"});
    CHECK(read[0].tags == Tokens{"B-ORG", "O"});
    CHECK(read[0].line == 3);
    CHECK(read[1].words.size() == 1);
    CHECK(read[1].line == 7);
    CHECK(read[2].tags == Tokens{"O"});
    read = nn::read_columns(path, {.tag = 1});
    CHECK(read[0].tags == Tokens{"NNP", "VBZ"});
    put(path, "New York\tB-loc\n");
    CHECK(nn::read_columns(path, {.only_tabs = true})[0].words == Tokens{"New York"});

    CHECK(contains(refused_file("a O\nb\n"), "line 2: expected a word in column 0 and a tag in "
                                             "column 1, got 1 column, in 'b'"));
    CHECK(contains(refused_file("a\n"), "line 1: expected a word in column 0"));
    CHECK(contains(refused_file("a O\n", {.tag = 3}), "a tag in column 3, got 2 columns"));
    CHECK(contains(refused_file("\na x O\nb O\n"), "line 3: expected a word in column 0 and a tag "
                                                   "in column 2, got 2 columns, in 'b O'"));
    CHECK(contains(refused_file("\na O\nb x O\n"),
                   "line 3: expected 2 columns, as in line 2, got 3"));
    CHECK(contains(refused_file("a O\nb c O\n"), "line 2: expected 2 columns"));
    CHECK(contains(refused_file("a O\n\nb X\n", {.tags = {"O", "B-a"}}),
                   "line 3: unknown tag 'X', expected one of 2 such as 'O', in 'b X'"));
    CHECK(contains(refused_file("a\t\n", {.only_tabs = true}), "line 1: the tag is empty"));
    CHECK(contains(refused_file("\tO\n", {.only_tabs = true}), "line 1: the word is empty"));
    CHECK(contains(refused_file(""), "line 1: the file ends where a sentence was expected"));
    CHECK(contains(refused_file("\n\n"), "line 1: the file ends where a sentence was expected"));
    CHECK(
        contains(refused_file("a O\n\x89PNG\r\n"), "line 2: expected text in UTF-8, got byte 137"));
}

TEST_CASE("batches of one length") {
    Random random(3);
    std::vector<Numbers> sequences;
    for (std::size_t i = 0; i < 103; ++i)
        sequences.push_back(Numbers(random.below(20), static_cast<std::int64_t>(i)));
    const auto lengths = nn::lengths_of(sequences);
    const auto batches = nn::bucket_by_length(lengths, random, {.batch = 8, .pool = 100});
    CHECK(batches.size() == 13);
    std::set<std::size_t> seen;
    std::size_t filled = 0, real = 0;
    for (const auto& batch : batches) {
        const auto padded = nn::pad_sequences(sequences, batch, -7);
        CHECK(padded.numbers.shape(1) == batch.size());
        for (std::size_t b = 0; b < batch.size(); ++b) {
            seen.insert(batch[b]);
            CHECK(padded.lengths[b] == sequences[batch[b]].size());
            for (std::size_t t = 0; t < padded.numbers.shape(0); ++t)
                CHECK(padded.numbers(t, b) ==
                      (t < padded.lengths[b] ? static_cast<std::int64_t>(batch[b]) : -7));
            real += padded.lengths[b];
        }
        filled += padded.numbers.size();
    }
    CHECK(seen.size() == 103);
    CHECK(filled < 1.15 * static_cast<double>(real)); // unsorted, about twice
    Random a(1), b(1);
    CHECK(nn::bucket_by_length(lengths, a) == nn::bucket_by_length(lengths, b));
    CHECK(nn::bucket_by_length(lengths, a) != nn::bucket_by_length(lengths, b, {.batch = 16}));
    CHECK(nn::bucket_by_length({}, a).empty());
    CHECK(nn::bucket_by_length(lengths, a, {.batch = ~std::size_t{0}, .pool = 9}).size() == 1);
    CHECK(contains(error_of([&] { nn::bucket_by_length(lengths, a, {.batch = 0}); }),
                   "batch and pool must be at least 1, got 0 and 100"));

    CHECK(nn::pad_sequences(std::vector<Numbers>{}, 0).numbers.shape() == Shape{0, 0});
    CHECK(nn::pad_sequences(std::vector<Numbers>{{}}, 0).numbers.shape() == Shape{0, 1});
    CHECK(
        contains(error_of([&] { nn::pad_sequences(sequences, std::vector<std::size_t>{103}, 0); }),
                 "sequence 103 of 103"));
}

TEST_CASE("unpadding is the inverse of padding") {
    const std::vector<Numbers> sequences{{4, 5, 6}, {}, {7}};
    const auto [numbers, lengths] = nn::pad_sequences(sequences, 9);
    CHECK(nn::unpad_sequences(numbers, lengths) == sequences);
    CHECK(nn::unpad_sequences(Indices::zeros({0, 2}), {}) == std::vector<Numbers>(2));
    CHECK(nn::unpad_sequences(Indices::zeros({1, 2}), {}) == std::vector<Numbers>(2, {0}));
    const std::vector<std::size_t> wrong{1};
    CHECK(contains(error_of([&, n = numbers] { nn::unpad_sequences(n, wrong); }), "1 lengths"));
    CHECK(contains(error_of([&] { nn::unpad_sequences(Indices::zeros({2}), {}); }), "[T, B]"));
}

TEST_CASE("batches of series") {
    const std::vector<Tensor<double>> series{random_tensor({3, 2}, 1), random_tensor({0, 2}, 2),
                                             random_tensor({5, 2}, 3)};
    const auto [frames, lengths] = nn::pad_frames<double>(series);
    REQUIRE(frames.shape() == Shape{5, 3, 2});
    CHECK(lengths == std::vector<std::size_t>{3, 0, 5});
    for (std::size_t t = 0; t < 5; ++t)
        for (std::size_t b = 0; b < 3; ++b)
            for (std::size_t i = 0; i < 2; ++i)
                CHECK(frames(t, b, i) == (t < lengths[b] ? series[b](t, i) : 0));
    using Series = std::vector<Tensor<float>>;
    CHECK(nn::pad_frames<float>(Series{Tensor<float>({0, 4})}).frames.shape() == Shape{0, 1, 4});
    const auto refused = [](const Series& s) {
        return error_of([&] { nn::pad_frames<float>(s); });
    };
    CHECK(contains(refused({}), "no series"));
    CHECK(contains(refused({Tensor<float>({3})}), "shape [3], expected [T, n]"));
    CHECK(contains(refused({Tensor<float>({3, 2}), Tensor<float>({2, 3})}),
                   "[2, 3], expected [T, 2]"));
}

TEST_CASE("word dropout replaces rare words, never special symbols") {
    const nn::Vocabulary v(std::vector<Tokens>{{"a", "a", "a", "b"}});
    const std::vector<std::size_t> counts = v.counts();
    const Indices words = Indices({2, 3}, {0, 1, 2, 3, 4, 5});
    Random random(3);
    double a = 0, b = 0;
    constexpr int times = 4000;
    for (int i = 0; i < times; ++i) {
        const Indices hidden = nn::hide_rare(words, v, counts, 0.5, random);
        for (std::size_t k = 0; k < 4; ++k) REQUIRE(hidden.data()[k] == words.data()[k]);
        a += hidden(1, 1) == v.unknown() ? 1.0 / times : 0;
        b += hidden(1, 2) == v.unknown() ? 1.0 / times : 0;
    }
    CHECK(a == doctest::Approx(0.5 / 3.5).epsilon(0.1));
    CHECK(b == doctest::Approx(0.5 / 1.5).epsilon(0.1));
    CHECK(nn::hide_rare(words, v, counts, 0, random).to_vector() == words.to_vector());
    CHECK(nn::hide_rare(Indices::zeros({0, 2}), v, counts, 1, random).shape() == Shape{0, 2});
    const auto refused = [&](std::int64_t word, double u, const nn::Vocabulary& known) {
        return error_of([&] { nn::hide_rare(Indices({1}, {word}), known, counts, u, random); });
    };
    CHECK(contains(refused(6, 1, v), "number 6 is not one of the 6"));
    CHECK(contains(refused(-1, 1, v), "number -1"));
    CHECK(contains(refused(4, -1, v), "at least 0"));
    CHECK(contains(refused(0, 1, nn::Vocabulary::of(Tokens{"a"})), "no unknown symbol"));
}

TEST_CASE("padding does not change the result of a network") {
    const nn::Vocabulary v(sentences);
    nn::seed(2);
    const nn::Embedding<double> embed({.vocabulary = v.size(), .width = 3, .padding = v.padding()});
    const nn::Lstm<double> lstm({.input = 3, .hidden = 4, .bidirectional = true});
    std::vector<Numbers> numbers;
    for (const auto& sentence : sentences) numbers.push_back(v.encode(sentence));
    Tape<double> tape;
    const auto together = nn::pad_sequences(numbers, v.padding());
    const auto all = lstm(embed(together.numbers), {}, together.lengths).state[0].value();
    for (std::size_t b = 0; b < numbers.size(); ++b) {
        const auto one = nn::pad_sequences(numbers, std::vector{b}, v.padding());
        const auto alone = lstm(embed(one.numbers)).state[0].value();
        CHECK(distance(all.slice(1, b, b + 1), alone) < 1e-15);
    }
}
