#pragma once

#include <unroll/core/graph/operands.hpp>
#include <unroll/core/graph/parts.hpp>
#include <unroll/core/graph/scopes.hpp>

#include <unordered_map>
#include <unordered_set>

namespace unroll::graph::detail {

// The links between the items of a model, by tracing each operand back through views and buffers to
// the operation that computed it.
template <class T>
class Links {
public:
    struct Sources {
        const Tape<T>& tape;
        const Options& options;
        const DrawnScopes<T>& scopes;
        const Operands<T>& operands;
        const Writers<T>& writers;
        const Highlights<T>& highlights;
        const std::vector<std::uint32_t>& item_of;                           // per node
        const std::unordered_map<std::uint64_t, std::uint32_t>& constant_of; // per key
        const std::unordered_map<NodeId, const char*>& names;                // of views, on edges
    };
    explicit Links(const Sources& sources) : in_(sources) {}

    // Also marks items whose results are used.
    void add_to(Model& model);

private:
    // A view that an edge passes through.
    struct View {
        NodeId id;
        std::string name;
        ViewPart part;
    };
    using Chain = std::vector<View>; // from the reader to the operation
    struct Reader {
        NodeId input; // what it reads
        NodeId to;
        std::uint32_t number; // of the operand
    };
    // What is known of a link while others are merged into it.
    struct Found {
        NodeId first, last;        // readers
        std::vector<Chain> chains; // of the first reader
        std::size_t next = 0;      // number of the last reader's chain
        bool varies = false;       // later readers have other parts
        std::int64_t steps = 0;    // 0: varies
    };

    const Node<T>& node(NodeId id) const { return in_.tape.node(id); }
    void link_constant(const ConstantUse& use);
    void trace(NodeId from, NodeId rows, Chain views, const Reader& reader);
    void trace_writers(NodeId buffer, NodeId part, NodeId rows, const Chain& views,
                       const Reader& reader);
    void link(NodeId from, NodeId whole, const Chain& views, const Reader& reader);
    void note_receiver(NodeId to, std::uint32_t item);
    std::string view_name(NodeId id) const;
    std::string state(NodeId from, NodeId view) const;
    static bool are_alike(const Chain& a, const Chain& b);
    static std::string text_of_views(const Found& found, bool varies);
    void finish();

    const Sources in_;
    Model* model_ = nullptr;
    std::unordered_map<Key, std::size_t> link_of_;
    std::vector<Found> found_;                                // per link
    std::unordered_map<std::uint32_t, NodeId> receivers_;     // per item: its first node with links
    std::unordered_set<std::uint32_t> has_several_receivers_; // whose operands are not the call's
};

} // namespace unroll::graph::detail
