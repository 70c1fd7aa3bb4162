#pragma once

#include <unroll/core/graph/highlights.hpp>
#include <unroll/core/graph/model.hpp>

#include <unordered_map>

namespace unroll::graph::detail {

using Key = std::uint64_t;

inline Key mix(Key a, Key b) {
    a ^= b + 0x9e3779b97f4a7c15u + (a << 6) + (a >> 2);
    a *= 0xff51afd7ed558ccdu;
    return a ^ (a >> 32);
}

// One or more scopes of the tape that a picture treats as one: a numbered scope that was entered
// several times, or a scope of the backward pass.
struct DrawnScope {
    std::uint32_t parent = 0;
    Key name = 0;
    std::int64_t index = Scope::no_index;
    bool is_step = false;
    bool is_backward = false;
    bool folds = false;
    Key structure = 0;                 // hash of the operations in it and in its children
    std::uint32_t representative = 0;  // the scope that is drawn instead
    std::uint32_t first = 0;           // index of its first scope on the tape
    std::uint32_t parameter_scope = 0; // where parameters first used here are drawn
};

// The scopes of a tape, for drawing: which nodes are drawn, in which scope each was recorded, and
// which scopes have the same structure.
template <class T>
class DrawnScopes {
public:
    // The scopes of a whole tape, or of the nodes from which `of` was computed.
    DrawnScopes(const Tape<T>& tape, NodeId of, const Options& options,
                const Highlights<T>& highlights);

    std::size_t size() const { return scopes_.size(); }
    const DrawnScope& operator[](std::uint32_t scope) const { return scopes_[scope]; }
    std::uint32_t scope_of(NodeId id) const;
    // The drawn scope that represents a scope of the tape.
    std::uint32_t drawn(std::uint32_t scope) const { return scope_of_[scope]; }
    // The scope in which a constant or parameter operand of the node is drawn: outside of steps.
    std::uint32_t parameter_scope_of(NodeId id) const { return operand_scope(node(id).scope); }
    // The same for a scope of the tape.
    std::uint32_t operand_scope(std::uint32_t scope) const {
        return scopes_[scopes_[scope_of_[scope]].parameter_scope].representative;
    }

    // False for what edges pass through, such as views, for all but the first output of an
    // operation, and for all but the first operation of a Composite.
    bool is_drawn(NodeId id) const;
    bool is_view(NodeId id) const { return is_passed(node(id)); }
    bool is_selected(NodeId id) const { return selected_[id]; }
    // The node that is drawn for a part of a Composite; otherwise, the node itself.
    NodeId representative(NodeId id) const;
    bool is_buffer(NodeId id) const { return detail::is_buffer(node(id)); }
    bool is_parameter(NodeId id) const { return node(id).parameter != nullptr; }
    // The number of steps between two nodes of a series; 0 within one step and outside any series.
    // If one drawn scope represents all steps of the series, `series` receives it.
    std::int64_t steps_between(NodeId from, NodeId to, std::uint32_t& series) const;

private:
    const Node<T>& node(NodeId id) const { return tape_.node(id); }
    void select_nodes(NodeId of);
    void find_composites();
    void merge_scopes();
    void choose_folded();
    void draw_apart(NodeId id);
    void hash_structure();
    void find_representatives();

    const Tape<T>& tape_;
    const Options& options_;
    std::vector<bool> selected_;                           // per node
    std::unordered_map<std::uint64_t, NodeId> composites_; // the first operation of each
    std::vector<DrawnScope> scopes_;
    std::vector<std::uint32_t> scope_of_; // per scope of the tape
};

} // namespace unroll::graph::detail
