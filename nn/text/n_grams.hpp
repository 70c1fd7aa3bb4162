#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace unroll::nn {

struct NGramOptions {
    std::size_t order = 3;      // n: length of the n-grams, including the predicted token
    std::size_t vocabulary = 0; // number of different tokens
    std::int64_t start = -1;    // pads the context at the start of a sequence
};

// Predicts the next token from its context: a baseline for language models. After a context that
// was followed by N tokens, K of them different and c of them x,
//   p(x | context) = (c + K p(x | context without its first token)) / (N + K),
// where p is 1 / vocabulary when the context is already empty (Witten and Bell 1991).
class NGrams {
public:
    using Numbers = std::span<const std::int64_t>;

    // Throws Error for an order or a vocabulary of 0.
    explicit NGrams(const NGramOptions& options);

    // Counts a sequence. Throws Error if there are more different tokens than `vocabulary`.
    void add(Numbers sequence);
    // p(token | last order - 1 tokens); a lower order may be given. Throws Error for a higher one.
    double probability(Numbers before, std::int64_t number, std::size_t order = 0) const;
    // The mean of -log2 p over all tokens of the sequences. Throws Error if there are none.
    double bits(std::span<const std::vector<std::int64_t>> sequences, std::size_t order = 0) const;

private:
    struct Met {
        std::map<std::int64_t, std::size_t> numbers;
        std::size_t total = 0;
    };
    std::size_t checked(std::size_t order) const;
    std::vector<std::int64_t> with_start(Numbers sequence) const;

    NGramOptions options_;
    std::map<std::vector<std::int64_t>, Met> met_; // after each context
};

} // namespace unroll::nn
