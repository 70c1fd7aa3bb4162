#pragma once

#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recurrent/lstm.hpp>
#include <unroll/nn/text/vocabulary.hpp>

namespace unroll::nn {

struct CharacterLstmOptions {
    Vocabulary characters;  // characters of the training words
    std::size_t width = 0;  // of a character embedding
    std::size_t hidden = 0; // of each direction
    std::size_t most = 0;   // reads only the first `most` characters of a word; 0: all
    double dropout = 0;     // of the character embeddings
};

// A character LSTM embedding: the vector of a word, unseen ones included, is the last state of both
// directions of an LSTM over its characters, concatenated (Ling et al. 2015; Lample et al. 2016).
// Each distinct word is computed once.
template <class T = float>
class CharacterLstm {
public:
    using value_type = T;
    explicit CharacterLstm(const CharacterLstmOptions& options, Where where = Where::current());
    // B sentences -> [T, B, output_width()], T the length of the longest one, with zeros after the
    // end of a sentence and for an empty word. Throws Error for words that are not UTF-8, and for a
    // character outside the vocabulary.
    Variable<T> operator()(std::span<const Tokens> sentences,
                           Where caller = Where::current()) const;

    std::size_t output_width() const { return 2 * options.hidden; }
    void members(Members<T>& m) { m(module_name)("characters", characters)("read", read); }

    CharacterLstmOptions options;
    Embedding<T> characters;
    Lstm<T> read;
    ModuleName module_name{"CharacterLstm"};
};

extern template class CharacterLstm<float>;
extern template class CharacterLstm<double>;

} // namespace unroll::nn
