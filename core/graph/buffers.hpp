#pragma once

#include <unroll/core/autograd/tape.hpp>

#include <unordered_map>
#include <vector>

namespace unroll::graph::detail {

// A view, or an operation whose result is its operand: edges pass through it.
template <class T>
bool is_passed(const Node<T>& n) {
    return n.input_count == 1 &&
           (n.notation == Notation::same || (n.is_view && n.rule == nullptr && !n.is_used_up));
}
template <class T>
bool is_buffer(const Node<T>& n) {
    return n.input_count == 0 && n.rows != no_node;
}

// The operations that stored their results in the buffers of a tape, and where.
template <class T>
class Writers {
public:
    explicit Writers(const Tape<T>& tape);

    // Those before node `end` of whose results the part has elements, in the order of their place.
    std::vector<NodeId> of(NodeId buffer, const StridedView& part, NodeId end) const;

private:
    struct Writer {
        NodeId node;
        std::size_t low, high; // its memory extent
    };

    const Tape<T>& tape_;
    std::unordered_map<NodeId, std::vector<Writer>> writers_; // per buffer
};

} // namespace unroll::graph::detail
