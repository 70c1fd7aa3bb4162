#include <unroll/core/graph/buffers.hpp>

#include <algorithm>
#include <optional>
#include <tuple>

namespace unroll::graph::detail {

namespace {

struct Range {
    std::size_t begin, end;
};

// The indices that a part has along each axis of its row-major buffer; none if it is no block.
std::optional<std::vector<Range>> block(const Shape& buffer, const StridedView& part) {
    std::vector<Range> ranges;
    std::size_t rest = part.offset, stride = element_count(buffer);
    std::vector<std::size_t> strides;
    for (const std::size_t extent : buffer) {
        stride /= std::max<std::size_t>(extent, 1);
        strides.push_back(stride);
        const std::size_t at = stride > 0 ? rest / stride : 0;
        ranges.push_back({at, at + 1});
        rest -= at * stride;
    }
    for (std::size_t a = 0; a < part.shape().size(); ++a) {
        if (part.shape()[a] == 1 || part.strides()[a] == 0) continue;
        std::size_t axis = 0;
        while (axis < buffer.size() &&
               (buffer[axis] == 1 || strides[axis] != static_cast<std::size_t>(part.strides()[a])))
            ++axis;
        if (axis == buffer.size()) return {};
        ranges[axis].end += part.shape()[a] - 1;
    }
    for (std::size_t a = 0; a < buffer.size(); ++a)
        if (ranges[a].end > buffer[a]) return {};
    return ranges;
}

bool overlap(const Shape& buffer, const StridedView& a, const StridedView& b) {
    const auto in_a = block(buffer, a), in_b = block(buffer, b);
    if (!in_a || !in_b) return true; // their memory extents overlap
    for (std::size_t axis = 0; axis < buffer.size(); ++axis)
        if ((*in_a)[axis].end <= (*in_b)[axis].begin || (*in_b)[axis].end <= (*in_a)[axis].begin)
            return false;
    return true;
}

} // namespace

template <class T>
Writers<T>::Writers(const Tape<T>& tape) : tape_(tape) {
    for (NodeId id = 0; id < tape.size(); ++id) {
        const Node<T>& n = tape.node(id);
        const bool is_view = is_passed(n) && n.notation != Notation::same;
        if (n.root == id || is_view || !is_buffer(tape.node(n.root)) || n.view.size() == 0)
            continue;
        const auto [low, high] = extent(n.view);
        writers_[n.root].push_back({id, low, high});
    }
    for (auto& [buffer, all] : writers_)
        std::sort(all.begin(), all.end(), [](const Writer& a, const Writer& b) {
            return std::tie(a.low, a.node) < std::tie(b.low, b.node);
        });
}

template <class T>
std::vector<NodeId> Writers<T>::of(NodeId buffer, const StridedView& part, NodeId end) const {
    const auto found = writers_.find(buffer);
    if (found == writers_.end() || part.size() == 0) return {};
    const std::vector<Writer>& all = found->second;
    const auto [low, high] = extent(part);
    const Shape& shape = tape_.node(buffer).view.shape();
    auto w = std::partition_point(all.begin(), all.end(),
                                  [low = low](const Writer& w) { return w.high <= low; });
    std::vector<NodeId> writers;
    for (; w != all.end() && w->low < high; ++w)
        if (w->node < end && overlap(shape, tape_.node(w->node).view, part))
            writers.push_back(w->node);
    return writers;
}

template class Writers<float>;
template class Writers<double>;

} // namespace unroll::graph::detail
