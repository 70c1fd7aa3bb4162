#pragma once

#include "../common/treebank.hpp"

#include <set>

namespace sentiment {

using namespace unroll;

constexpr std::size_t classes = 5; // from very negative to very positive

struct Example {
    nn::Tokens words;
    std::int64_t label;
};

// The sentences of trees, or every phrase once.
inline std::vector<Example> examples_of(const std::vector<example::LabelledTree>& trees,
                                        bool phrases) {
    std::vector<Example> all;
    std::set<nn::Tokens> met;
    for (const auto& tree : trees)
        for (std::size_t p = phrases ? 0 : tree.nodes.size() - 1; p < tree.nodes.size(); ++p) {
            const auto words = tree.phrase(p);
            Example one{{words.begin(), words.end()}, tree.nodes[p].label};
            if (!phrases || met.insert(one.words).second) all.push_back(std::move(one));
        }
    return all;
}

// Of a file with a tree a line; without one, sentences of a made-up language.
inline std::vector<Example> read_examples(const std::string& path, bool phrases) {
    if (path.empty()) return examples_of(example::made_up_trees(), false);
    return examples_of(example::read_trees(path), phrases);
}

} // namespace sentiment
