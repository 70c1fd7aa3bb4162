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

// A small language with "not", so that words alone do not tell.
std::vector<LabelledTree> made_up_trees();

// How well classes from very negative to very positive are told.
struct Feelings {
    unroll::nn::ConfusionMatrix five{5}, binary{2};

    // Of probabilities [n, 5]: five classes, and of what is not neutral whether it is positive.
    void add(const unroll::Tensor<float>& probabilities, const unroll::Indices& labels);
    std::vector<std::pair<std::string, double>> figures() const;
};

// Words as treebanks cut them: don't is do n't, film's is film 's.
unroll::nn::Tokens treebank_words(const std::string& text);

} // namespace example
