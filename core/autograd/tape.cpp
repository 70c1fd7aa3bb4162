#include <unroll/core/autograd/record.hpp>
#include <unroll/core/autograd/tape.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>

namespace unroll {

namespace {

std::atomic<std::uint64_t> generations{0};

// Slots are used again but never freed: a variable may outlive its tape.
template <class T>
struct Slots {
    std::mutex mutex;
    std::vector<TapeSlot<T>*> free;

    static Slots& all() {
        static Slots* const slots = new Slots;
        return *slots;
    }
};

template <class T>
std::size_t hash(const Parameter<T>* parameter) {
    return (reinterpret_cast<std::uintptr_t>(parameter) >> 4) * 0x9e3779b97f4a7c15u >> 20;
}

} // namespace

template <class T>
Tape<T>* Variable<T>::tape() const {
    if (slot_ == nullptr) return nullptr;
    if (slot_->tape == nullptr || slot_->generation != generation_)
        fail("Variable", "its tape was cleared or destroyed");
    return slot_->tape;
}

template <class T>
Tape<T>::Tape() : leaves_(64) {
    auto& slots = Slots<T>::all();
    const std::lock_guard lock(slots.mutex);
    if (slots.free.empty()) {
        slot_ = new TapeSlot<T>;
    } else {
        slot_ = slots.free.back();
        slots.free.pop_back();
    }
    slot_->tape = this;
    slot_->generation = ++generations;
}

template <class T>
Tape<T>::~Tape() {
    clear();
    while (monitors_ != nullptr) {
        monitors_->tape_ = nullptr;
        monitors_ = monitors_->next_;
    }
    slot_->tape = nullptr;
    slot_->generation = 0;
    auto& slots = Slots<T>::all();
    const std::lock_guard lock(slots.mutex);
    slots.free.push_back(slot_);
}

template <class T>
void Tape<T>::clear() {
    deferred_.clear();
    for (NodeId id = 0; id < size_; ++id) {
        Node<T>& n = node(id);
        if (n.rule != nullptr) n.rule->~Rule();
        n.rule = nullptr;
        release_gradient(n);
    }
    size_ = 0;
    arena_.reset();
    recent_ = {};
    scopes_.clear();
    std::fill(leaves_.begin(), leaves_.end(), std::pair<const Parameter<T>*, NodeId>{nullptr, 0});
    leaf_order_.clear();
    retained_.clear();
    names_.clear();
    rows_used_ = 0;
    slot_->generation = ++generations;
    tell([](Monitor<T>& m) { m.cleared(); });
}

template <class T>
Node<T>& Tape<T>::append_node(const Op& op) {
    if (size_ == chunks_.size() * chunk) chunks_.push_back(std::make_unique<Node<T>[]>(chunk));
    const auto id = static_cast<NodeId>(size_++);
    Node<T>& n = node(id);
    n = Node<T>();
    n.op = op;
    n.root = n.operation = id;
    n.scope = recording_scope_ != no_scope_ ? recording_scope_ : scope_id(Scope::current());
    return n;
}

template <class T>
std::uint32_t Tape<T>::scope_id(Scope* scope) {
    if (scopes_.empty()) scopes_.push_back({0, "", Scope::no_index});
    if (scope == nullptr) return 0;
    if (scope->mark.generation == slot_->generation) return scope->mark.id;
    const std::uint32_t parent = scope_id(scope->parent());
    char* name = arena_.array<char>(scope->name().size());
    std::copy(scope->name().begin(), scope->name().end(), name);
    const auto id = static_cast<std::uint32_t>(scopes_.size());
    scopes_.push_back({parent, std::string_view(name, scope->name().size()), scope->index()});
    scope->mark = {slot_->generation, id};
    return id;
}

template <class T>
std::string Tape<T>::path(std::uint32_t scope, bool numbered_steps) const {
    if (scope == 0 || scope >= scopes_.size()) return {};
    const ScopeEntry& entry = scopes_[scope];
    std::string text = path(entry.parent, numbered_steps);
    if (!text.empty()) text += '.';
    text += entry.name;
    if (entry.index != Scope::no_index && (numbered_steps || !entry.is_step()))
        text += std::to_string(entry.index);
    return text;
}

template <class T>
std::int64_t Tape<T>::time_step(std::uint32_t scope) const {
    while (scope != 0 && !scopes_[scope].is_step()) scope = scopes_[scope].parent;
    return scope != 0 ? scopes_[scope].index : Scope::no_index;
}

template <class T>
std::uint32_t Tape<T>::around_steps(std::uint32_t scope) const {
    std::uint32_t around = scope;
    for (std::uint32_t s = scope; s != 0; s = scopes_[s].parent)
        if (scopes_[s].is_step()) around = scopes_[s].parent;
    return around;
}

template <class T>
const Region* Tape<T>::whole(const Shape& shape) {
    const std::size_t last = shape.empty() ? 0 : shape.front() + 5 * shape.back();
    const Region*& recent = recent_[(last + 3 * shape.size()) % recent_.size()];
    if (recent == nullptr || recent->shape != shape)
        recent = new (arena_.array<Region>(1)) Region(Region::whole(shape));
    return recent;
}

template <class T>
Saved<T> Tape<T>::save(const Variable<T>& x) {
    const Tensor<T>& value = x.value();
    const NodeId id = id_of(x);
    const Region* layout = id == no_node ? whole(value.shape()) : node(id).region;
    if (layout->shape != value.shape() || layout->strides != value.strides())
        layout = new (arena_.array<Region>(1)) Region{0, value.shape(), value.strides()};
    const StorageRef& storage = value.storage();
    return {storage, const_cast<T*>(value.data()), layout, id, storage ? storage->version() : 0};
}

template <class T>
Variable<T> Tape<T>::variable(Tensor<T> value, const char* name) {
    if (!value.is_contiguous()) value = value.copy();
    append_node(name).region = whole(value.shape());
    return handle(std::move(value), static_cast<NodeId>(size_ - 1));
}

template <class T>
Variable<T> Tape<T>::attach(const Variable<T>& x) {
    if (x.parameter() != nullptr && recording_) return handle(x.value(), leaf(*x.parameter()));
    if (x.slot() == nullptr) return constant(x.value());
    require("attach", x);
    return x;
}

template <class T>
NodeId Tape<T>::leaf(const Parameter<T>& parameter) {
    std::size_t at = hash(&parameter) % leaves_.size();
    while (leaves_[at].first != nullptr) {
        if (leaves_[at].first == &parameter) return leaves_[at].second;
        at = (at + 1) % leaves_.size();
    }
    Node<T>& n = append_node("parameter");
    n.region = whole(parameter.shape());
    n.parameter = &parameter;
    const auto id = static_cast<NodeId>(size_ - 1);
    leaves_[at] = {&parameter, id};
    leaf_order_.push_back(id);
    if (leaf_order_.size() * 2 > leaves_.size()) {
        std::vector<std::pair<const Parameter<T>*, NodeId>> larger(leaves_.size() * 2);
        for (const auto& entry : leaves_) {
            if (entry.first == nullptr) continue;
            std::size_t to = hash(entry.first) % larger.size();
            while (larger[to].first != nullptr) to = (to + 1) % larger.size();
            larger[to] = entry;
        }
        leaves_ = std::move(larger);
    }
    return id;
}

template <class T>
NodeId Tape<T>::id_of(const Variable<T>& x) {
    if (x.parameter() != nullptr) return leaf(*x.parameter());
    return x.node();
}

template <class T>
NodeId Tape<T>::require(const Op& op, const Variable<T>& x) const {
    if (x.slot() != slot_)
        fail(op, x.slot() ? "the variable belongs to another tape" : "the value is on no tape");
    if (x.generation() != slot_->generation)
        fail(op, "the variable was recorded before its tape was cleared");
    return x.node();
}

template <class T>
typename Tape<T>::Context Tape<T>::of(const Op& op, std::span<const Variable<T>* const> inputs,
                                      bool read) {
    TapeSlot<T>* slot = nullptr;
    bool wanted = false;
    bool parameters = false;
    bool untracked = false;
    for (const Variable<T>* x : inputs) {
        parameters = parameters || x->parameter() != nullptr;
        untracked = untracked || x->is_untracked();
        if (x->slot() == nullptr) continue;
        if (x->slot()->generation != x->generation() || x->slot()->tape == nullptr)
            fail(op, "an operand was recorded before its tape was cleared or destroyed");
        if (slot != nullptr && slot != x->slot()) fail(op, "the operands are on two tapes");
        slot = x->slot();
        if (!x->is_recorded()) continue;
        wanted = true;
        if (read && slot->tape->overwritten(x->node(), x->node()))
            fail(op, "an operand's value was overwritten by an operation in place");
    }
    if (slot == nullptr) return {nullptr, false, parameters || untracked};
    const bool recording = slot->tape->recording_;
    if (recording && untracked)
        fail(op, "an operand was computed from a parameter that had met no tape, so its gradient "
                 "would be lost; use Tape::attach on the parameter first");
    return {slot->tape, recording && (wanted || parameters)};
}

template <class T>
NodeId Tape<T>::append(const Op& op, std::span<const Variable<T>* const> inputs,
                       const Shape& shape) {
    auto* ids = arena_.template array<NodeId>(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) ids[i] = id_of(*inputs[i]);
    Node<T>& n = append_node(op);
    n.inputs = ids;
    n.input_count = static_cast<std::uint32_t>(inputs.size());
    n.region = whole(shape);
    return static_cast<NodeId>(size_ - 1);
}

template <class T>
NodeId Tape<T>::append_view(const Op& op, const Variable<T>& base, const Tensor<T>& view) {
    const Variable<T>* const inputs[] = {&base};
    const NodeId id = append(op, inputs, view.shape());
    Node<T>& n = node(id);
    const Node<T>& parent = node(n.inputs[0]);
    n.is_view = true;
    n.root = parent.root;
    // Empty views point nowhere in particular.
    std::size_t offset = parent.region->offset;
    if (view.size() > 0) offset += static_cast<std::size_t>(view.data() - base.value().data());
    n.region = new (arena_.array<Region>(1)) Region{offset, view.shape(), view.strides()};
    if (overwritten(id, n.inputs[0])) {
        --size_;
        fail(op, "the operand's value was overwritten by an operation in place");
    }
    return id;
}

// Unlike a view of a handle older than the writers of the rows, this one means what they wrote.
template <class T>
NodeId Tape<T>::append_rows(const Variable<T>& buffer, const Tensor<T>& view) {
    const Variable<T>* const inputs[] = {&buffer};
    const NodeId id = append("rows", inputs, view.shape());
    Node<T>& n = node(id);
    n.is_view = true;
    n.root = buffer.node();
    const std::size_t offset =
        view.size() > 0 ? static_cast<std::size_t>(view.data() - buffer.value().data()) : 0;
    n.region = new (arena_.array<Region>(1)) Region{offset, view.shape(), view.strides()};
    return id;
}

template <class T>
NodeId Tape<T>::append_buffer(const Shape& shape) {
    Node<T>& n = append_node("buffer");
    n.region = whole(shape);
    place(static_cast<NodeId>(size_ - 1), no_node, *n.region);
    return static_cast<NodeId>(size_ - 1);
}

template <class T>
std::pair<std::size_t, std::size_t> Tape<T>::rows_of(const Node<T>& root,
                                                     const Region& part) const {
    const std::size_t row = root.region->shape.empty() || root.region->shape[0] == 0
                                ? 1
                                : element_count(root.region->shape) / root.region->shape[0];
    const auto [low, high] = hull(part);
    if (low == high || row == 0) return {0, 0};
    return {low / row, (high - 1) / row + 1};
}

// With no root: the node becomes a buffer whose rows wait for their writers.
template <class T>
void Tape<T>::place(NodeId id, NodeId root, const Region& region) {
    const bool fresh = root == no_node;
    Node<T>& owner = node(fresh ? id : root);
    if (owner.rows == no_node) {
        if (rows_used_ == rows_.size()) rows_.emplace_back();
        owner.rows = static_cast<std::uint32_t>(rows_used_++);
        const std::size_t rows = owner.region->shape.empty() ? 1 : owner.region->shape[0];
        rows_[owner.rows].assign(rows, fresh ? no_node : 0);
    }
    if (fresh) return;
    Node<T>& n = node(id);
    n.is_view = true;
    n.root = root;
    n.region = new (arena_.array<Region>(1)) Region(region);
    const auto [begin, end] = rows_of(owner, region);
    for (std::size_t row = begin; row < end; ++row) rows_[owner.rows][row] = id;
}

template <class T>
bool Tape<T>::any_row_written(NodeId buffer, std::size_t begin, std::size_t end) const {
    const auto rows = std::span(rows_[node(buffer).rows]).subspan(begin, end - begin);
    return std::any_of(rows.begin(), rows.end(), [](NodeId writer) { return writer != no_node; });
}

template <class T>
bool Tape<T>::row_overwritten(NodeId id, NodeId since) const {
    const Node<T>& n = node(id);
    const Node<T>& root = node(n.root);
    const auto [begin, end] = rows_of(root, *n.region);
    for (std::size_t row = begin; row < end; ++row)
        if (rows_[root.rows][row] != no_node && rows_[root.rows][row] > since) return true;
    return false;
}

template <class T>
Buffer<T>::Buffer(const Variable<T>& like, const Shape& shape) {
    Tape<T>* tape = like.tape();
    Tensor<T> memory(shape);
    if (tape == nullptr)
        whole_ = Variable<T>(std::move(memory), like.is_untracked());
    else if (!tape->is_recording())
        whole_ = tape->constant(std::move(memory));
    else
        whole_ = tape->handle(std::move(memory), tape->append_buffer(shape));
}

template <class T>
Place<T> Buffer<T>::row(std::size_t index) const {
    Place<T> place{whole_.value().select(0, index), whole_.node(), {}};
    const std::size_t size = place.memory.size();
    place.region = {index * size, place.memory.shape(), place.memory.strides()};
    return place;
}

template <class T>
Place<T> Buffer<T>::part(std::size_t begin, std::size_t end) const {
    Place<T> place{whole_.value().slice(0, begin, end), whole_.node(), {}};
    const auto row = static_cast<std::size_t>(whole_.value().strides()[0]);
    place.region = {begin * row, place.memory.shape(), place.memory.strides()};
    return place;
}

template <class T>
Variable<T> Buffer<T>::rows(std::size_t begin, std::size_t end) const {
    Tensor<T> view = whole_.value().slice(0, begin, end);
    Tape<T>* tape = whole_.tape();
    if (tape == nullptr) return Variable<T>(std::move(view), whole_.is_untracked());
    if (!whole_.is_recorded() ||
        (view.size() > 0 && !tape->any_row_written(whole_.node(), begin, end)))
        return tape->constant(std::move(view));
    return tape->handle(view, tape->append_rows(whole_, view));
}

template <class T>
Place<T> in_place_of(const Op& op, const Variable<T>& x) {
    Tape<T>* tape = x.tape();
    if (tape == nullptr || !x.is_recorded()) return {x.value(), no_node, {}};
    const Node<T>& n = tape->node(x.node());
    const Node<T>& root = tape->node(n.root);
    if (root.parameter != nullptr || (root.input_count == 0 && root.rows == no_node))
        fail(op, "only the result of an operation can be overwritten");
    return {x.value(), n.root, *n.region};
}

template class Variable<float>;
template class Variable<double>;
template class Tape<float>;
template class Tape<double>;
template class Buffer<float>;
template class Buffer<double>;
template Place<float> in_place_of(const Op&, const Variable<float>&);
template Place<double> in_place_of(const Op&, const Variable<double>&);

} // namespace unroll
