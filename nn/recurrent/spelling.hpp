#pragma once

#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recurrent/recurrent.hpp>
#include <unroll/nn/text/vocabulary.hpp>

namespace unroll::nn {

struct SpellingOptions {
    Vocabulary characters;  // of the words that are learned from
    std::size_t width = 0;  // of a character's vector
    std::size_t hidden = 0; // of each direction
    std::size_t most = 0;   // characters of a word that are read, from its beginning; 0: all
    double dropout = 0;     // of what is read
};

// Vectors for words, those never met included, from how they are spelled: what the two directions
// of an LSTM over a word's characters end with, side by side (Ling et al. 2015; Lample et al.
// 2016). Each different word is read once.
template <class T>
class Spelling {
public:
    using value_type = T;
    explicit Spelling(const SpellingOptions& options);
    // B sentences -> [T, B, output_width()], T steps of the longest one; what lies beyond a
    // sentence's end is zeros, and so is an empty word. Throws Error for words that are not UTF-8,
    // and for a character that the vocabulary has no number for.
    Variable<T> operator()(std::span<const Tokens> sentences) const;

    std::size_t output_width() const { return 2 * options.hidden; }
    void members(Members<T>& m) { m("characters", characters)("read", read); }

    SpellingOptions options;
    Embedding<T> characters;
    Lstm<T> read;
};

extern template class Spelling<float>;
extern template class Spelling<double>;

} // namespace unroll::nn
