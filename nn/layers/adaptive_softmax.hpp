#pragma once

#include <unroll/core/autograd/record.hpp>
#include <unroll/nn/module.hpp>

#include <span>

namespace unroll::nn {

struct AdaptiveSoftmaxOptions {
    std::size_t vocabulary = 0; // V
    std::size_t width = 0;      // E
    std::size_t frequent = 0;   // F, words in the first softmax; 0: all
    std::size_t groups = 1;     // of rare words; at most their number
};

// Probabilities over a large vocabulary whose words are numbered by decreasing frequency. Rare
// words take two choices, first a group and then a word in it, so that most targets need the scores
// of few words (Grave et al. 2017, here with all groups at full width):
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
    explicit AdaptiveSoftmax(const Options& options);

    // Initialises the biases from unigram frequencies; each word counts at least once. Throws Error
    // if the number of words differs.
    void begin_with(std::span<const std::size_t> counts);

    // The mean of -log p of targets [...] behind h [..., E], without those that are -100. Throws
    // Error for shapes that do not fit, and for a target outside [0, V), with its position.
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
