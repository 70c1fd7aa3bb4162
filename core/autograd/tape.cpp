#include <unroll/core/autograd/inner_run.hpp>
#include <unroll/core/autograd/tape.hpp>

#include <algorithm>
#include <cstring>

namespace unroll {

namespace {

// The gradient of a value, whose elements are in row-major order.
template <class T>
StridedView whole(const Tensor<T>& value) {
    const LayoutRef& layout = value.layout();
    return layout->is_row_major ? StridedView(0, layout) : StridedView::whole(value.shape());
}

template <class T>
std::size_t hash(const Value<T>* body) {
    return (reinterpret_cast<std::uintptr_t>(body) >> 4) * 0x9e3779b97f4a7c15u >> 20;
}

} // namespace

template <class T>
void Tape<T>::reset() {
    for (NodeId id = 0; id < m_->size && m_->rules != 0; ++id) {
        Node<T>& n = node(id);
        if (n.rule == nullptr) continue;
        n.rule->~Rule();
        n.rule = nullptr;
        --m_->rules;
    }
    m_->size = 0;
    m_->arena.reset();
    m_->op_names = {};
    m_->scopes.clear();
    m_->marks.clear();
    if (!m_->leaf_order.empty())
        std::fill(m_->leaves.begin(), m_->leaves.end(), typename Memory::Leaf{});
    m_->leaf_order.clear();
    m_->retained.clear();
    if (!m_->apart.empty()) m_->apart.clear();
    m_->names.clear();
    m_->constants.clear();
    m_->fused_names.clear();
    m_->composites.clear();
    m_->named_constants.clear();
    m_->originals.clear();
    m_->named_tensors.clear();
    m_->recorded_passes = 0;
    m_->rows_used = 0;
}

template <class T>
void Tape<T>::clear() {
    reset();
    renew();
    for_monitors([](Monitor<T>& m) { m.cleared(); });
}

template <class T>
const char* Tape<T>::copy(std::string_view text) {
    char* const memory = m_->arena.template array<char>(text.size() + 1);
    *std::copy(text.begin(), text.end(), memory) = '\0';
    return memory;
}

// There are few names, mostly literals.
template <class T>
const char* Tape<T>::op_name(const char* name) {
    auto& [from, kept] =
        m_->op_names[(reinterpret_cast<std::uintptr_t>(name) >> 3) % m_->op_names.size()];
    if (from != name || std::strcmp(kept, name) != 0) {
        kept = copy(name);
        from = name;
    }
    return kept;
}

template <class T>
Node<T>& Tape<T>::append_node(const Op& op) {
    if (m_->size == m_->chunks.size() * chunk)
        m_->chunks.push_back(std::make_unique<Node<T>[]>(chunk));
    const auto id = static_cast<NodeId>(m_->size++);
    Node<T>& n = node(id);
    if (id % chunk + 4 < chunk) __builtin_prefetch(&n + 4, 1);
    n = Node<T>();
    n.op = {op_name(op.name), op.where};
    n.root = n.operation = id;
    n.scope = recording_scope_ != no_scope ? recording_scope_ : scope_id(Scope::current());
    return n;
}

template <class T>
Node<T>& Tape<T>::append_operation(const Op& op) {
    const Composite* const composite = Composite::outermost();
    if (composite == nullptr) return append_node(op);
    Node<T>& n = append_node(composite->op());
    m_->composites.push_back({static_cast<NodeId>(m_->size - 1), composite->number()});
    return n;
}

template <class T>
std::uint32_t Tape<T>::scope_id(const Scope* scope) {
    if (m_->scopes.empty()) m_->scopes.push_back({0, "", Scope::no_index});
    if (scope == nullptr) return 0;
    const std::uint32_t depth = scope->depth();
    if (depth < m_->marks.size() && m_->marks[depth].serial == scope->serial())
        return m_->marks[depth].id;
    const std::uint32_t parent = scope_id(scope->parent());
    const auto id = static_cast<std::uint32_t>(m_->scopes.size());
    const std::string_view name(copy(scope->name()), scope->name().size());
    m_->scopes.push_back(
        {parent, name, scope->index(), scope->caller(), scope->module(), scope->serial()});
    if (m_->marks.size() <= depth) m_->marks.resize(depth + 1);
    m_->marks[depth] = {scope->serial(), id};
    return id;
}

// The scope of the backward operations of a scope: the same path below "backward".
template <class T>
std::uint32_t Tape<T>::twin(std::uint32_t scope) {
    if (scope < m_->twins.size() && m_->twins[scope] != no_scope) return m_->twins[scope];
    if (m_->scopes.empty()) m_->scopes.push_back({0, "", Scope::no_index});
    ScopeEntry entry = m_->scopes[scope];
    if (scope == 0) {
        entry.name = "backward";
        if (m_->recorded_passes > 1) entry.index = m_->recorded_passes;
    } else {
        entry.parent = twin(entry.parent);
    }
    const auto id = static_cast<std::uint32_t>(m_->scopes.size());
    m_->scopes.push_back(entry);
    if (m_->twins.size() <= scope) m_->twins.resize(scope + 1, no_scope);
    return m_->twins[scope] = id;
}

template <class T>
std::string Tape<T>::path(std::uint32_t scope, bool numbered_steps) const {
    if (scope == 0 || scope >= m_->scopes.size()) return {};
    const ScopeEntry& entry = m_->scopes[scope];
    std::string text = path(entry.parent, numbered_steps);
    if (!text.empty()) text += '.';
    text += entry.name;
    if (entry.index != Scope::no_index && (numbered_steps || !entry.is_step()))
        text += std::to_string(entry.index);
    return text;
}

template <class T>
std::int64_t Tape<T>::time_step(std::uint32_t scope) const {
    while (scope != 0 && !m_->scopes[scope].is_step()) scope = m_->scopes[scope].parent;
    return scope != 0 ? m_->scopes[scope].index : Scope::no_index;
}

template <class T>
std::uint32_t Tape<T>::around_steps(std::uint32_t scope) const {
    std::uint32_t around = scope;
    for (std::uint32_t s = scope; s != 0; s = m_->scopes[s].parent)
        if (m_->scopes[s].is_step()) around = m_->scopes[s].parent;
    return around;
}

template <class T>
Saved<T> Tape<T>::save(const Variable<T>& x) {
    const StorageRef& storage = x.value().storage();
    return {x, id_of(x), storage ? storage->version() : 0};
}

template <class T>
Variable<T> Tape<T>::handle(Tensor<T> value, NodeId id, std::uint32_t rule_run) const {
    Variable<T> x(Value<T>::make(std::move(value)));
    x.body()->slot = m_->slot;
    x.body()->generation = m_->slot->generation.load(std::memory_order_relaxed);
    x.body()->node = id;
    x.body()->rule_run = rule_run;
    return x;
}

template <class T>
Variable<T> Tape<T>::variable(Tensor<T> value, std::string_view name, Where where) {
    value.require_not_moved(Op("variable", where));
    value = value.contiguous();
    append_node(Op("variable", where)).view = whole(value);
    const auto id = static_cast<NodeId>(m_->size - 1);
    if (name != "variable") node(id).op.name = copy(name);
    return handle(std::move(value), id, detail::rule_run);
}

template <class T>
NodeId Tape<T>::leaf(const Variable<T>& x) {
    auto& leaves = m_->leaves;
    const Value<T>* const body = x.body();
    std::size_t at = hash(body) % leaves.size();
    while (leaves[at].body != nullptr) {
        if (leaves[at].body == body) return leaves[at].node;
        at = (at + 1) % leaves.size();
    }
    Node<T>& n = append_node(Op::unplaced(x.is_parameter() ? "parameter" : "variable"));
    if (x.is_parameter()) {
        n.view = whole(x.value());
        n.parameter = static_cast<ParameterBody<T>*>(x.body());
    } else {
        n.view = x.tape()->node(x.node()).view; // a part of the gradient on the other tape
    }
    const auto id = static_cast<NodeId>(m_->size - 1);
    leaves[at] = {body, id};
    m_->leaf_order.push_back({x, id});
    if (m_->leaf_order.size() * 2 > leaves.size()) {
        std::vector<typename Memory::Leaf> larger(leaves.size() * 2);
        for (const auto& entry : leaves) {
            if (entry.body == nullptr) continue;
            std::size_t to = hash(entry.body) % larger.size();
            while (larger[to].body != nullptr) to = (to + 1) % larger.size();
            larger[to] = entry;
        }
        leaves = std::move(larger);
    }
    return id;
}

template <class T>
bool wants_gradient(const Variable<T>& x) {
    return x.is_parameter() && static_cast<const ParameterBody<T>*>(x.body())->is_trainable;
}

template <class T>
NodeId Tape<T>::id_of(const Variable<T>& x) {
    const bool is_foreign = x.is_recorded() && x.body()->slot != m_->slot; // in an InnerRun
    return is_foreign || wants_gradient(x) ? leaf(x) : x.node();
}

template <class T>
NodeId Tape<T>::require(const Op& op, const Variable<T>& x) const {
    x.require_value(op);
    const Value<T>* const body = x.body();
    if (body->slot != m_->slot)
        fail(op, "the variable was recorded on another tape; call the function of that tape, or "
                 "record the value on this one");
    if (body->generation != m_->slot->generation)
        fail(op, "the variable was recorded before its tape was cleared or destroyed; compute it "
                 "again on the new tape");
    return body->node;
}

template <class T>
Variable<T> Tape<T>::Context::plain(Tensor<T> value) const {
    Variable<T> x(Value<T>::make(std::move(value)));
    x.body()->lost = lost;
    x.body()->rule_run = rule_run;
    return x;
}

template <class T>
typename Tape<T>::Context Tape<T>::of(const Op& op, std::span<const Variable<T>* const> inputs,
                                      bool read) {
    TapeSlot<T>* slot = nullptr;
    bool parameters = false;
    Context context;
    const auto* const inner = detail::InnerRun<T>::current();
    for (const Variable<T>* x : inputs) {
        x->require_value(op);
        const Value<T>* const body = x->body();
        if (body->node == no_node) {
            parameters = parameters || wants_gradient(*x);
            context.lost = std::max(context.lost, body->lost);
            context.rule_run = std::max(context.rule_run, body->rule_run);
            continue;
        }
        Tape* const tape = body->slot->tape.load(std::memory_order_acquire);
        if (tape == nullptr || body->slot->generation != body->generation)
            fail(op, "an operand was recorded before its tape was cleared or destroyed; detach() "
                     "what is carried from one tape to the next");
        TapeSlot<T>* const own =
            inner != nullptr && inner->is_outside(*body) ? inner->slot() : body->slot;
        if (slot != nullptr && slot != own)
            fail(op, "the operands are on two tapes; detach() what is carried from one tape to the "
                     "next");
        slot = own;
        context.rule_run = std::max(context.rule_run, body->rule_run);
        if (read && tape->overwritten(body->node, body->node))
            fail(op, "an operand's value was overwritten by an operation in place");
    }
    if (is_paused(slot)) {
        const bool is_computed = inner != nullptr && inner->only_computes() &&
                                 context.lost == Lost::in_gradient; // in that run
        if (slot != nullptr || parameters || is_computed || context.lost == Lost::without_tape)
            context.lost = Lost::where_paused;
        return context;
    }
    Tape* const tape = slot ? slot->tape.load(std::memory_order_relaxed) : current();
    if (tape == nullptr) {
        if (parameters) context.lost = Lost::without_tape;
        return context;
    }
    if (context.lost == Lost::without_tape)
        fail(op, "an operand was computed from a parameter while no tape was recording, so its "
                 "gradient would be lost; create the tape first, on the thread that computes, or "
                 "detach() the operand");
    if (slot == nullptr && !parameters) return context;
    if (inner != nullptr && &inner->tape() == tape && inner->only_computes()) {
        inner->note(inputs);
        context.lost = std::max(context.lost, Lost::in_gradient);
        return context;
    }
    if (context.lost == Lost::in_gradient)
        fail(op, "an operand was computed from a gradient that was not recorded, so its derivative "
                 "would be lost; call the earlier gradients() with {.create_graph = true}, or "
                 "detach() the operand if it is to be a constant. A value that was computed within "
                 "a checkpoint must be one of its results");
    context.tape = tape;
    return context;
}

template <class T>
void Tape<T>::refuse_concurrent(const Op& op) {
    fail(op, "another thread is recording on this tape; create a tape in each thread, as "
             "optim::DataParallel does, or use one tape in turn");
}

template <class T>
NodeId Tape<T>::append(const Op& op, std::span<const Variable<T>* const> inputs,
                       const Tensor<T>& value) {
    auto* ids = m_->arena.template array<NodeId>(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) ids[i] = id_of(*inputs[i]);
    Node<T>& n = append_operation(op);
    n.inputs = ids;
    n.input_count = static_cast<std::uint32_t>(inputs.size());
    n.view = whole(value);
    const auto id = static_cast<NodeId>(m_->size - 1);
    for (std::uint32_t i = 0; i < n.input_count; ++i)
        if (ids[i] == no_node && inputs[i]->body() != nullptr) note_constant(id, i, *inputs[i]);
    return id;
}

template <class T>
std::uint32_t Tape<T>::slot_for_gradient(NodeId id) {
    Node<T>& n = node(id);
    if (n.retained == no_node) {
        n.retained = static_cast<std::uint32_t>(m_->retained.size());
        m_->retained.emplace_back();
    }
    return n.retained;
}

template <class T>
Tensor<T> Tape<T>::gradient(const Variable<T>& x, Where where) const {
    const Op op("gradient", where);
    NodeId id = no_node;
    if (x.is_parameter()) {
        if (!apart_)
            return ParameterRef<T>(static_cast<ParameterBody<T>*>(x.body())).gradient().copy();
        for (const auto& [parameter, leaf] : m_->leaf_order)
            if (parameter.body() == x.body()) id = leaf;
        if (id == no_node) return Tensor<T>::zeros(x.shape());
    } else {
        if (!x.is_recorded()) fail(op, "a constant has no gradient");
        id = require(op, x);
    }
    const Node<T>& n = node(id);
    if (n.retained == no_node && !n.is_leaf())
        fail(op, "call retain() before backward to keep the gradient of '" +
                     std::string(n.op.name) + "'");
    const Tensor<T> found = n.retained != no_node ? m_->retained[n.retained] : Tensor<T>();
    return found.storage() ? found.copy() : Tensor<T>::zeros(x.shape());
}

template <class T>
const char* Tape<T>::name_of(NodeId id) const {
    const auto& names = m_->names;
    const auto found = std::find_if(names.rbegin(), names.rend(),
                                    [&](const auto& named) { return named.first == id; });
    return found != names.rend() ? found->second : node(id).op.name;
}

template <class T>
std::vector<typename Tape<T>::ParameterGradient> Tape<T>::parameter_gradients() const {
    std::vector<ParameterGradient> all;
    for (const auto& [parameter, id] : m_->leaf_order) {
        const Node<T>& n = node(id);
        if (n.parameter == nullptr) continue;
        all.push_back({ParameterRef<T>(n.parameter),
                       n.retained != no_node ? m_->retained[n.retained] : Tensor<T>()});
    }
    return all;
}

template <class T>
std::size_t Tape<T>::kept_bytes() const {
    std::vector<std::pair<const T*, const T*>> runs;
    for (NodeId id = 0; id < size(); ++id) {
        if (node(id).rule == nullptr) continue;
        for (const Saved<T>& x : node(id).rule->kept()) {
            const Tensor<T>& value = x.value();
            if (!value.storage() || value.size() == 0 || x.variable.is_parameter()) continue;
            const auto [low, high] = extent(value.shape(), value.strides());
            runs.push_back({value.data() + low, value.data() + high});
        }
    }
    std::sort(runs.begin(), runs.end());
    std::size_t elements = 0;
    const T* end = nullptr;
    for (const auto& [low, high] : runs) {
        const T* from = std::max(low, end);
        if (high > from) elements += static_cast<std::size_t>(high - from);
        end = std::max(end, high);
    }
    return elements * sizeof(T);
}

template class Tape<float>;
template class Tape<double>;

} // namespace unroll
