#pragma once

#include <unroll/core/graph/model.hpp>

namespace unroll::graph::detail {

using Key = std::uint64_t;

inline Key mix(Key a, Key b) {
    a ^= b + 0x9e3779b97f4a7c15u + (a << 6) + (a >> 2);
    a *= 0xff51afd7ed558ccdu;
    return a ^ (a >> 32);
}

// A scope as the pictures see it.
struct Place {
    std::uint32_t parent = 0;
    Key name = 0;
    std::int64_t index = Scope::no_index;
    bool is_step = false;
    bool is_backward = false;
    bool folds = false;
    Key structure = 0;        // of all that is in it
    std::uint32_t like = 0;   // the place that it is drawn as
    std::uint32_t first = 0;  // the scope that it was made from
    std::uint32_t lifted = 0; // the place of parameters that were first met here
};

// What of a tape is drawn, in which place each of it was recorded, and which places look alike.
template <class T>
class Places {
public:
    // Of a whole tape, or of what the node `of` was computed from.
    Places(const Tape<T>& tape, NodeId of, const Options& options);

    std::size_t size() const { return places_.size(); }
    const Place& operator[](std::uint32_t place) const { return places_[place]; }
    std::uint32_t place_of(NodeId id) const;

    // Views are drawn as labels, further outputs as the operation.
    bool is_drawn(NodeId id) const;
    bool is_buffer(NodeId id) const;
    bool is_parameter(NodeId id) const { return node(id).parameter != nullptr; }
    // How many steps a tensor is carried, 0 within a step and outside series. `series` becomes the
    // place that these steps are drawn as, if that is one.
    std::int64_t steps_between(NodeId from, NodeId to, std::uint32_t& series) const;

private:
    const Node<T>& node(NodeId id) const { return tape_.node(id); }
    bool is_view(NodeId id) const;
    void choose(NodeId of);
    void find_places();
    void find_folding();
    void find_structure();
    void find_likeness();

    const Tape<T>& tape_;
    const Options& options_;
    std::vector<bool> wanted_; // by node
    std::vector<Place> places_;
    std::vector<std::uint32_t> place_of_; // by scope
};

} // namespace unroll::graph::detail
