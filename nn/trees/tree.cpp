#include <unroll/core/base/scope.hpp>
#include <unroll/nn/trees/tree.hpp>

#include <algorithm>
#include <numeric>

namespace unroll::nn {

namespace {

std::string name(std::size_t node) { return "node " + std::to_string(node); }

std::size_t checked(const std::string& what, std::int64_t number, std::size_t nodes) {
    if (number < 0 || static_cast<std::uint64_t>(number) >= nodes)
        fail("Tree", what + " is " + std::to_string(number) + ", which is not one of the " +
                         std::to_string(nodes) + " nodes");
    return static_cast<std::size_t>(number);
}

} // namespace

Tree Tree::from_parents(std::span<const std::int64_t> parents, Where where) {
    const Called here(where);
    const std::size_t n = parents.size();
    std::vector<std::size_t> begin(n + 1), children(n);
    for (std::size_t i = 0; i < n; ++i)
        if (parents[i] != -1) ++begin[checked("the parent of " + name(i), parents[i], n) + 1];
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    std::vector<std::size_t> next(begin.begin(), begin.end() - 1);
    for (std::size_t i = 0; i < n; ++i)
        if (parents[i] != -1) children[next[static_cast<std::size_t>(parents[i])]++] = i;
    return Tree(std::move(begin), std::move(children), parents);
}

Tree Tree::from_children(std::span<const std::vector<std::int64_t>> children, Where where) {
    const Called here(where);
    const std::size_t n = children.size();
    std::vector<std::size_t> begin{0}, flat;
    std::vector<std::int64_t> parents(n, -1);
    for (std::size_t i = 0; i < n; ++i) {
        for (const std::int64_t number : children[i]) {
            const std::size_t child = checked("a child of " + name(i), number, n);
            if (parents[child] != -1)
                fail("Tree", name(child) + " is a child of " + name(i) + " and of " +
                                 name(static_cast<std::size_t>(parents[child])));
            parents[child] = static_cast<std::int64_t>(i);
            flat.push_back(child);
        }
        begin.push_back(flat.size());
    }
    return Tree(std::move(begin), std::move(flat), parents);
}

Tree::Tree(std::vector<std::size_t> begin, std::vector<std::size_t> children,
           std::span<const std::int64_t> parents)
    : begin_(std::move(begin)), children_(std::move(children)) {
    const std::size_t n = parents.size();
    if (n == 0) fail("Tree", "a tree must have at least one node");
    const auto root = std::find(parents.begin(), parents.end(), -1);
    std::vector<bool> reached(n);
    std::vector<std::size_t> open;
    if (root != parents.end()) {
        const auto second = std::find(root + 1, parents.end(), -1);
        root_ = static_cast<std::size_t>(root - parents.begin());
        if (second != parents.end())
            fail("Tree", name(static_cast<std::size_t>(second - parents.begin())) +
                             " is a second root; " + name(root_) + " has no parent either");
        open.push_back(root_);
    }
    while (!open.empty()) {
        const std::size_t node = open.back();
        open.pop_back();
        reached[node] = true;
        for (const std::size_t child : this->children(node)) open.push_back(child);
    }
    const auto lost = std::find(reached.begin(), reached.end(), false);
    if (lost == reached.end()) return;
    // After `nodes` steps upward the node is on the cycle that separates it from the root.
    auto node = static_cast<std::size_t>(lost - reached.begin());
    for (std::size_t i = 0; i < n; ++i) node = static_cast<std::size_t>(parents[node]);
    fail("Tree", name(node) + " is on a cycle: it is its own ancestor");
}

TreeBatch::TreeBatch(std::span<const Tree> trees) {
    std::vector<const Tree*> all;
    for (const Tree& tree : trees) all.push_back(&tree);
    add(all);
}

TreeBatch::TreeBatch(std::span<const Tree> trees, std::span<const std::size_t> which, Where where) {
    const Called here(where);
    std::vector<const Tree*> chosen;
    for (const std::size_t i : which) {
        if (i >= trees.size())
            fail("TreeBatch", "tree " + std::to_string(i) + " of " + std::to_string(trees.size()));
        chosen.push_back(&trees[i]);
    }
    add(chosen);
}

void TreeBatch::add(std::span<const Tree* const> trees) {
    struct Entry {
        Node node;
        std::size_t parent, number;
    };
    std::vector<Entry> level, below;
    for (std::size_t t = 0; t < trees.size(); ++t) {
        rows_.emplace_back(trees[t]->size());
        level.push_back({{t, trees[t]->root()}, 0, 0});
    }
    const auto is_inner = [&](const Entry& e) { return !trees[e.node.tree]->is_leaf(e.node.node); };
    while (!level.empty()) {
        const auto middle = std::stable_partition(level.begin(), level.end(), is_inner);
        const std::size_t begin = size(), n = level.size();
        Level& next = levels_.emplace_back();
        next.begin = begin;
        next.leaves = begin + static_cast<std::size_t>(middle - level.begin());
        next.end = begin + n;
        next.leaves_before = leaves_.size();
        next.inner_before = begin - leaves_.size();
        next.parents = Indices(Shape{n});
        next.numbers = Indices(Shape{n});
        below.clear();
        for (std::size_t i = 0; i < n; ++i) {
            const auto [node, parent, number] = level[i];
            const auto children = trees[node.tree]->children(node.node);
            next.parents.data()[i] = static_cast<std::int64_t>(parent);
            next.numbers.data()[i] = static_cast<std::int64_t>(number);
            rows_[node.tree][node.node] = begin + i;
            nodes_.push_back(node);
            arities_.push_back(children.size());
            if (children.empty()) leaves_.push_back(node);
            for (std::size_t k = 0; k < children.size(); ++k)
                below.push_back({{node.tree, children[k]}, i, k});
        }
        std::swap(level, below);
    }
    roots_ = Indices(Shape{trees.size()});
    for (std::size_t t = 0; t < trees.size(); ++t)
        roots_.data()[t] = static_cast<std::int64_t>(rows_[t][trees[t]->root()]);
}

void TreeBatch::check_arity(const char* operation, std::size_t least, std::size_t most) const {
    for (std::size_t row = 0; row < size(); ++row)
        if (arities_[row] > most || (arities_[row] > 0 && arities_[row] < least))
            fail(operation, name(nodes_[row].node) + " of tree " +
                                std::to_string(nodes_[row].tree) + " has " +
                                std::to_string(arities_[row]) + " children, expected " +
                                (least == most ? "" : "at most ") + std::to_string(most));
}

} // namespace unroll::nn
