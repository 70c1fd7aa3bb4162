#pragma once

#include "program.hpp"

#include <unroll/unroll.hpp>

#include <span>
#include <string>
#include <vector>

namespace example {

// Sentences of a treebank (nn::read_trees) with the labels of their roots, or every distinct phrase
// with its label.
struct Sentences {
    std::vector<unroll::nn::Tokens> words;
    std::vector<std::int64_t> labels;
};
Sentences sentences_of(const std::string& path, bool phrases);

// Replaces one word in thirty with the unknown word, to train its vector.
void forget_words(unroll::Indices& words, const unroll::nn::Vocabulary& vocabulary,
                  unroll::Random& random);

inline const std::vector<std::string> sentiments{"very negative", "negative", "neutral", "positive",
                                                 "very positive"};

// Confusion matrices of predicted sentiments.
struct SentimentScores {
    unroll::nn::ConfusionMatrix five{sentiments.size()}, binary{2};

    // Probabilities [n, 5]. `binary` is positive or negative, for labels that are not neutral.
    void add(const unroll::Tensor<float>& probabilities, const unroll::Indices& labels);
    Figures figures() const;
    unroll::Table table() const; // precision, recall and F1 of each class
};

} // namespace example
