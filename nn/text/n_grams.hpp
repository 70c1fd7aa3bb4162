#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace unroll::nn {

struct NGramOptions {
    std::size_t order = 3;      // of numbers that are looked at together, the last one included
    std::size_t vocabulary = 0; // how many different numbers may come
    std::int64_t start = -1;    // what stands before a sequence, as often as needed
};

// Numbers told from those before them: the baseline of a language model. Behind a context that N
// numbers followed, c of them x and K different ones,
//   p(x | context) = (c + K p(x | the context without its first number)) / (N + K),
// where p is 1 / vocabulary before the shortest context, the empty one (Witten and Bell 1991).
class NGrams {
public:
    using Numbers = std::span<const std::int64_t>;

    // Throws Error for an order or a vocabulary of 0.
    explicit NGrams(const NGramOptions& options);

    // Counts a sequence. Throws Error where more different numbers came than there are.
    void add(Numbers sequence);
    // Of a number behind others, of which the last order - 1 count, or of which fewer count where a
    // lower order is given. Throws Error for a higher one.
    double probability(Numbers before, std::int64_t number, std::size_t order = 0) const;
    // The mean of -log2 p of all numbers of some sequences. Throws Error for none.
    double bits(std::span<const std::vector<std::int64_t>> sequences, std::size_t order = 0) const;

private:
    struct Met {
        std::map<std::int64_t, std::size_t> numbers;
        std::size_t total = 0;
    };
    std::size_t checked(std::size_t order) const;
    std::vector<std::int64_t> with_start(Numbers sequence) const;

    NGramOptions options_;
    std::map<std::vector<std::int64_t>, Met> met_; // behind each context
};

} // namespace unroll::nn
