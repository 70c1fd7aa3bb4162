#pragma once

#include <unroll/unroll.hpp>

#include <span>
#include <string>
#include <vector>

namespace example {

// A tree of the Stanford Sentiment Treebank: words, and a label from 0 to 4 at every node. Nodes
// are in post-order: children before their parent, the root last.
struct LabelledTree {
    struct Node {
        std::int64_t label;
        std::size_t begin, end; // its words
        std::int64_t parent;    // -1: the root
    };
    unroll::nn::Tokens words; // in lower case
    std::vector<Node> nodes;

    std::string text(std::size_t node) const; // its words, separated by spaces
    std::span<const std::string> phrase(std::size_t node) const {
        return std::span(words).subspan(nodes[node].begin, nodes[node].end - nodes[node].begin);
    }
};

// Parses "(3 (2 It) (4 (2 is) (4 great)))". Throws Error with path and line for invalid text, a
// phrase of more than two parts, and words next to parts.
LabelledTree parse_tree(const std::string& text, const std::string& path, std::size_t line);

// Reads a file with one tree per line. Throws Error for an empty file.
std::vector<LabelledTree> read_trees(const std::string& path);

// Sentences with the labels of their roots, or every distinct phrase with its label.
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
    std::vector<std::pair<std::string, double>> figures() const;
    unroll::Table table() const; // precision, recall and F1 of each class
};

// Tokens as in treebanks: don't -> do n't, film's -> film 's.
unroll::nn::Tokens treebank_words(const std::string& text);

} // namespace example
