#include <unroll/core/graph/scopes.hpp>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace unroll::graph::detail {

namespace {

Key hash(std::string_view text) { return std::hash<std::string_view>{}(text); }

} // namespace

template <class T>
DrawnScopes<T>::DrawnScopes(const Tape<T>& tape, NodeId of, const Options& options,
                            const Highlights<T>& highlights)
    : tape_(tape), options_(options) {
    select_nodes(of);
    find_composites();
    merge_scopes();
    choose_folded();
    for (const NodeId id : highlights.apart()) draw_apart(id);
    hash_structure();
    find_representatives();
}

template <class T>
bool DrawnScopes<T>::is_drawn(NodeId id) const {
    return selected_[id] && node(id).operation == id && !is_view(id) && !is_buffer(id) &&
           representative(id) == id;
}

template <class T>
NodeId DrawnScopes<T>::representative(NodeId id) const {
    const auto first = composites_.find(tape_.composite(id));
    return first == composites_.end() ? id : first->second;
}

template <class T>
void DrawnScopes<T>::select_nodes(NodeId of) {
    selected_.assign(tape_.size(), of == no_node);
    if (of == no_node) return;
    selected_[of] = true;
    for (NodeId id = of + 1; id-- > 0;) {
        const Node<T>& n = node(id);
        // A write into a buffer is an input of all readers of the buffer's rows.
        if (selected_[n.root] && is_buffer(n.root)) selected_[id] = true;
        if (!selected_[id]) continue;
        selected_[n.root] = selected_[n.operation] = true;
        for (std::uint32_t i = 0; i < n.input_count; ++i)
            if (n.inputs[i] != no_node) selected_[n.inputs[i]] = true;
    }
}

template <class T>
void DrawnScopes<T>::find_composites() {
    for (NodeId id = 0; id < tape_.size(); ++id)
        if (tape_.composite(id) != 0 && selected_[id] && !is_view(id))
            composites_.emplace(tape_.composite(id), id);
}

// A numbered scope that is entered again continues the earlier one. So does any scope of the
// backward pass, in which each rule enters the scope of its operation again.
template <class T>
void DrawnScopes<T>::merge_scopes() {
    const auto& scopes = tape_.scopes();
    scope_of_.assign(std::max<std::size_t>(scopes.size(), 1), 0);
    scopes_.emplace_back();
    std::unordered_map<Key, std::uint32_t> seen;
    for (std::uint32_t s = 1; s < scopes.size(); ++s) {
        DrawnScope scope;
        scope.parent = scope_of_[scopes[s].parent];
        const DrawnScope& outer = scopes_[scope.parent];
        scope.name = hash(scopes[s].name);
        scope.index = scopes[s].index;
        scope.is_step = scope.index != Scope::no_index && scopes[s].name == "t";
        scope.is_backward =
            outer.is_backward || (scope.parent == 0 && scopes[s].name == "backward");
        scope.first = s;
        const auto number = static_cast<std::uint32_t>(scopes_.size());
        scope.parameter_scope =
            scope.is_step || outer.parameter_scope != scope.parent ? outer.parameter_scope : number;
        if (scope.index != Scope::no_index || scope.is_backward) {
            const Key key = mix(mix(scope.parent, scope.name), static_cast<Key>(scope.index));
            const auto [found, fresh] = seen.emplace(key, number);
            if (!fresh) {
                scope_of_[s] = found->second;
                continue;
            }
        }
        scope_of_[s] = number;
        scopes_.push_back(scope);
    }
}

