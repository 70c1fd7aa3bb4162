#pragma once

#include <unroll/core/graph/buffers.hpp>
#include <unroll/core/graph/graph.hpp>
#include <unroll/core/graph/parts.hpp>

#include <string>
#include <unordered_map>
#include <vector>

namespace unroll::graph::detail {

// Whether a constant or tensor that was used is the highlighted one.
bool is_of(const ConstantUse& use, const Highlight& value);

// The highlighted values of a tape: the operations that computed them, or the views by which they
// are parts of a result, and the scopes to draw separately, so that no other step is coloured.
template <class T>
class Highlights {
public:
    // Throws Error for a variable of another tape.
    Highlights(const Tape<T>& tape, const Options& options, const Writers<T>& writers);

    struct Operation {
        NodeId node;
        const std::string* color;
        std::string part = {};         // which of its elements: "select 3"; empty: all
        bool is_drawn_as_edge = false; // by which operations read this part
    };
    const std::vector<Operation>& operations() const { return operations_; }
    // The colour of a view of a part; null if there is none.
    const std::string* color_of_view(NodeId id) const;
    // Whether a constant is one of them.
    bool has(const ConstantUse& use) const;
    // Nodes whose steps are drawn separately.
    const std::vector<NodeId>& apart() const { return apart_; }

private:
    void add(const Highlight& value, const Writers<T>& writers);
    // Whether there are any.
    bool set_readers_apart(NodeId view);
    std::uint32_t step_of(NodeId id) const;

    const Tape<T>& tape_;
    const Options& options_;
    std::vector<Operation> operations_;
    std::unordered_map<NodeId, const std::string*> views_;
    std::vector<NodeId> apart_;
};

} // namespace unroll::graph::detail
