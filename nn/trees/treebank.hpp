#pragma once

#include <unroll/core/base/error.hpp>
#include <unroll/nn/text/vocabulary.hpp>
#include <unroll/nn/trees/tree.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::nn {

// A tree of the Stanford Sentiment Treebank: words, and a label from 0 to 4 at every node. Nodes
// are in post-order: children before their parent, the root last.
struct LabelledTree {
    struct Node {
        std::int64_t label;
        std::size_t begin, end; // its words
        std::int64_t parent;    // -1: the root
    };
    Tokens words; // in lower case
    std::vector<Node> nodes;

    std::span<const std::string> phrase(std::size_t node) const {
        return std::span(words).subspan(nodes[node].begin, nodes[node].end - nodes[node].begin);
    }
    Tree tree() const; // with the same node numbers
};

// Parses "(3 (2 It) (4 (2 is) (4 great)))". Throws Error with path and line for invalid text, a
// phrase of more than two parts, and words next to parts.
LabelledTree parse_tree(const std::string& text, const std::string& path, std::size_t line);

// Reads a file with one tree per line. Throws Error for an empty file.
std::vector<LabelledTree> read_trees(const std::string& path, Where where = Where::current());

// Tokens as in treebanks, in lower case: don't -> do n't, film's -> film 's.
Tokens treebank_words(std::string_view text);

} // namespace unroll::nn
