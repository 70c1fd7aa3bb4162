#pragma once

#include <unroll/core/tensor/tensor.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace unroll::nn {

// A rooted tree of nodes numbered from 0. However deep it is, nothing here recurses.
class Tree {
public:
    // The parent of every node, -1 for the root; children stand in the order of their numbers.
    static Tree from_parents(std::span<const std::int64_t> parents);
    // The children of every node, in their order.
    static Tree from_children(std::span<const std::vector<std::int64_t>> children);
    // Both throw Error, naming the node, for a number that is no node, a node with two parents, a
    // cycle, a second root, and for no nodes at all.

    std::size_t size() const { return begin_.size() - 1; }
    std::size_t root() const { return root_; }
    std::span<const std::size_t> children(std::size_t node) const {
        return std::span(children_).subspan(begin_[node], begin_[node + 1] - begin_[node]);
    }
    bool is_leaf(std::size_t node) const { return begin_[node] == begin_[node + 1]; }

private:
    Tree(std::vector<std::size_t> begin, std::vector<std::size_t> children,
         std::span<const std::int64_t> parents);

    std::vector<std::size_t> begin_;    // by node: where its children begin
    std::vector<std::size_t> children_; // of one node after the other
    std::size_t root_ = 0;
};

// The nodes of several trees as rows of one matrix, by their depth: the roots' level first. The
// children of a level are then exactly the level below, so that one product computes a level of all
// trees, upwards as well as downwards, and there are as many levels as the deepest tree has.
class TreeBatch {
public:
    struct Node {
        std::size_t tree, node;
    };
    // Rows [begin, leaves) have children, rows [leaves, end) have none.
    struct Level {
        std::size_t begin, leaves, end;
        std::size_t inner_before, leaves_before; // in the levels above
        Indices parents; // by row: its parent's place in the level above; of the roots: none
        Indices numbers; // by row: which of its parent's children it is

        std::size_t inner() const { return leaves - begin; }
        std::size_t size() const { return end - begin; }
    };

    explicit TreeBatch(std::span<const Tree> trees);
    // Those of `trees` with these numbers.
    TreeBatch(std::span<const Tree> trees, std::span<const std::size_t> which);

    std::size_t size() const { return nodes_.size(); } // nodes, and rows
    const std::vector<Level>& levels() const { return levels_; }
    // By row: which node of which tree of the batch. Inputs and labels are put in this order.
    std::span<const Node> nodes() const { return nodes_; }
    // The nodes without children, in the order of their rows.
    std::span<const Node> leaves() const { return leaves_; }
    std::size_t row(std::size_t tree, std::size_t node) const { return rows_[tree][node]; }
    // By tree: the row of its root.
    const Indices& roots() const { return roots_; }

    // Throws Error, naming the node, where one has other than 0 or [least, most] children.
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
