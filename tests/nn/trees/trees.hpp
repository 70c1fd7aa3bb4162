#pragma once

#include "support.hpp"

#include <unroll/nn/trees/tree.hpp>

#include <vector>

namespace test {

using Children = std::vector<std::vector<std::int64_t>>;

// A random tree whose inner nodes have between `least` and `most` children.
inline nn::Tree random_tree(std::size_t inner, std::size_t least, std::size_t most, Random random) {
    Children children(1);
    std::vector<std::size_t> leaves{0};
    for (std::size_t i = 0; i < inner; ++i) {
        const std::size_t at = random.below(leaves.size()), node = leaves[at];
        leaves.erase(leaves.begin() + static_cast<std::ptrdiff_t>(at));
        for (std::size_t k = least + random.below(most - least + 1); k-- > 0;) {
            // In random order.
            auto& all = children[node];
            all.insert(random.below(2) ? all.end() : all.begin(),
                       static_cast<std::int64_t>(children.size()));
            leaves.push_back(children.size());
            children.emplace_back();
        }
    }
    return nn::Tree::from_children(children);
}

inline std::vector<nn::Tree> random_trees(std::size_t least, std::size_t most) {
    std::vector<nn::Tree> trees;
    for (const std::size_t inner : {3, 0, 6, 1})
        trees.push_back(random_tree(inner, least, most, Random(7).split(trees.size())));
    return trees;
}

inline nn::Tree chain(std::size_t n) {
    std::vector<std::int64_t> parents;
    for (std::size_t i = 0; i < n; ++i) parents.push_back(static_cast<std::int64_t>(i) - 1);
    return nn::Tree::from_parents(parents);
}

} // namespace test
