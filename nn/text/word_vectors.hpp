#pragma once

#include <unroll/core/base/error.hpp>
#include <unroll/core/tensor/random.hpp>
#include <unroll/core/tensor/tensor.hpp>
#include <unroll/nn/text/vocabulary.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace unroll::nn {

struct WordVectorOptions {
    std::size_t most = 0;     // maximum number of words read; the rest is not checked; 0: all
    bool keeps_first = false; // a repeated word keeps its first vector; otherwise Error
    bool has_words_with_spaces = false; // without a header, the first line's word has none
};

// Words and their learned vectors.
template <class T = float>
class WordVectors {
public:
    // vectors [words, width]. Throws Error if numbers do not match, if there are no words, for an
    // empty or repeated word, and for values that are not finite.
    WordVectors(Tokens words, Tensor<T> vectors);

    // GloVe's text format: a word and its numbers per line; or word2vec's, which starts with a
    // header line with the number of words and the width. Throws Error with path and line for a
    // line of a different width, anything but finite numbers, an empty line, a repeated word, and a
    // header that does not match the content.
    static WordVectors read_text(const std::string& path, const WordVectorOptions& options = {},
                                 Where where = Where::current());
    // word2vec's binary format: a header line, then for each word its bytes, a space, the numbers
    // as 32-bit floats, and a newline (for all words or none). Throws Error with path, word number
    // and byte as read_text does, and for a truncated file or trailing data.
    static WordVectors read_binary(const std::string& path, const WordVectorOptions& options = {},
                                   Where where = Where::current());
    // word2vec's formats. Throw Error for a word that the format cannot represent: with white space
    // or control characters.
    void write_text(const std::string& path, Where where = Where::current()) const;
    void write_binary(const std::string& path, Where where = Where::current()) const;

    std::size_t size() const { return words_.size(); }
    std::size_t width() const { return vectors_.shape(1); }
    const Tokens& words() const { return words_.symbols(); }
    const Tensor<T>& vectors() const { return vectors_; }
    bool contains(std::string_view word) const { return words_.contains(word); }
    // [width]; throws Error for an unknown word.
    Tensor<T> operator[](std::string_view word) const;

    // The cosine similarity of two words; throws Error for an unknown word.
    T similarity(std::string_view a, std::string_view b) const;

    struct Neighbour {
        std::string word;
        T cosine;
    };
    // The k words of largest cosine similarity, nearest first, ties in order of the words; fewer if
    // there are fewer words. A zero vector has similarity 0 to all. The query words are excluded.
    // Throw Error for an unknown word and a vector of the wrong shape.
    std::vector<Neighbour> nearest(std::string_view word, std::size_t k = 10) const;
    std::vector<Neighbour> nearest(const Tensor<T>& vector, std::size_t k = 10,
                                   std::span<const std::string> left_out = {}) const;
    // Solves "a is to b as c is to ...": the words nearest to b - a + c, with normalised vectors
    // (Mikolov, Yih and Zweig 2013).
    std::vector<Neighbour> analogy(std::string_view a, std::string_view b, std::string_view c,
                                   std::size_t k = 1) const;

    struct Table {
        Tensor<T> rows; // [vocabulary, width]
        std::size_t found = 0;
    };
    // Rows for an nn::Embedding: the vectors of a vocabulary's words, looked up as they are, then
    // in lower case. Unknown words are drawn normally with the standard deviation of all vectors;
    // padding is zeros.
    Table rows_for(const Vocabulary& vocabulary, Random random) const;

private:
    struct Reader;
    Tensor<T> unit(std::string_view word) const;

    Vocabulary words_;
    Tensor<T> vectors_;
    Tensor<T> units_; // normalised vectors; zero vectors stay zero
};

} // namespace unroll::nn