template <class T>
void DrawnScopes<T>::choose_folded() {
    std::unordered_map<Key, std::int64_t> last;
    for (const DrawnScope& s : scopes_)
        if (s.is_step) {
            auto& most = last[mix(s.parent, s.name)];
            most = std::max(most, s.index);
        }
    const auto first_steps =
                   static_cast<std::int64_t>(std::min<std::size_t>(options_.first_steps, 1u << 30)),
               last_steps =
                   static_cast<std::int64_t>(std::min<std::size_t>(options_.last_steps, 1u << 30));
    for (DrawnScope& s : scopes_) {
        if (s.index == Scope::no_index || options_.fold == Fold::none) continue;
        if (s.is_step)
            s.folds = s.index >= first_steps && s.index + last_steps <= last[mix(s.parent, s.name)];
        else
            s.folds = options_.fold == Fold::layers;
    }
}

// The steps around a node are not folded.
template <class T>
void DrawnScopes<T>::draw_apart(NodeId id) {
    for (std::uint32_t s = scope_of_[node(id).scope]; s != 0; s = scopes_[s].parent)
        scopes_[s].folds = false;
}

template <class T>
std::uint32_t DrawnScopes<T>::scope_of(NodeId id) const {
    const std::uint32_t scope = scope_of_[node(id).scope];
    return is_parameter(id) ? scopes_[scope].parameter_scope : scope;
}

// Two scopes have the same structure if the same operations were recorded in the same order in them
// and in their children. The length of a folded series inside does not count.
template <class T>
void DrawnScopes<T>::hash_structure() {
    for (NodeId id = 0; id < tape_.size(); ++id)
        if (is_drawn(id) && !is_parameter(id)) {
            DrawnScope& s = scopes_[scope_of(id)];
            s.structure = mix(mix(s.structure, hash(node(id).op.name)), node(id).outputs);
        }
    std::unordered_set<Key> seen;
    for (auto s = static_cast<std::uint32_t>(scopes_.size()); s-- > 1;) {
        const DrawnScope& scope = scopes_[s];
        const Key own = mix(scope.name, scope.structure);
        if (scope.folds && !seen.insert(mix(scope.parent, own)).second) continue;
        Key& outer = scopes_[scope.parent].structure;
        outer = mix(outer, scope.folds ? own : mix(own, static_cast<Key>(scope.index)));
    }
}

template <class T>
void DrawnScopes<T>::find_representatives() {
    std::unordered_map<Key, std::uint32_t> seen;
    std::unordered_map<Key, Key> ordinals;
    for (std::uint32_t s = 1; s < scopes_.size(); ++s) {
        DrawnScope& scope = scopes_[s];
        const Key outer = mix(scopes_[scope.parent].representative, scope.name);
        Key key = mix(outer, scope.structure);
        if (!scope.folds)
            key =
                mix(mix(outer, static_cast<Key>(scope.index)),
                    ++ordinals[mix(mix(scope.parent, scope.name), static_cast<Key>(scope.index))]);
        scope.representative = seen.emplace(key, s).first->second;
    }
}

template <class T>
std::int64_t DrawnScopes<T>::steps_between(NodeId from, NodeId to, std::uint32_t& series) const {
    const auto depth = [&](std::uint32_t s) {
        std::size_t d = 0;
        for (; s != 0; s = scopes_[s].parent) ++d;
        return d;
    };
    std::uint32_t a = scope_of(from), b = scope_of(to);
    std::size_t i = depth(a), j = depth(b);
    for (; i > j; --i) a = scopes_[a].parent;
    for (; j > i; --j) b = scopes_[b].parent;
    if (a == b) return 0;
    while (scopes_[a].parent != scopes_[b].parent) {
        a = scopes_[a].parent;
        b = scopes_[b].parent;
    }
    if (scopes_[a].index == Scope::no_index || scopes_[b].index == Scope::no_index ||
        scopes_[a].name != scopes_[b].name)
        return 0;
    const bool within_one = scopes_[a].representative == scopes_[b].representative;
    if (within_one) series = scopes_[a].representative;
    return scopes_[a].is_step || within_one ? scopes_[b].index - scopes_[a].index : 0;
}

template class DrawnScopes<float>;
template class DrawnScopes<double>;

} // namespace unroll::graph::detail
