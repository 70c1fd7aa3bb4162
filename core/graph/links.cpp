#include <unroll/core/graph/links.hpp>

#include <algorithm>
#include <sstream>

namespace unroll::graph::detail {

namespace {

// "c'", the second result of "i f g o c -> h c'".
std::string result_name(const char* names, std::uint32_t output) {
    std::istringstream words(names != nullptr ? names : "");
    std::string word;
    while (words >> word && word != "->") continue;
    for (std::uint32_t i = 0; i <= output; ++i)
        if (!(words >> word)) return {};
    return word;
}

} // namespace

template <class T>
void Links<T>::add_to(Model& model) {
    model_ = &model;
    for (NodeId id = 0; id < in_.tape.size(); ++id) {
        if (in_.item_of[id] == none) continue;
        const Node<T>& n = node(id);
        if (is_passed(n) && is_buffer(node(n.inputs[0]))) // a view that is drawn
            trace_writers(n.inputs[0], id, id, {}, {id, id, 0});
        else
            for (std::uint32_t i = 0; i < n.input_count; ++i)
                if (n.inputs[i] != no_node) trace(n.inputs[i], no_node, {}, {n.inputs[i], id, i});
        for (const ConstantUse& use : in_.tape.constants_of(id)) link_constant(use);
    }
    finish();
}

template <class T>
void Links<T>::link_constant(const ConstantUse& use) {
    const auto drawn = in_.operands.find(use);
    if (!drawn) return;
    Link link{};
    link.from = in_.constant_of.at(drawn->key);
    link.to = in_.item_of[use.node];
    note_receiver(use.node, link.to);
    const bool is_operand = use.input != ConstantUse::not_an_input;
    if (!model_->items[link.to].formula.empty() && is_operand) link.input = use.input;
    if (drawn->is_part) link.views = "part";
    const Key key = mix(mix(link.from, link.to), mix(0, link.input));
    const auto [found, is_new] = link_of_.emplace(key, model_->links.size());
    if (is_new) {
        link.shape = to_string(use.layout->shape);
        link.whole = model_->items[link.from].shapes.front();
        model_->items[link.from].is_sink = false;
        found_.push_back({use.node, use.node, {}});
        model_->links.push_back(std::move(link));
    }
    // What a tensor is to the operation, its name says.
    if (is_operand && !use.is_beside_inputs() && found_[found->second].first == use.node)
        model_->links[found->second].operands.push_back(use.input);
}

// Follows views back from the node `from` to the operation that computed it; for a part of a
// buffer, to all operations that stored their results there. `rows`: the view of the buffer.
template <class T>
void Links<T>::trace(NodeId from, NodeId rows, Chain views, const Reader& reader) {
    NodeId part = from;      // whose elements are read
    NodeId inside = no_node; // the result of a Composite, if it is a view within it
    while (in_.item_of[from] == none) {
        const Node<T>& n = node(from);
        if (n.operation != from) break;
        if (is_buffer(n)) return trace_writers(from, part, rows, views, reader);
        const std::uint64_t composite = in_.tape.composite(from);
        // Rows of a buffer, the steps of a layer, are no operation of the user.
        const bool is_rows = is_buffer(node(n.inputs[0]));
        if (composite == 0 && n.notation != Notation::same &&
            (!is_rows || in_.names.contains(from)))
            views.push_back({from, is_rows ? in_.names.at(from) : view_name(from),
                             is_rows ? ViewPart() : part_of(in_.tape, from)});
        if (n.notation == Notation::same ||
            (composite != 0 && composite == in_.tape.composite(reader.to)))
            part = n.inputs[0];
        else if (composite != 0 && inside == no_node)
            inside = from;
        rows = from;
        from = n.inputs[0];
    }
    link(from, inside, views, reader);
}

template <class T>
void Links<T>::trace_writers(NodeId buffer, NodeId part, NodeId rows, const Chain& views,
                             const Reader& reader) {
    std::unordered_set<std::uint32_t> seen; // one per item
    for (const NodeId id : in_.writers.of(buffer, node(part).view, reader.to)) {
        const std::uint32_t item = in_.item_of[node(id).operation];
        if (node(id).notation == Notation::same)
            trace(node(id).inputs[0], rows, views, reader);
        else if (item != none && seen.insert(item).second)
            link(id, rows, views, reader);
    }
}

// "first = select" of a view that has a name, "select" otherwise.
template <class T>
std::string Links<T>::view_name(NodeId id) const {
    const auto name = in_.names.find(id);
    const std::string view = node(id).op.name;
    return name != in_.names.end() ? std::string(name->second) + " = " + view : view;
}

// Operands of a Composite are known by number if one of its operations reads them all.
template <class T>
void Links<T>::note_receiver(NodeId to, std::uint32_t item) {
    if (in_.tape.composite(to) == 0) return;
    const NodeId first = receivers_.emplace(item, to).first->second;
    if (first != to && in_.tape.composite(first) == in_.tape.composite(to))
        has_several_receivers_.insert(item);
}

template <class T>
void Links<T>::link(NodeId from, NodeId whole, const Chain& views, const Reader& reader) {
    const NodeId to = reader.to, first = node(from).operation;
    Link link{};
    link.from = in_.item_of[first];
    link.to = in_.item_of[to];
    if (link.from == none) return;
    if (in_.tape.composite(to) != 0 && in_.tape.composite(from) == in_.tape.composite(to)) return;
    note_receiver(to, link.to);
    link.output = from - first;
    if (!model_->items[link.to].formula.empty()) link.input = reader.number;
    const std::int64_t steps =
        in_.scopes.is_parameter(from) ? 0 : in_.scopes.steps_between(from, to, link.series);
    link.carried = steps != 0;
    Key key = mix(mix(link.from, link.to), mix(link.output, link.input));
    key = mix(key, link.carried ? (steps > 0 ? 1 : 2) : 0);
    for (const View& view : views) key = mix(key, std::hash<std::string>()(view.name));
    const auto [at, is_new] = link_of_.emplace(key, model_->links.size());
    if (is_new) {
        // Not of a view that the operation makes for itself.
        const NodeId seen = views.empty() ? reader.input : views.front().id;
        link.shape = to_string(node(seen).view.shape());
        link.whole = to_string(node(whole == no_node ? from : whole).view.shape());
        if (link.carried) link.state = state(from, reader.input);
        model_->items[link.from].is_sink = false;
        found_.push_back({to, to, {}, 0, false, steps});
        model_->links.push_back(std::move(link));
    }
    Link& known = model_->links[at->second];
    Found& found = found_[at->second];
    if (to == found.first) {
        found.chains.push_back(views);
        known.operands.push_back(reader.number);
    } else {
        found.next = to == found.last ? found.next + 1 : 0;
        if (found.next < found.chains.size())
            found.varies = found.varies || !are_alike(found.chains[found.next], views);
    }
    found.last = to;
    if (found.steps != steps) found.steps = 0;
    for (const View& view : views)
        if (const std::string* const color = in_.highlights.color_of_view(view.id))
            known.color = *color;
    if (in_.options.statistics != nullptr)
        if (const Summary* s = in_.options.statistics->gradient(from))
            known.gradient_norm = std::max(known.gradient_norm, s->norm);
}

template <class T>
bool Links<T>::are_alike(const Chain& a, const Chain& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const View& x, const View& y) { return x.part.axes == y.part.axes; });
}

