#pragma once

#include <unroll/unroll.hpp>

namespace speech {

using namespace unroll;

// What is written: digits, or the letters of their names with spaces between. Symbol 0 is CTC's
// blank, and where a speller begins and ends.
class Alphabet {
public:
    explicit Alphabet(const std::string& symbols);

    std::size_t size() const { return symbols_.size(); }
    const std::string& operator[](std::int64_t symbol) const {
        return symbols_[static_cast<std::size_t>(symbol)];
    }
    std::vector<std::int64_t> encode(std::span<const std::size_t> digits) const;
    // Which symbols, [begin, end), make each word; what is no digit's name is a word as well.
    std::vector<std::pair<std::size_t, std::size_t>>
    words_among(std::span<const std::int64_t> symbols) const;
    nn::Tokens words_of(std::span<const std::int64_t> symbols) const;

private:
    bool letters_;
    std::vector<std::string> symbols_;
};

// A language of the digits' names: whatever letters may follow are equally likely, and so is the
// end, symbol 0. A step function for decoders, whose state is the word so far.
class Lexicon {
public:
    explicit Lexicon(const Alphabet& alphabet) : alphabet_(&alphabet) {}
    nn::Prediction<std::string, float> operator()(const std::string& word,
                                                  const Indices& tokens) const;

private:
    const Alphabet* alphabet_;
};

struct Heard {
    std::vector<std::int64_t> symbols;
    Tensor<float> weights; // [symbols, steps]: where each was heard
};

// When each word was heard: from the first to the last step with a tenth of a symbol's weight.
struct TimedWord {
    std::string text;
    double begin = 0, end = 0; // seconds
};
std::vector<TimedWord> timed_words(const Alphabet& alphabet, const Heard& heard,
                                   double seconds_a_step);

} // namespace speech
