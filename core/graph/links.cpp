#include <unroll/core/graph/links.hpp>

#include <algorithm>
#include <sstream>
#include <tuple>
#include <unordered_set>

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
    find_writers();
    for (NodeId id = 0; id < tape_.size(); ++id) {
        if (item_of_[id] == none) continue;
        const Node<T>& n = node(id);
        for (std::uint32_t i = 0; i < n.input_count; ++i)
            if (n.inputs[i] != no_node) trace(n.inputs[i], id, i);
        for (const ConstantUse& use : tape_.constants_of(id)) link_constant(use);
    }
    label_distances();
}

template <class T>
void Links<T>::find_writers() {
    for (NodeId id = 0; id < tape_.size(); ++id) {
        const NodeId root = node(id).root;
        if (item_of_[id] == none || root == id || !scopes_.is_buffer(root)) continue;
        const auto [low, high] = span_of(id);
        writers_[root].push_back({id, low, high});
    }
    for (auto& [root, writers] : writers_)
        std::sort(writers.begin(), writers.end(), [](const Writer& a, const Writer& b) {
            return std::tie(a.low, a.node) < std::tie(b.low, b.node);
        });
}

template <class T>
void Links<T>::link_constant(const ConstantUse& use) {
    const auto drawn = operands_.find(use);
    if (!drawn) return;
    Link link{};
    link.from = constant_of_.at(drawn->key);
    link.to = item_of_[use.node];
    if (!model_->items[link.to].formula.empty() && use.input != ConstantUse::not_an_input)
        link.input = use.input;
    if (drawn->is_part) link.views = "part";
    const Key key = mix(mix(link.from, link.to), mix(0, link.input));
    if (!link_of_.emplace(key, model_->links.size()).second) return;
    link.shape = to_string(use.layout->shape);
    link.whole = model_->items[link.from].shapes.front();
    model_->items[link.from].is_sink = false;
    farthest_.push_back(0);
    reader_.push_back(use.node);
    model_->links.push_back(std::move(link));
}

// The first and last element of the root storage that a value covers.
template <class T>
std::pair<std::size_t, std::size_t> Links<T>::span_of(NodeId id) const {
    const StridedView& region = node(id).view;
    std::size_t low = region.offset, high = region.offset;
    for (std::size_t i = 0; i < region.shape().size(); ++i) {
        const auto reach =
            region.strides()[i] * (static_cast<std::ptrdiff_t>(region.shape()[i]) - 1);
        (reach < 0 ? low : high) += static_cast<std::size_t>(reach);
    }
    return {low, high};
}

// The nodes that wrote the elements that `input` covers, one per item.
template <class T>
std::vector<NodeId> Links<T>::writers_of(NodeId buffer, NodeId input, NodeId to) const {
    const auto found = writers_.find(buffer);
    if (found == writers_.end()) return {};
    const std::vector<Writer>& all = found->second;
    const auto [low, high] = span_of(input);
    auto begin = std::partition_point(all.begin(), all.end(),
                                      [low = low](const Writer& w) { return w.high < low; });
    std::vector<NodeId> writers;
    std::unordered_set<std::uint32_t> seen;
    for (; begin != all.end() && begin->low <= high; ++begin)
        if (begin->node < to && seen.insert(item_of_[begin->node]).second)
            writers.push_back(begin->node);
    return writers;
}

// Follows views back to the operation that computed `input`; for rows of a buffer, to all
// operations that wrote them.
template <class T>
void Links<T>::trace(NodeId input, NodeId to, std::uint32_t number) {
    std::vector<std::string> views;
    NodeId from = input, rows = no_node;
    NodeId inside = no_node; // the result of a Composite, if it is a view within it
    while (item_of_[from] == none) {
        const Node<T>& n = node(from);
        if (n.operation != from) break;
        if (scopes_.is_buffer(from)) {
            for (const NodeId id : writers_of(from, input, to))
                link({id, rows, input, to, number}, views);
            return;
        }
        // Rows of a buffer, the steps of a layer, are no operation of the user.
        const std::uint64_t composite = tape_.composite(from);
        if (composite == 0 && !scopes_.is_buffer(n.inputs[0])) views.push_back(view_name(from));
        if (composite != 0 && composite == tape_.composite(to))
            input = n.inputs[0];
        else if (composite != 0 && inside == no_node)
            inside = from;
        rows = from;
        from = n.inputs[0];
    }
    link({from, inside, input, to, number}, views);
}

// "first = select" of a part that has a name, "select" otherwise.
template <class T>
std::string Links<T>::view_name(NodeId id) const {
    const auto name = names_.find(id);
    const std::string view = node(id).op.name;
    const bool is_part = element_count(node(id).view.shape()) !=
                         element_count(node(node(id).inputs[0]).view.shape());
    return name != names_.end() && is_part ? std::string(name->second) + " = " + view : view;
}

template <class T>
void Links<T>::link(const End& end, const std::vector<std::string>& views) {
    const NodeId from = end.from, to = end.to;
    const NodeId first = node(from).operation;
    Link link{};
    link.from = item_of_[first];
    link.to = item_of_[to];
    if (link.from == none) return;
    if (tape_.composite(to) != 0 && tape_.composite(from) == tape_.composite(to)) return;
    link.output = from - first;
    if (!model_->items[link.to].formula.empty()) link.input = end.number;
    const std::int64_t steps =
        scopes_.is_parameter(from) ? 0 : scopes_.steps_between(from, to, link.series);
    link.carried = steps != 0;
    Key key = mix(mix(link.from, link.to), mix(link.output, link.input));
    key = mix(key, link.carried ? (steps > 0 ? 1 : 2) : 0);
    const auto [found, fresh] = link_of_.emplace(key, model_->links.size());
    if (fresh) {
        for (const std::string& view : views)
            link.views = view + (link.views.empty() ? "" : ", " + link.views);
        link.shape = to_string(node(end.input).view.shape());
        link.whole = to_string(node(end.rows == no_node ? from : end.rows).view.shape());
        if (link.carried) link.state = state(from, end.input);
        model_->items[link.from].is_sink = false;
        farthest_.push_back(steps);
        model_->links.push_back(std::move(link));
        reader_.push_back(to);
    } else if (reader_[found->second] == to) {
        ++model_->links[found->second].parallel;
    }
    Link& known = model_->links[found->second];
    if (farthest_[found->second] != steps) farthest_[found->second] = 0;
    if (options_.statistics != nullptr)
        if (const Summary* s = options_.statistics->gradient(from))
            known.gradient_norm = std::max(known.gradient_norm, s->norm);
}

template <class T>
std::string Links<T>::state(NodeId from, NodeId view) const {
    for (const NodeId id : {view, from}) {
        const auto name = names_.find(id);
        if (name != names_.end()) return name->second;
    }
    const Node<T>& n = node(node(from).operation);
    const std::uint32_t output = from - n.operation;
    if (std::string name = result_name(tape_.fused_names(n.operation), output); !name.empty())
        return name;
    return n.op.name + (n.outputs > 1 ? " " + std::to_string(output) : std::string());
}

// Names the distance of tensors that skip steps, if it is constant.
template <class T>
void Links<T>::label_distances() {
    for (std::size_t i = 0; i < model_->links.size(); ++i) {
        Link& l = model_->links[i];
        if (!l.carried || std::abs(farthest_[i]) == 1) continue;
        l.state += farthest_[i] == 0 ? ", earlier steps"
                                     : ", " + std::to_string(std::abs(farthest_[i])) + " steps";
    }
}

template class Links<float>;
template class Links<double>;

} // namespace unroll::graph::detail
