#pragma once

#include <unroll/core/graph/operands.hpp>
#include <unroll/core/graph/scopes.hpp>

#include <unordered_map>

namespace unroll::graph::detail {

// The links between the items of a model, by tracing each operand back through views and buffers to
// the operation that computed it.
template <class T>
class Links {
public:
    // `item_of`: per node; `constant_of`: per key of a constant; `names`: of nodes.
    Links(const Tape<T>& tape, const Options& options, const DrawnScopes<T>& scopes,
          const Operands<T>& operands, const std::vector<std::uint32_t>& item_of,
          const std::unordered_map<std::uint64_t, std::uint32_t>& constant_of,
          const std::unordered_map<NodeId, const char*>& names)
        : tape_(tape), options_(options), scopes_(scopes), operands_(operands), item_of_(item_of),
          constant_of_(constant_of), names_(names) {}

    // Also marks items whose results are used.
    void add_to(Model& model);

private:
    struct Writer {
        NodeId node;
        std::size_t low, high;
    };
    struct End {
        NodeId from, rows; // `rows`: the node that reads the whole, of a buffer for example
        NodeId input, to;
        std::uint32_t number;
    };

    const Node<T>& node(NodeId id) const { return tape_.node(id); }
    void find_writers();
    std::pair<std::size_t, std::size_t> span_of(NodeId id) const;
    std::vector<NodeId> writers_of(NodeId buffer, NodeId input, NodeId to) const;
    void link_constant(const ConstantUse& use);
    void trace(NodeId input, NodeId to, std::uint32_t number);
    void link(const End& end, const std::vector<std::string>& views);
    std::string view_name(NodeId id) const;
    std::string state(NodeId from, NodeId view) const;
    void label_distances();

    const Tape<T>& tape_;
    const Options& options_;
    const DrawnScopes<T>& scopes_;
    const Operands<T>& operands_;
    const std::vector<std::uint32_t>& item_of_;
    const std::unordered_map<std::uint64_t, std::uint32_t>& constant_of_;
    const std::unordered_map<NodeId, const char*>& names_;
    Model* model_ = nullptr;
    std::unordered_map<NodeId, std::vector<Writer>> writers_; // per buffer
    std::unordered_map<Key, std::size_t> link_of_;
    std::vector<NodeId> reader_;         // per link: its first reader
    std::vector<std::int64_t> farthest_; // per link: number of steps; 0: varies
};

} // namespace unroll::graph::detail
