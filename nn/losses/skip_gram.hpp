#pragma once

#include <unroll/core/tensor/random.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/text/vocabulary.hpp>
#include <unroll/nn/text/word_vectors.hpp>

#include <span>
#include <vector>

namespace unroll::nn {

// Draws words with probability count^power / sum of count^power. Throws Error if one word has more
// than 1 - 1e-6 of the probability, as in a vocabulary of one, and for infinite weights.
class NoiseTable {
public:
    explicit NoiseTable(std::span<const std::size_t> counts, double power = 0.75,
                        Where where = Where::current());

    std::size_t size() const { return sums_.size(); }
    double probability(std::int64_t word, Where where = Where::current()) const;
    std::int64_t draw(Random& random) const;
    // For each of the contexts [N], draws K words other than the context: [N, K].
    Indices draw_beside(const Indices& contexts, std::size_t draws, Random& random,
                        Where where = Where::current()) const;

private:
    std::vector<double> sums_; // cumulative weights, normalised
};

// Pairs of a word and a context word, both [N].
struct SkipGramPairs {
    Indices centres, contexts;
};
// All pairs within a distance drawn for each centre from 1 ... window. Throws Error for a window of
// 0.
SkipGramPairs skip_gram_pairs(std::span<const std::int64_t> text, std::size_t window,
                              Random& random, Where where = Where::current());
// A text without most occurrences of frequent words: each is kept with probability
// min(1, sqrt(threshold / f)), f the relative frequency of the word. Throws Error for a threshold
// that is not positive and for a word without a count.
std::vector<std::int64_t> subsample(std::span<const std::int64_t> text,
                                    std::span<const std::size_t> counts, double threshold,
                                    Random& random, Where where = Where::current());

struct SkipGramOptions {
    std::size_t vocabulary = 0;
    std::size_t width = 0;
};

// Skip-gram with negative sampling (Mikolov, Sutskever, Chen, Corrado and Dean 2013): for vectors v
// of centres and u of contexts, the mean over pairs of
//   -log sigmoid(u_context . v_centre) - sum over negatives n of log sigmoid(-u_n . v_centre).
template <class T = float>
class SkipGram {
public:
    using value_type = T;
    // Initialised as in word2vec: v uniform within 0.5 / width, u zero.
    explicit SkipGram(const SkipGramOptions& options, Where where = Where::current());

    // Centres and contexts [N], negatives [N, K]. Throws Error if shapes do not match, and for a
    // number outside the vocabulary.
    Variable<T> loss(const Indices& centres, const Indices& contexts, const Indices& negatives,
                     Where caller = Where::current()) const;
    // The learned vectors v of the words. Throws Error if the number of words differs.
    WordVectors<T> vectors(const Vocabulary& vocabulary) const;
    void members(Members<T>& m);

    Embedding<T> centre, context;
    ModuleName module_name{"SkipGram"};
};

} // namespace unroll::nn
