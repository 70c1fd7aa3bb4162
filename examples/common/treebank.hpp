#pragma once

#include <unroll/unroll.hpp>

#include <span>
#include <string>
#include <vector>

namespace example {

// A tree of words with a label from 0 to 4 at every node, as the Stanford Sentiment Treebank has
// them. Nodes are numbered from the left, children before their parent: the root is the last.
struct LabelledTree {
    struct Node {
        std::int64_t label;
        std::size_t begin, end; // its words
        std::int64_t parent;    // -1: the root
    };
    unroll::nn::Tokens words; // in small letters
    std::vector<Node> nodes;

    std::string text(std::size_t node) const; // its words with blanks between
    std::span<const std::string> phrase(std::size_t node) const {
        return std::span(words).subspan(nodes[node].begin, nodes[node].end - nodes[node].begin);
    }
};

// Such a tree from "(3 (2 It) (4 (2 is) (4 great)))". Throws Error, naming path and line, for what
// is none.
LabelledTree parse_tree(const std::string& text, const std::string& path, std::size_t line);

// A file with a tree a line. Throws Error for an empty one.
std::vector<LabelledTree> read_trees(const std::string& path);

// The words of the roots of such a file's trees, or of every phrase once, with their labels.
struct Sentences {
    std::vector<unroll::nn::Tokens> words;
    std::vector<std::int64_t> labels;
};
Sentences sentences_of(const std::string& path, bool phrases);

// Makes one word in thirty unknown, as some will be later.
void forget_words(unroll::Indices& words, const unroll::nn::Vocabulary& vocabulary,
                  unroll::Random& random);

inline const std::vector<std::string> feelings{"very negative", "negative", "neutral", "positive",
                                               "very positive"};

// How well they are told.
struct Feelings {
    unroll::nn::ConfusionMatrix five{feelings.size()}, binary{2};

    // Of probabilities [n, 5]: five classes, and of what is not neutral whether it is positive.
    void add(const unroll::Tensor<float>& probabilities, const unroll::Indices& labels);
    std::vector<std::pair<std::string, double>> figures() const;
    unroll::Table scores() const; // precision, recall and F1 of each class
};

// Words as treebanks cut them: don't is do n't, film's is film 's.
unroll::nn::Tokens treebank_words(const std::string& text);

} // namespace example
