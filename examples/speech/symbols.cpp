#include "symbols.hpp"

#include "recordings.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace speech {

Alphabet::Alphabet(const std::string& symbols) : letters_(symbols == "letters"), symbols_{""} {
    std::set<std::string> all;
    if (letters_) all.insert(" ");
    for (const std::string word : words)
        if (letters_)
            for (const char c : word) all.insert(std::string(1, c));
        else
            symbols_.push_back(word);
    symbols_.insert(symbols_.end(), all.begin(), all.end());
}

std::vector<std::int64_t> Alphabet::encode(std::span<const std::size_t> digits) const {
    std::vector<std::int64_t> found;
    std::string text;
    for (const std::size_t digit : digits) {
        if (!letters_) found.push_back(static_cast<std::int64_t>(digit) + 1);
        text += (text.empty() ? "" : " ") + std::string(words[digit]);
    }
    if (letters_)
        for (const char c : text)
            found.push_back(std::find(symbols_.begin(), symbols_.end(), std::string(1, c)) -
                            symbols_.begin());
    return found;
}

std::vector<std::pair<std::size_t, std::size_t>>
Alphabet::words_among(std::span<const std::int64_t> symbols) const {
    std::vector<std::pair<std::size_t, std::size_t>> found;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= symbols.size(); ++i) {
        const bool space = i < symbols.size() && (*this)[symbols[i]] == " ";
        if (letters_ && i < symbols.size() && !space) continue;
        if (i > begin) found.emplace_back(begin, i);
        begin = space ? i + 1 : i;
    }
    return found;
}

nn::Tokens Alphabet::words_of(std::span<const std::int64_t> symbols) const {
    nn::Tokens found;
    for (const auto& [begin, end] : words_among(symbols)) {
        found.emplace_back();
        for (std::size_t i = begin; i < end; ++i) found.back() += (*this)[symbols[i]];
    }
    return found;
}

std::vector<TimedWord> timed_words(const Alphabet& alphabet, const Recognition& recognised,
                                   double seconds_a_step) {
    std::vector<TimedWord> found;
    const nn::Tokens texts = alphabet.words_of(recognised.symbols);
    for (const auto& [begin, end] : alphabet.words_among(recognised.symbols)) {
        std::size_t first = recognised.weights.shape(1), last = 0;
        for (std::size_t i = begin; i < end; ++i)
            for (std::size_t s = 0; s < recognised.weights.shape(1); ++s) {
                if (recognised.weights(i, s) < 0.1f) continue;
                first = std::min(first, s);
                last = std::max(last, s + 1);
            }
        found.push_back({texts[found.size()], static_cast<double>(first) * seconds_a_step,
                         static_cast<double>(last) * seconds_a_step});
    }
    return found;
}

nn::Prediction<std::string, float> Lexicon::operator()(const std::string& word,
                                                       const Indices& tokens) const {
    const std::string& read = (*alphabet_)[tokens(0)];
    const std::string now = read == " " ? "" : word + read;
    const auto is_word = [&](const std::string& w) {
        return std::any_of(words.begin(), words.end(), [&](const char* one) { return w == one; });
    };
    const auto begins_word = [&](const std::string& w) {
        return std::any_of(words.begin(), words.end(),
                           [&](const char* one) { return std::string(one).starts_with(w); });
    };
    Tensor<float> row =
        Tensor<float>::full({1, alphabet_->size()}, -std::numeric_limits<float>::infinity());
    std::vector<std::size_t> allowed;
    for (std::size_t v = 0; v < alphabet_->size(); ++v) {
        const std::string& next = (*alphabet_)[static_cast<std::int64_t>(v)];
        const bool ends = next.empty() || next == " ";
        if (ends ? is_word(now) : begins_word(now + next)) allowed.push_back(v);
    }
    for (const std::size_t v : allowed) row(0, v) = -std::log(static_cast<float>(allowed.size()));
    return {now, Variable<float>(row)};
}

} // namespace speech
