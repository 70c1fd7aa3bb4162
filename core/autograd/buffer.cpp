#include <unroll/core/autograd/buffer.hpp>

#include <algorithm>

namespace unroll {

// Reads the rows as last written, unlike a view of a handle older than those writes.
template <class T>
NodeId Tape<T>::append_rows(const Variable<T>& buffer, const Tensor<T>& view) {
    const Variable<T>* const inputs[] = {&buffer};
    const NodeId id = append(Op::unplaced("rows"), inputs, view);
    Node<T>& n = node(id);
    n.is_view = true;
    n.root = buffer.node();
    const std::size_t offset =
        view.size() > 0
            ? static_cast<std::size_t>(std::as_const(view).data() - buffer.value().data())
            : 0;
    n.view = {offset, view.layout()};
    return id;
}

template <class T>
NodeId Tape<T>::append_buffer(const Shape& shape) {
    Node<T>& n = append_node(Op::unplaced("buffer"));
    n.view = StridedView::whole(shape);
    const auto id = static_cast<NodeId>(m_->size - 1);
    place(id, no_node, n.view);
    return id;
}

template <class T>
std::pair<std::size_t, std::size_t> Tape<T>::rows_of(const Node<T>& root, const StridedView& part) {
    const Shape& shape = root.view.shape();
    const std::size_t row = shape.empty() || shape[0] == 0 ? 1 : element_count(shape) / shape[0];
    const auto [low, high] = extent(part);
    if (low == high || row == 0) return {0, 0};
    return {low / row, (high - 1) / row + 1};
}

// With `root` = no_node, the node becomes a buffer with no row written yet.
template <class T>
void Tape<T>::place(NodeId id, NodeId root, const StridedView& view) {
    const bool fresh = root == no_node;
    Node<T>& owner = node(fresh ? id : root);
    auto& records = m_->rows;
    if (owner.rows == no_node) {
        if (m_->rows_used == records.size()) records.emplace_back();
        owner.rows = static_cast<std::uint32_t>(m_->rows_used++);
        const std::size_t rows = owner.view.shape().empty() ? 1 : owner.view.shape()[0];
        records[owner.rows].assign(rows, fresh ? no_node : 0);
    }
    if (fresh) return;
    Node<T>& n = node(id);
    n.is_view = true;
    n.root = root;
    n.view = view;
    const auto [begin, end] = rows_of(owner, view);
    for (std::size_t row = begin; row < end; ++row) records[owner.rows][row] = id;
}

template <class T>
bool Tape<T>::any_row_written(NodeId buffer, std::size_t begin, std::size_t end) const {
    const auto rows = std::span(m_->rows[node(buffer).rows]).subspan(begin, end - begin);
    return std::any_of(rows.begin(), rows.end(), [](NodeId writer) { return writer != no_node; });
}

template <class T>
bool Tape<T>::is_written(NodeId buffer, const StridedView& part) const {
    const auto [begin, end] = rows_of(node(buffer), part);
    return any_row_written(buffer, begin, end);
}

template <class T>
bool Tape<T>::row_overwritten(NodeId id, NodeId since) const {
    const Node<T>& n = node(id);
    const auto [root_id, part] = n.is_apart ? m_->apart.at(id) : std::pair(n.root, n.view);
    const Node<T>& root = node(root_id);
    if (root.rows == no_node) return false;
    const auto [begin, end] = rows_of(root, part);
    for (std::size_t row = begin; row < end; ++row) {
        const NodeId writer = m_->rows[root.rows][row];
        if (writer != no_node && writer > since) return true;
    }
    return false;
}

template <class T>
Buffer<T>::Buffer(const Variable<T>& like, const Shape& shape) : memory_(shape) {
    if (Tape<T>* const tape = Tape<T>::recording(like))
        whole_ = tape->handle(memory_, tape->append_buffer(shape));
}

template <class T>
OutputSlot<T> Buffer<T>::slot_at(Tensor<T> memory, std::size_t begin) const {
    OutputSlot<T> slot{std::move(memory), whole_.node(), {}};
    const std::size_t row = memory_.size() / std::max<std::size_t>(memory_.shape(0), 1);
    slot.view = {begin * row, slot.memory.layout()};
    if (whole_.is_recorded()) slot.tape_slot = whole_.body()->slot;
    slot.lost = &lost_;
    return slot;
}

template <class T>
OutputSlot<T> Buffer<T>::row(std::size_t index) const {
    return slot_at(memory_.select(0, index), index);
}

template <class T>
OutputSlot<T> Buffer<T>::part(std::size_t begin, std::size_t end) const {
    return slot_at(memory_.slice(0, begin, end), begin);
}

template <class T>
bool Buffer<T>::holds(const OutputSlot<T>& slot, const Variable<T>& x) const {
    const Tensor<T>&a = x.value(), &b = slot.memory;
    if (a.storage() != b.storage() || a.data() != b.data() || a.shape() != b.shape() ||
        a.strides() != b.strides())
        return false;
    if (!whole_.is_recorded()) return true;
    return x.is_recorded() ? x.body()->slot == slot.tape_slot
                           : !whole_.tape()->is_written(whole_.node(), slot.view);
}

template <class T>
Variable<T> Buffer<T>::rows(std::size_t begin, std::size_t end) const {
    Tensor<T> view = memory_.slice(0, begin, end);
    Tape<T>* const tape = whole_.tape();
    if (tape == nullptr || (view.size() > 0 && !tape->any_row_written(whole_.node(), begin, end))) {
        Variable<T> constant(std::move(view));
        constant.body()->lost = lost_;
        return constant;
    }
    if (view.size() > 0 && lost_ == Lost::in_gradient)
        fail("Buffer",
             "a part of it was computed from a gradient that was not recorded, or within a "
             "checkpoint and not as its result, so the derivative would be lost");
    const NodeId id = tape->append_rows(whole_, view);
    return tape->handle(std::move(view), id);
}

template <class T>
OutputSlot<T> in_place_of(const Op& op, const Variable<T>& x) {
    Tape<T>* tape = x.tape();
    if (tape == nullptr) return {x.value(), no_node, {}};
    const Node<T>& n = tape->node(x.node());
    const Node<T>& root = tape->node(n.root);
    if (n.is_apart)
        fail(op,
             "a retained view, or a view of one, cannot be overwritten; retain() another value");
    if (root.parameter != nullptr || root.is_leaf())
        fail(op, "only the result of an operation can be overwritten");
    return {x.value(), n.root, n.view};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template NodeId Tape<T>::append_rows(const Variable<T>&, const Tensor<T>&);                    \
    template NodeId Tape<T>::append_buffer(const Shape&);                                          \
    template std::pair<std::size_t, std::size_t> Tape<T>::rows_of(const Node<T>&,                  \
                                                                  const StridedView&);             \
    template void Tape<T>::place(NodeId, NodeId, const StridedView&);                              \
    template bool Tape<T>::any_row_written(NodeId, std::size_t, std::size_t) const;                \
    template bool Tape<T>::is_written(NodeId, const StridedView&) const;                           \
    template bool Tape<T>::row_overwritten(NodeId, NodeId) const;                                  \
    template class Buffer<T>;                                                                      \
    template OutputSlot<T> in_place_of(const Op&, const Variable<T>&);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
