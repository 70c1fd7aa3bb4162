#pragma once

#include <unroll/core/tensor/random.hpp>
#include <unroll/core/tensor/tensor.hpp>
#include <unroll/nn/text/vocabulary.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace unroll::nn {

struct WordVectorOptions {
    std::size_t most = 0;               // only the first so many; the rest is not looked at; 0: all
    bool keeps_first = false;           // of a word that stands twice the first counts; else Error
    bool has_words_with_spaces = false; // headless files: the first line's word has none
};

// Words and the vectors that were learned for them.
template <class T>
class WordVectors {
public:
    // vectors [words, width]; throws Error where they do not fit, for none, for an empty word or
    // one that stands twice, and for values that are not finite.
    WordVectors(Tokens words, Tensor<T> vectors);

    // A word and its numbers a line, as GloVe writes them; or, after a first line of two whole
    // numbers, how many words and how wide, word2vec's text format. Throws Error with path and line
    // for a line of another width, what is no finite number, an empty line, a repeated word, and a
    // first line that the rest does not bear out.
    static WordVectors read_text(const std::string& path, const WordVectorOptions& options = {});
    // word2vec's binary format: such a first line, then for each word its bytes, a space, the
    // numbers as 32-bit floats, and a newline, which all or none have. Throws Error with path, word
    // number and byte as read_text does, and for a file that ends early or goes on.
    static WordVectors read_binary(const std::string& path, const WordVectorOptions& options = {});
    // word2vec's formats. Throw Error for a word that the format cannot hold: with white space, or
    // a control character.
    void write_text(const std::string& path) const;
    void write_binary(const std::string& path) const;

    std::size_t size() const { return words_.size(); }
    std::size_t width() const { return vectors_.shape(1); }
    const Tokens& words() const { return words_.symbols(); }
    const Tensor<T>& vectors() const { return vectors_; }
    bool contains(std::string_view word) const { return words_.contains(word); }
    // [width]; throws Error for a word that is not here.
    Tensor<T> operator[](std::string_view word) const;

    // The cosine of two words' vectors; throws Error for a word that is not here.
    T similarity(std::string_view a, std::string_view b) const;

    struct Neighbour {
        std::string word;
        T cosine;
    };
    // The k words of largest cosine, nearest first, earlier ones first among equals; fewer where
    // there are not so many. A vector of zeros has cosine 0 with all. The words asked about are
    // left out. Throw Error for a word that is not here and a vector [width] that is none.
    std::vector<Neighbour> nearest(std::string_view word, std::size_t k = 10) const;
    std::vector<Neighbour> nearest(const Tensor<T>& vector, std::size_t k = 10,
                                   std::span<const std::string> left_out = {}) const;
    // a is to b as c is to what: nearest to b - a + c, of vectors of length 1 (Mikolov, Yih and
    // Zweig 2013).
    std::vector<Neighbour> analogy(std::string_view a, std::string_view b, std::string_view c,
                                   std::size_t k = 1) const;

    struct Table {
        Tensor<T> rows; // [vocabulary, width]
        std::size_t found = 0;
    };
    // Rows for an nn::Embedding: a vocabulary's words as they are here, or else in small letters;
    // others normal with the deviation of the numbers here, and zeros for padding.
    Table rows_for(const Vocabulary& vocabulary, Random random) const;

private:
    struct Reader;
    Tensor<T> unit(std::string_view word) const;

    Vocabulary words_;
    Tensor<T> vectors_;
    Tensor<T> units_; // of length 1, or zeros
};

} // namespace unroll::nn
