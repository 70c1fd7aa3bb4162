#include <unroll/core/graph/highlights.hpp>

#include <algorithm>

namespace unroll::graph::detail {

bool is_of(const ConstantUse& use, const Highlight& value) {
    return (value.constant != 0 && use.value == value.constant) ||
           (value.data != nullptr && use.data == value.data);
}

template <class T>
Highlights<T>::Highlights(const Tape<T>& tape, const Options& options, const Writers<T>& writers)
    : tape_(tape), options_(options) {
    for (const Highlight& value : options.highlight) {
        if (value.node == no_node) continue;
        if (value.tape != &tape)
            fail("graph::dot", "a highlighted variable is recorded on another tape");
        add(value, writers);
    }
}

// Follows views to what computed the value.
template <class T>
void Highlights<T>::add(const Highlight& value, const Writers<T>& writers) {
    NodeId id = value.node, part = no_node;
    for (; is_passed(tape_.node(id)); id = tape_.node(id).inputs[0]) {
        const NodeId from = tape_.node(id).inputs[0];
        const bool is_part = tape_.node(id).view.size() != tape_.node(from).view.size();
        if (is_part && part == no_node && !is_buffer(tape_.node(from))) part = id;
    }
    if (is_buffer(tape_.node(id))) {
        const auto some = writers.of(id, tape_.node(value.node).view, value.node);
        const auto all = writers.of(id, tape_.node(id).view, value.node);
        for (const NodeId writer : some) operations_.push_back({writer, &value.color});
        if (some.size() < all.size()) apart_.insert(apart_.end(), some.begin(), some.end());
        return;
    }
    if (part != no_node) {
        views_[part] = &value.color;
        const std::string index = part_of(tape_, part).text();
        const std::string text =
            std::string(tape_.node(part).op.name) + (index.empty() ? "" : " " + index);
        operations_.push_back({id, &value.color, text, set_readers_apart(part)});
    } else {
        operations_.push_back({id, &value.color});
        apart_.push_back(id);
    }
}

// The step that reads the view, if there is only one.
template <class T>
bool Highlights<T>::set_readers_apart(NodeId view) {
    NodeId first = no_node;
    for (NodeId id = view + 1; id < tape_.size(); ++id) {
        const Node<T>& n = tape_.node(id);
        if (std::find(n.inputs, n.inputs + n.input_count, view) == n.inputs + n.input_count)
            continue;
        if (first != no_node && step_of(first) != step_of(id)) return true;
        first = id;
    }
    if (first != no_node) apart_.push_back(first);
    return first != no_node;
}

template <class T>
std::uint32_t Highlights<T>::step_of(NodeId id) const {
    std::uint32_t scope = tape_.node(id).scope;
    while (scope != 0 && tape_.scopes()[scope].index == Scope::no_index)
        scope = tape_.scopes()[scope].parent;
    return scope;
}

template <class T>
const std::string* Highlights<T>::color_of_view(NodeId id) const {
    const auto found = views_.find(id);
    return found != views_.end() ? found->second : nullptr;
}

template <class T>
bool Highlights<T>::has(const ConstantUse& use) const {
    return std::any_of(options_.highlight.begin(), options_.highlight.end(),
                       [&](const Highlight& value) { return is_of(use, value); });
}

template class Highlights<float>;
template class Highlights<double>;

} // namespace unroll::graph::detail
