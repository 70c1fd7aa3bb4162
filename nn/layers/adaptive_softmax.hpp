#pragma once

#include <unroll/core/autograd/record.hpp>
#include <unroll/nn/module.hpp>

#include <span>

namespace unroll::nn {

struct AdaptiveSoftmaxOptions {
    std::size_t vocabulary = 0; // V
    std::size_t width = 0;      // E
    std::size_t frequent = 0;   // F, words in the first softmax; 0: all
    std::size_t groups = 1;     // groups of rare words; at most the number of rare words
};

// Probabilities over a large vocabulary whose words are numbered by decreasing frequency. A rare
// word is predicted in two steps, first its group and then the word in it, so that most targets
// need the scores of few words (Grave et al. 2017, here with all groups at full width):
//   p(w) = softmax([W_frequent; G] h + b)_w                       for a frequent word,
//   p(w) = softmax([W_frequent; G] h + b)_g softmax(W_g h + b)_w  for a word of group g.
// Group g ends before word F (V / F)^(g / groups). The caller provides the word vectors W [V, E],
// for example those of an embedding (Press and Wolf 2017).
template <class T = float>
class AdaptiveSoftmax {
public:
    using value_type = T;
    using Options = AdaptiveSoftmaxOptions;
    // Throws Error for invalid sizes.
    explicit AdaptiveSoftmax(const Options& options, Where where = Where::current());

    // Initialises the biases from unigram frequencies; each word counts at least once. Throws Error
    // if the number of words differs.
    void begin_with(std::span<const std::size_t> counts);

    // The mean of -log p of targets [...] given h [..., E]; targets of -100 are ignored. Throws
    // Error if shapes do not match and, with its position, for a target outside [0, V).
    Variable<T> loss(const Variable<T>& h, const Variable<T>& weight, const Indices& targets,
                     Where caller = Where::current()) const;
    // log p of every word, [..., V].
    Variable<T> log_probabilities(const Variable<T>& h, const Variable<T>& weight,
                                  Where caller = Where::current()) const;
    void members(Members<T>& m);

    Options options;
    Parameter<T> bias;                     // [V]
    Parameter<T> group_weight, group_bias; // G [groups, E], [groups]; empty without rare words
    ModuleName module_name{"AdaptiveSoftmax"};

private:
    std::size_t groups() const { return ends_.size() - 1; }
    void check(const Variable<T>& h, const Variable<T>& weight) const;
    Variable<T> frequent_logits(const Variable<T>& h, const Variable<T>& weight) const;
    Variable<T> group_logits(const Variable<T>& h, const Variable<T>& weight, std::size_t g) const;

    List<std::size_t> ends_; // of the frequent words, then of each group
};

} // namespace unroll::nn
