#pragma once

#include <unroll/unroll.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace word_lm {

using namespace unroll;

inline const nn::SpecialSymbols special_symbols{"", "<unk>", "", "</s>"};

// The lines of a file as words between white space; empty lines too, as the usual perplexities
// count their ends. Throws Error for a file that is no text or holds no word.
inline std::vector<nn::Tokens> read_text(const std::string& path) {
    std::vector<nn::Tokens> lines;
    for (const auto& line : nn::read_lines(path)) lines.push_back(nn::split_whitespace(line));
    if (std::all_of(lines.begin(), lines.end(), [](const auto& line) { return line.empty(); }))
        fail("word_lm", "'" + path + "' holds no word");
    return lines;
}

// Sentences at random about things to eat and to wear, some of which sound alike.
inline std::vector<nn::Tokens> small_text() {
    using Words = std::vector<const char*>;
    const Words people{"she", "he", "the cook", "my son", "a guest"};
    const Words food{"pear", "plum", "peach", "cake", "leek"};
    const Words pairs{"shoes", "gloves", "socks", "boots"};
    const Words times{"in the morning", "at noon", "by night", "on the last day of the week"};
    Random random(1);
    const auto any = [&](const Words& words) {
        return std::string(words[random.below(words.size())]) + " ";
    };
    std::vector<nn::Tokens> lines;
    for (int i = 0; i < 1500; ++i) {
        std::string line = any(people);
        switch (random.below(3)) {
        case 0: line += "eats apple and " + any(food) + "salad "; break;
        case 1: line += "wears a pair of " + any(pairs); break;
        default: line += "buys a " + any(food) + "and a pair of " + any(pairs);
        }
        lines.push_back(nn::split_whitespace(line + any(times) + "."));
    }
    return lines;
}

inline std::vector<std::int64_t> encode(const nn::Vocabulary& vocabulary,
                                        std::span<const nn::Tokens> lines) {
    std::vector<std::int64_t> all;
    for (const auto& line : lines) {
        const auto numbers = vocabulary.encode(line, nn::Vocabulary::Ends::end);
        all.insert(all.end(), numbers.begin(), numbers.end());
    }
    return all;
}

// A sentence, and others with words of the vocabulary that sound like its own. Throws Error where
// there are too many.
inline std::vector<nn::Tokens> homophones(const nn::Tokens& sentence,
                                          const nn::Vocabulary& vocabulary) {
    static const std::vector<nn::Tokens> alike{
        {"pair", "pear", "pare"}, {"there", "their"},  {"to", "too", "two"}, {"hear", "here"},
        {"sea", "see"},           {"son", "sun"},      {"one", "won"},       {"write", "right"},
        {"week", "weak"},         {"whole", "hole"},   {"know", "no"},       {"knew", "new"},
        {"our", "hour"},          {"peace", "piece"},  {"break", "brake"},   {"buy", "by", "bye"},
        {"for", "four"},          {"meet", "meat"},    {"wait", "weight"},   {"war", "wore"},
        {"threw", "through"},     {"wood", "would"},   {"rain", "reign"},    {"role", "roll"},
        {"ate", "eight"},         {"night", "knight"}, {"sail", "sale"},     {"steel", "steal"},
        {"leek", "leak"},         {"plum", "plumb"}};
    std::vector<nn::Tokens> readings{{}};
    for (const auto& word : sentence) {
        const auto found = std::find_if(alike.begin(), alike.end(), [&](const auto& group) {
            return std::count(group.begin(), group.end(), word) > 0;
        });
        const nn::Tokens choices = found == alike.end() ? nn::Tokens{word} : *found;
        std::vector<nn::Tokens> longer;
        for (const auto& reading : readings)
            for (const auto& choice : choices) {
                if (choice != word && !vocabulary.contains(choice)) continue;
                longer.push_back(reading);
                longer.back().push_back(choice);
            }
        readings = std::move(longer);
        if (readings.size() > 1000) fail("homophones", "there are more than 1000 readings");
    }
    return readings;
}

} // namespace word_lm
