#pragma once

#include "recordings.hpp"

#include <unroll/unroll.hpp>

#include <memory>

namespace speech {

using namespace unroll;

struct Settings {
    std::string model = "ctc", symbols = "digits";
    std::size_t hidden = 128, input = 120; // of the recogniser's layers, and of a frame
    double dropout = 0.2;
};

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

// Sequences side by side.
template <class T>
struct Batch {
    Tensor<T> x; // [T, B, input]
    std::vector<std::size_t> lengths;
    nn::PaddedBatch symbols; // [L, B]
    Indices spelled;         // [L + 1, B]: with the end, and -100 behind it
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

struct Search {
    std::size_t beam = 8; // 1: greedy
    const Lexicon* lexicon = nullptr;
};

template <class T>
class Recogniser {
public:
    using value_type = T;
    using Lengths = std::span<const std::size_t>;

    virtual ~Recogniser() = default;
    virtual Variable<T> loss(Tape<T>& tape, const Batch<T>& batch) const = 0;
    virtual std::vector<Heard> hear(Tape<T>& tape, const Tensor<T>& x, Lengths lengths,
                                    const Search& search) const = 0;
    // Frames that one step of the weights stands for.
    virtual std::size_t factor() const = 0;
    virtual void members(nn::Members<T>& m) = 0;
};

// ctc: recurrent layers and connectionist temporal classification; las: Listen, Attend and Spell.
// Throws Error for no such model.
template <class T>
std::unique_ptr<Recogniser<T>> make_recogniser(const Settings& settings, const Alphabet& alphabet);

} // namespace speech
