#pragma once

#include <unroll/core/tensor/tensor.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace unroll::nn {

// A rooted tree of nodes numbered from 0. No recursion, so depth is not limited by the stack.
class Tree {
public:
    // The parent of every node, -1 for the root; children are sorted by number.
    static Tree from_parents(std::span<const std::int64_t> parents, Where where = Where::current());
    // The children of every node, in their order.
    static Tree from_children(std::span<const std::vector<std::int64_t>> children,
                              Where where = Where::current());
    // Both throw Error, naming the node, for an invalid node number, a node with two parents, a
    // cycle, a second root, and an empty tree.

    std::size_t size() const { return begin_.size() - 1; }
    std::size_t root() const { return root_; }
    std::span<const std::size_t> children(std::size_t node) const {
        return std::span(children_).subspan(begin_[node], begin_[node + 1] - begin_[node]);
    }
    bool is_leaf(std::size_t node) const { return begin_[node] == begin_[node + 1]; }

private:
    Tree(std::vector<std::size_t> begin, std::vector<std::size_t> children,
         std::span<const std::int64_t> parents);

    std::vector<std::size_t> begin_;    // per node: index of its first child
    std::vector<std::size_t> children_; // of all nodes, concatenated
    std::size_t root_ = 0;
};

// The nodes of several trees as rows of one matrix, sorted by depth, roots first. The children of a
// level are exactly the next level, so one product computes a level of all trees, upward or
// downward. The number of levels is that of the deepest tree.
class TreeBatch {
public:
    struct Node {
        std::size_t tree, node;
    };
    // Rows [begin, leaves) have children, rows [leaves, end) have none.
    struct Level {
        std::size_t begin, leaves, end;
        std::size_t inner_before, leaves_before; // in the levels above
        Indices parents; // per row: index of its parent in the level above; empty for roots
        Indices numbers; // per row: its index among the children of its parent

        std::size_t inner() const { return leaves - begin; }
        std::size_t size() const { return end - begin; }
    };

    explicit TreeBatch(std::span<const Tree> trees);
    // The trees with indices `which`.
    TreeBatch(std::span<const Tree> trees, std::span<const std::size_t> which,
              Where where = Where::current());

    std::size_t size() const { return nodes_.size(); } // number of nodes, and of rows
    const std::vector<Level>& levels() const { return levels_; }
    // Per row: the node and its tree in the batch. Inputs and labels must be in this order.
    std::span<const Node> nodes() const { return nodes_; }
    // The nodes without children, in row order.
    std::span<const Node> leaves() const { return leaves_; }
    std::size_t row(std::size_t tree, std::size_t node) const { return rows_[tree][node]; }
    // Per tree: the row of its root.
    const Indices& roots() const { return roots_; }

    // Throws Error, naming the node, if one has a number of children other than 0 or in [least,
    // most].
    void check_arity(const char* operation, std::size_t least, std::size_t most) const;

private:
    void add(std::span<const Tree* const> trees);

    std::vector<Level> levels_;
    std::vector<Node> nodes_, leaves_;
    std::vector<std::vector<std::size_t>> rows_;
    std::vector<std::size_t> arities_; // by row
    Indices roots_;
};

} // namespace unroll::nn
