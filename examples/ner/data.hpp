#pragma once

#include "../common/fields.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace ner {

using namespace unroll;

// What a model knows of symbols: words in small letters with 0 for every digit, characters as they
// are.
struct Vocabularies {
    nn::Vocabulary words = example::no_words(), characters = words, tags = words;

    void fields(example::Fields& f) {
        f.stored("words", words).stored("characters", characters);
        f.stored("tags", tags, nn::SpecialSymbols::none());
    }
};

inline std::string plain(const std::string& word) {
    std::string small = nn::to_lower(word);
    std::replace_if(
        small.begin(), small.end(), [](char c) { return c >= '0' && c <= '9'; }, '0');
    return small;
}

// How a word is written: 0 is for padding.
constexpr std::size_t shapes = 10;

inline std::int64_t shape_of(const std::string& word) {
    const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
    const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (word[0] == '@') return 1;
    if (word[0] == '#') return 2;
    if (word.starts_with("http")) return 3;
    if (std::any_of(word.begin(), word.end(), digit)) return 4;
    if (std::all_of(word.begin(), word.end(), lower)) return 5;
    if (upper(word[0]) && std::none_of(word.begin() + 1, word.end(), upper)) return 6;
    if (std::all_of(word.begin(), word.end(), upper)) return 7;
    return std::any_of(word.begin(), word.end(), upper) ? 8 : 9;
}

inline Vocabularies vocabularies_of(const std::vector<nn::TaggedSentence>& sentences) {
    std::vector<nn::Tokens> words, characters, tags;
    for (const auto& sentence : sentences) {
        tags.push_back(sentence.tags);
        for (const auto& word : sentence.words) {
            words.push_back({plain(word)});
            characters.push_back(nn::split_characters(word));
        }
    }
    return {nn::Vocabulary(words), nn::Vocabulary(characters),
            nn::Vocabulary(tags, {.special = nn::SpecialSymbols::none()})};
}

struct Sentence {
    std::vector<std::int64_t> words, shapes, tags;
    std::vector<std::vector<std::int64_t>> characters;

    std::size_t size() const { return words.size(); }
};

// Without tags where there are none. Long words, which are addresses, are cut.
inline Sentence encode(const nn::Tokens& words, const nn::Tokens& tags, const Vocabularies& v) {
    constexpr std::size_t longest = 20;
    Sentence s;
    s.tags = v.tags.encode(tags);
    for (const auto& word : words) {
        s.words.push_back(v.words.number(plain(word)));
        s.shapes.push_back(shape_of(word));
        auto& letters = s.characters.emplace_back(v.characters.encode(nn::split_characters(word)));
        if (letters.size() > longest) letters.resize(longest);
    }
    return s;
}

// `path` is named where a tag was not learned.
inline std::vector<Sentence> encode(const std::vector<nn::TaggedSentence>& sentences,
                                    const Vocabularies& v, const std::string& path = "") {
    for (const auto& sentence : sentences)
        for (std::size_t i = 0; i < sentence.tags.size(); ++i)
            if (!v.tags.contains(sentence.tags[i]))
                nn::refuse_line("ner", path, sentence.line + i,
                                "the tag " + nn::quoted(sentence.tags[i]) + " was not learned");
    std::vector<Sentence> all;
    for (const auto& sentence : sentences) all.push_back(encode(sentence.words, sentence.tags, v));
    return all;
}

// Sentences side by side. Words are spelled once each: `place` leads from a step to its spelling.
struct Batch {
    nn::PaddedBatch words;       // [T, B]
    nn::PaddedBatch spelling;    // [characters, different words]
    Indices place, shapes, tags; // [T, B]; tags of padding are not to be looked at
};

inline Batch make_batch(const std::vector<Sentence>& sentences, std::span<const std::size_t> which,
                        std::int64_t padding = 0) {
    Batch batch;
    std::vector<std::vector<std::int64_t>> words, spellings(1); // the first: of padding, empty
    std::map<std::vector<std::int64_t>, std::int64_t> numbers;
    for (const std::size_t s : which) words.push_back(sentences[s].words);
    batch.words = nn::pad_sequences(words, padding);
    batch.place = Indices::zeros(batch.words.numbers.shape());
    batch.shapes = batch.place.copy();
    batch.tags = batch.place.copy();
    for (std::size_t b = 0; b < which.size(); ++b) {
        const Sentence& s = sentences[which[b]];
        for (std::size_t t = 0; t < s.size(); ++t) {
            const auto [found, is_new] =
                numbers.try_emplace(s.characters[t], static_cast<std::int64_t>(spellings.size()));
            if (is_new) spellings.push_back(s.characters[t]);
            batch.place(t, b) = found->second;
            batch.shapes(t, b) = s.shapes[t];
            if (!s.tags.empty()) batch.tags(t, b) = s.tags[t];
        }
    }
    batch.spelling = nn::pad_sequences(spellings, 0);
    return batch;
}

// Persons and places among other words; the same names with and without what tells them.
inline std::vector<nn::TaggedSentence> made_up() {
    std::vector<nn::TaggedSentence> all;
    const nn::Tokens persons{"Teddy", "Ada", "Grace", "Alan"}, family{"Roosevelt", "Lovelace"},
        places{"London", "Paris", "Rome"};
    for (const auto& first : persons) {
        for (const auto& last : family)
            all.push_back({{"He", "met", first, last, "today", "."},
                           {"O", "O", "B-person", "I-person", "O", "O"},
                           1});
        for (const auto& place : places)
            all.push_back({{first, "lives", "in", place}, {"B-person", "O", "O", "B-location"}, 1});
        all.push_back({{first, "bears", "are", "on", "sale"}, {"O", "O", "O", "O", "O"}, 1});
    }
    return all;
}

} // namespace ner
