#include <unroll/core/graph/places.hpp>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace unroll::graph::detail {

namespace {

Key hash(std::string_view text) { return std::hash<std::string_view>{}(text); }

} // namespace

template <class T>
Places<T>::Places(const Tape<T>& tape, NodeId of, const Options& options)
    : tape_(tape), options_(options) {
    choose(of);
    find_places();
    find_folding();
    find_structure();
    find_likeness();
}

template <class T>
bool Places<T>::is_view(NodeId id) const {
    const Node<T>& n = node(id);
    return n.is_view && n.input_count == 1 && n.rule == nullptr && !n.is_used_up;
}

template <class T>
bool Places<T>::is_buffer(NodeId id) const {
    return node(id).input_count == 0 && node(id).rows != no_node;
}

template <class T>
bool Places<T>::is_drawn(NodeId id) const {
    return wanted_[id] && node(id).operation == id && !is_view(id) && !is_buffer(id);
}

template <class T>
void Places<T>::choose(NodeId of) {
    wanted_.assign(tape_.size(), of == no_node);
    if (of == no_node) return;
    wanted_[of] = true;
    for (NodeId id = of + 1; id-- > 0;) {
        const Node<T>& n = node(id);
        // What is written into a buffer belongs to whoever reads its rows later.
        if (wanted_[n.root] && is_buffer(n.root)) wanted_[id] = true;
        if (!wanted_[id]) continue;
        wanted_[n.root] = wanted_[n.operation] = true;
        for (std::uint32_t i = 0; i < n.input_count; ++i)
            if (n.inputs[i] != no_node) wanted_[n.inputs[i]] = true;
    }
}

// Scopes become places: a numbered scope that is entered again is the same one, and so is any
// on the way back, where each rule enters its own.
template <class T>
void Places<T>::find_places() {
    const auto& scopes = tape_.scopes();
    place_of_.assign(std::max<std::size_t>(scopes.size(), 1), 0);
    places_.emplace_back();
    std::unordered_map<Key, std::uint32_t> seen;
    for (std::uint32_t s = 1; s < scopes.size(); ++s) {
        Place place;
        place.parent = place_of_[scopes[s].parent];
        const Place& outer = places_[place.parent];
        place.name = hash(scopes[s].name);
        place.index = scopes[s].index;
        place.is_step = place.index != Scope::no_index && scopes[s].name == "t";
        place.is_backward =
            outer.is_backward || (place.parent == 0 && scopes[s].name == "backward");
        place.first = s;
        const auto number = static_cast<std::uint32_t>(places_.size());
        place.lifted = place.is_step || outer.lifted != place.parent ? outer.lifted : number;
        if (place.index != Scope::no_index || place.is_backward) {
            const Key key = mix(mix(place.parent, place.name), static_cast<Key>(place.index));
            const auto [found, fresh] = seen.emplace(key, number);
            if (!fresh) {
                place_of_[s] = found->second;
                continue;
            }
        }
        place_of_[s] = number;
        places_.push_back(place);
    }
}

template <class T>
void Places<T>::find_folding() {
    std::unordered_map<Key, std::int64_t> last;
    for (const Place& p : places_)
        if (p.is_step) {
            auto& most = last[mix(p.parent, p.name)];
            most = std::max(most, p.index);
        }
    const auto first_steps =
                   static_cast<std::int64_t>(std::min<std::size_t>(options_.first_steps, 1u << 30)),
               last_steps =
                   static_cast<std::int64_t>(std::min<std::size_t>(options_.last_steps, 1u << 30));
    for (Place& p : places_) {
        if (p.index == Scope::no_index || options_.fold == Fold::none) continue;
        if (p.is_step)
            p.folds = p.index >= first_steps && p.index + last_steps <= last[mix(p.parent, p.name)];
        else
            p.folds = options_.fold == Fold::layers;
    }
}

template <class T>
std::uint32_t Places<T>::place_of(NodeId id) const {
    const std::uint32_t place = place_of_[node(id).scope];
    return is_parameter(id) ? places_[place].lifted : place;
}

// Two places are alike where the same operations were recorded in the same order, in them and in
// the modules in them; how often a series in them is repeated does not count.
template <class T>
void Places<T>::find_structure() {
    for (NodeId id = 0; id < tape_.size(); ++id)
        if (is_drawn(id) && !is_parameter(id)) {
            Place& p = places_[place_of(id)];
            p.structure = mix(mix(p.structure, hash(node(id).op.name)), node(id).outputs);
        }
    std::unordered_set<Key> seen;
    for (auto p = static_cast<std::uint32_t>(places_.size()); p-- > 1;) {
        const Place& place = places_[p];
        const Key own = mix(place.name, place.structure);
        if (place.folds && !seen.insert(mix(place.parent, own)).second) continue;
        Key& outer = places_[place.parent].structure;
        outer = mix(outer, place.folds ? own : mix(own, static_cast<Key>(place.index)));
    }
}

template <class T>
void Places<T>::find_likeness() {
    std::unordered_map<Key, std::uint32_t> seen;
    std::unordered_map<Key, Key> ordinals;
    for (std::uint32_t p = 1; p < places_.size(); ++p) {
        Place& place = places_[p];
        const Key outer = mix(places_[place.parent].like, place.name);
        Key key = mix(outer, place.structure);
        if (!place.folds)
            key =
                mix(mix(outer, static_cast<Key>(place.index)),
                    ++ordinals[mix(mix(place.parent, place.name), static_cast<Key>(place.index))]);
        place.like = seen.emplace(key, p).first->second;
    }
}

template <class T>
std::int64_t Places<T>::steps_between(NodeId from, NodeId to, std::uint32_t& series) const {
    const auto depth = [&](std::uint32_t p) {
        std::size_t d = 0;
        for (; p != 0; p = places_[p].parent) ++d;
        return d;
    };
    std::uint32_t a = place_of(from), b = place_of(to);
    std::size_t i = depth(a), j = depth(b);
    for (; i > j; --i) a = places_[a].parent;
    for (; j > i; --j) b = places_[b].parent;
    if (a == b) return 0;
    while (places_[a].parent != places_[b].parent) {
        a = places_[a].parent;
        b = places_[b].parent;
    }
    if (places_[a].index == Scope::no_index || places_[b].index == Scope::no_index ||
        places_[a].name != places_[b].name)
        return 0;
    const bool within_one = places_[a].like == places_[b].like;
    if (within_one) series = places_[a].like;
    return places_[a].is_step || within_one ? places_[b].index - places_[a].index : 0;
}

template class Places<float>;
template class Places<double>;

} // namespace unroll::graph::detail