template <class T>
std::string Links<T>::state(NodeId from, NodeId view) const {
    for (const NodeId id : {view, from}) {
        const auto name = in_.names.find(id);
        if (name != in_.names.end()) return name->second;
    }
    const Node<T>& n = node(node(from).operation);
    const std::uint32_t output = from - n.operation;
    if (std::string name = result_name(in_.tape.fused_names(n.operation), output); !name.empty())
        return name;
    return n.op.name + (n.outputs > 1 ? " " + std::to_string(output) : std::string());
}

// "slice 2:4, transpose", the first view first.
template <class T>
std::string Links<T>::text_of_views(const Found& found, bool varies) {
    std::string text;
    if (found.chains.empty()) return text;
    for (std::size_t v = found.chains[0].size(); v-- > 0;) {
        text += (text.empty() ? "" : ", ") + found.chains[0][v].name;
        std::vector<ViewPart> parts;
        for (const Chain& chain : found.chains) parts.push_back(chain[v].part);
        const std::string part = text_of(std::move(parts));
        if (!part.empty()) text += varies ? " …" : " " + part;
    }
    return text;
}

template <class T>
void Links<T>::finish() {
    for (std::size_t i = 0; i < model_->links.size(); ++i) {
        Link& l = model_->links[i];
        const Found& found = found_[i];
        if (l.views.empty()) l.views = text_of_views(found, found.varies);
        l.all_views = text_of_views(found, true);
        l.parallel = std::max<std::size_t>(found.chains.size(), 1);
        if (has_several_receivers_.contains(l.to)) l.operands.clear();
        // The distance of tensors that skip steps, if it is constant.
        if (l.carried && std::abs(found.steps) != 1)
            l.state += found.steps == 0 ? ", earlier steps"
                                        : ", " + std::to_string(std::abs(found.steps)) + " steps";
    }
}

template class Links<float>;
template class Links<double>;

} // namespace unroll::graph::detail
