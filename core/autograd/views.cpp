#include <unroll/core/autograd/tape.hpp>

#include <algorithm>

namespace unroll {

namespace {

// Whether the elements of the value are in memory as those of the view are in its buffer.
template <class T>
bool is_laid_out_as(const Tensor<T>& value, const StridedView& view) {
    if (value.layout() == view.layout) return true;
    for (std::size_t a = 0; a < value.dimension(); ++a)
        if (value.shape(a) > 1 && value.strides()[a] != view.strides()[a]) return false;
    return true;
}

[[noreturn]] void refuse_view(const Op& op) {
    fail(op, "its result is not a view of its operand: the memory differs. Operations that "
             "compute a result are recorded by record()");
}

template <class T>
void require_within(const Op& op, const Tensor<T>& base, const Tensor<T>& view) {
    if (view.size() == 0) return;
    const auto [low, high] = extent(base.shape(), base.strides());
    const auto [begin, end] = extent(view.shape(), view.strides());
    if (view.storage() != base.storage() || view.data() + begin < base.data() + low ||
        view.data() + end > base.data() + high)
        refuse_view(op);
}

// Offsets in memory of all elements, in row-major order.
template <class T>
std::vector<std::ptrdiff_t> offsets(const Tensor<T>& x) {
    std::vector<std::ptrdiff_t> all(x.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        std::size_t rest = i;
        for (std::size_t a = x.dimension(); a-- > 0; rest /= x.shape(a))
            all[i] += static_cast<std::ptrdiff_t>(rest % x.shape(a)) * x.strides()[a];
    }
    return all;
}

// The elements of base, by their row-major index, that the view consists of.
template <class T>
Indices elements_of(const Op& op, const Tensor<T>& base, const Tensor<T>& view) {
    std::vector<std::pair<std::ptrdiff_t, std::int64_t>> sorted;
    for (const std::ptrdiff_t offset : offsets(base))
        sorted.push_back({offset, static_cast<std::int64_t>(sorted.size())});
    std::sort(sorted.begin(), sorted.end());
    const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
    if (std::adjacent_find(sorted.begin(), sorted.end(), same) != sorted.end())
        fail(op, "a view of a retained value that repeats elements has no gradient; retain() a "
                 "copy of it, x + 0");
    Indices elements(view.shape());
    std::int64_t* to = elements.overwrite();
    for (const std::ptrdiff_t offset : offsets(view)) {
        const std::pair wanted(view.data() - base.data() + offset, std::int64_t{0});
        const auto found = std::lower_bound(sorted.begin(), sorted.end(), wanted);
        if (found == sorted.end() || found->first != wanted.first) refuse_view(op);
        *to++ = found->second;
    }
    return elements;
}

// The rule of a view of a value that is not laid out as its gradient.
template <class T>
class AddElements final : public Rule<T> {
public:
    explicit AddElements(Indices elements) : elements_(std::move(elements)) {}
    void run(const Adjoints<T>& to, std::span<const Variable<T>> gradients) override {
        to[0].scatter_elements(elements_, gradients[0]);
    }
    std::span<const Saved<T>> kept() const override { return {}; }

private:
    Indices elements_;
};

} // namespace

// A view shares the gradient of its base, unless the base has been retained as a view: its gradient
// is then in row-major order, but its elements are elsewhere.
template <class T>
NodeId Tape<T>::append_view(const Op& op, const Variable<T>& base, const Tensor<T>& view) {
    require_within(op, base.value(), view);
    const NodeId base_id = id_of(base);
    const bool shares = is_laid_out_as(base.value(), node(base_id).view);
    Indices elements;
    if (!shares) elements = elements_of(op, base.value(), view);

    const Variable<T>* const inputs[] = {&base};
    const NodeId id = append(op, inputs, view);
    Node<T>& n = node(id);
    const Node<T>& parent = node(base_id);
    // The address of an empty view is arbitrary.
    const std::size_t distance =
        view.size() > 0 ? static_cast<std::size_t>(std::as_const(view).data() - base.value().data())
                        : 0;
    if (parent.is_apart) {
        const auto [root, part] = m_->apart.at(base_id);
        store_apart(id, root, {part.offset + distance, view.layout()});
    }
    if (shares) {
        n.is_view = true;
        n.root = parent.root;
        n.view = {parent.view.offset + distance, view.layout()};
    }
    if (overwritten(id, base_id)) {
        --m_->size;
        fail(op, "the operand's value was overwritten by an operation in place");
    }
    if (!shares) {
        void* const memory = m_->arena.allocate(sizeof(AddElements<T>), alignof(AddElements<T>));
        set_rule(id, new (memory) AddElements<T>(std::move(elements)));
    }
    return id;
}

template <class T>
void Tape<T>::store_apart(NodeId id, NodeId root, const StridedView& part) {
    node(id).is_apart = true;
    m_->apart.insert_or_assign(id, std::pair(root, part));
}

template <class T>
void Tape<T>::retain(const Variable<T>& x, Where where) {
    const Op op("retain", where);
    if (x.is_parameter()) fail(op, "a parameter keeps its gradient: call its gradient()");
    x.require_value(op);
    if (!x.is_recorded()) fail(op, "a constant has no gradient");
    const NodeId id = require(op, x);
    Node<T>& n = node(id);
    if (node(n.operation).is_used_up) fail(op, "backward has already run; call retain before it");
    if (n.is_view && n.rule == nullptr) {
        // A view has no gradient of its own; this rule turns it into a node with one.
        class PassOn final : public Rule<T> {
        public:
            PassOn(NodeId root, const StridedView& part) : root_(root), part_(part) {}
            void run(const Adjoints<T>& to, std::span<const Variable<T>> gradients) override {
                if (to.accumulator().needs(root_))
                    Adjoint<T>(to.accumulator(), root_, part_).add(gradients[0]);
            }
            std::span<const Saved<T>> kept() const override { return {}; }

        private:
            NodeId root_;
            StridedView part_;
        };
        void* memory = m_->arena.allocate(sizeof(PassOn), alignof(PassOn));
        set_rule(id, new (memory) PassOn(n.root, n.view));
        store_apart(id, n.root, n.view);
        n.is_view = false;
        n.root = id;
        n.view = StridedView::whole(n.view.shape());
    }
    slot_for_gradient(id);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template NodeId Tape<T>::append_view(const Op&, const Variable<T>&, const Tensor<T>&);         \
    template void Tape<T>::store_apart(NodeId, NodeId, const StridedView&);                        \
    template void Tape<T>::retain(const Variable<T>&, Where);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
