#pragma once

#include <unroll/unroll.hpp>

namespace speech {

using namespace unroll;

// Output symbols: digits, or the letters of their names separated by spaces. Symbol 0 is CTC's
// blank, and the start and end symbol of a decoder.
class Alphabet {
public:
    explicit Alphabet(const std::string& symbols);

    std::size_t size() const { return symbols_.size(); }
    const std::string& operator[](std::int64_t symbol) const {
        return symbols_[static_cast<std::size_t>(symbol)];
    }
    std::vector<std::int64_t> encode(std::span<const std::size_t> digits) const;
    // The symbols [begin, end) of each word, whether or not it is the name of a digit.
    std::vector<std::pair<std::size_t, std::size_t>>
    words_among(std::span<const std::int64_t> symbols) const;
    nn::Tokens words_of(std::span<const std::int64_t> symbols) const;

private:
    bool letters_;
    std::vector<std::string> symbols_;
};

// A language model of the digits' names: all possible next letters, and the end, symbol 0, are
// equally likely. A step function for decoders, whose state is the current prefix of a word.
class Lexicon {
public:
    explicit Lexicon(const Alphabet& alphabet) : alphabet_(&alphabet) {}
    nn::Prediction<std::string, float> operator()(const std::string& word,
                                                  const Indices& tokens) const;

private:
    const Alphabet* alphabet_;
};

struct Recognition {
    std::vector<std::int64_t> symbols;
    Tensor<float> weights; // [symbols, steps]: weights of each symbol over time
};

// The time of each word: from the first to the last step with a tenth of a symbol's weight.
struct TimedWord {
    std::string text;
    double begin = 0, end = 0; // seconds
};
std::vector<TimedWord> timed_words(const Alphabet& alphabet, const Recognition& recognised,
                                   double seconds_a_step);

} // namespace speech
