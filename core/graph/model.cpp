#include <unroll/core/graph/scopes.hpp>

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

namespace unroll::graph::detail {

void Measure::add(const Measure& other) {
    value_norm = std::max(value_norm, other.value_norm);
    gradient_norm = std::max(gradient_norm, other.gradient_norm);
    forward += other.forward;
    backward += other.backward;
    kept += other.kept;
    results += other.results;
}

bool Model::inside(std::uint32_t module, std::uint32_t outer) const {
    while (modules[module].level > modules[outer].level) module = modules[module].parent;
    return module == outer;
}

std::string Model::path(std::uint32_t module) const {
    if (module == 0) return {};
    const std::string outer = path(modules[module].parent);
    return (outer.empty() ? "" : outer + ".") + modules[module].title;
}

namespace {

template <class T>
class Folding {
public:
    Folding(const Tape<T>& tape, NodeId of, const Options& options)
        : tape_(tape), options_(options), scopes_(tape, of, options) {
        make_items();
        make_links();
        make_modules();
    }
    Model model;

private:
    const Node<T>& node(NodeId id) const { return tape_.node(id); }

    Measure measure(NodeId id) const {
        Measure m;
        const Node<T>& n = node(id);
        for (NodeId out = id; out < id + n.outputs; ++out) {
            if (n.parameter == nullptr)
                m.results +=
                    static_cast<double>(element_count(node(out).region->shape) * sizeof(T));
            if (options_.statistics == nullptr) continue;
            if (const Summary* s = options_.statistics->value(out))
                m.value_norm = std::max(m.value_norm, s->norm);
            if (const Summary* s = options_.statistics->gradient(out))
                m.gradient_norm = std::max(m.gradient_norm, s->norm);
        }
        if (n.rule != nullptr)
            for (const Saved<T>& x : n.rule->kept())
                if (!x.variable.is_parameter())
                    m.kept += static_cast<double>(x.value().size() * sizeof(T));
        if (options_.profile != nullptr)
            if (const Cost* cost = options_.profile->cost(id)) {
                m.forward = cost->forward;
                m.backward = cost->backward;
                m.kept = static_cast<double>(cost->kept);
            }
        return m;
    }

    void make_items() {
        item_of_.assign(tape_.size(), none);
        // By scope, in order: [0] operations and sources, [1] parameters.
        std::vector<std::vector<std::uint32_t>> members[2];
        std::vector<std::uint32_t> reached[2];
        for (int k : {0, 1}) {
            members[k].resize(scopes_.size());
            reached[k].assign(scopes_.size(), 0);
        }
        for (NodeId id = 0; id < tape_.size(); ++id) {
            if (!scopes_.is_drawn(id)) continue;
            ++model.size;
            model.is_used_up = model.is_used_up || node(id).is_used_up;
            const std::uint32_t scope = scopes_.scope_of(id),
                                representative = scopes_[scope].representative;
            const int k = scopes_.is_parameter(id);
            const std::uint32_t ordinal = reached[k][scope]++;
            std::vector<std::uint32_t>& known = members[k][representative];
            if (scope == representative || ordinal >= known.size()) {
                known.push_back(static_cast<std::uint32_t>(model.items.size()));
                model.items.push_back(new_item(id, representative));
            }
            const std::uint32_t number = known[std::min<std::size_t>(ordinal, known.size() - 1)];
            Item& item = model.items[number];
            item_of_[id] = number;
            ++item.count;
            if (k == 1) item.elements += node(id).parameter->size();
            item.measure.add(measure(id));
        }
    }

    Item new_item(NodeId id, std::uint32_t scope) const {
        const Node<T>& n = node(id);
        Item item{};
        item.node = id;
        item.module = scope;
        item.kind = scopes_.is_parameter(id) ? Item::Kind::parameter
                    : n.input_count == 0     ? Item::Kind::source
                                             : Item::Kind::operation;
        item.name = scopes_.is_parameter(id) ? n.parameter->name() : n.op.name;
        item.path = tape_.scope_path(n.scope);
        if (n.op.where.line() > 0)
            item.path += std::string(item.path.empty() ? "" : ", ") + n.op.where.file_name() + ":" +
                         std::to_string(n.op.where.line());
        for (NodeId out = id; out < id + n.outputs; ++out)
            item.shapes.push_back(to_string(node(out).region->shape));
        if (options_.open && n.rule != nullptr) item.formula = n.rule->formula();
        // A formula of one operator adds nothing to the name.
        if (std::count_if(item.formula.terms.begin(), item.formula.terms.end(),
                          [](const auto& t) { return !t.arguments.empty(); }) < 2)
            item.formula = {};
        return item;
    }

    void make_links() {
        for (const auto& [id, name] : tape_.names()) names_[id] = name;
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
        for (NodeId id = 0; id < tape_.size(); ++id) {
            if (item_of_[id] == none) continue;
            const Node<T>& n = node(id);
            for (std::uint32_t i = 0; i < n.input_count; ++i)
                if (n.inputs[i] != no_node) trace(n.inputs[i], id, i);
        }
    }

    // The first and the last element of its root that a value covers.
    std::pair<std::size_t, std::size_t> span_of(NodeId id) const {
        const Region& region = *node(id).region;
        std::size_t low = region.offset, high = region.offset;
        for (std::size_t i = 0; i < region.shape.size(); ++i) {
            const auto reach =
                region.strides[i] * (static_cast<std::ptrdiff_t>(region.shape[i]) - 1);
            (reach < 0 ? low : high) += static_cast<std::size_t>(reach);
        }
        return {low, high};
    }

    // The nodes that wrote into the elements that `input` covers, one for each item.
    std::vector<NodeId> writers_of(NodeId buffer, NodeId input, NodeId to) const {
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

    struct Writer {
        NodeId node;
        std::size_t low, high;
    };
    struct End {
        NodeId from, rows; // `rows`: the node that reads a buffer as one value
        NodeId input, to;
        std::uint32_t number;
    };

    // Follows views back to the operation that computed `input`; for rows of a buffer, to all
    // operations that wrote them.
    void trace(NodeId input, NodeId to, std::uint32_t number) {
        std::vector<const char*> views;
        NodeId from = input, rows = no_node;
        while (item_of_[from] == none) {
            const Node<T>& n = node(from);
            if (n.operation != from) break;
            if (scopes_.is_buffer(from)) {
                for (const NodeId id : writers_of(from, input, to))
                    link({id, rows, input, to, number}, views);
                return;
            }
            views.push_back(n.op.name);
            rows = from;
            from = n.inputs[0];
        }
        link({from, no_node, input, to, number}, views);
    }

    void link(const End& end, const std::vector<const char*>& views) {
        const NodeId from = end.from, to = end.to;
        const NodeId first = node(from).operation;
        Link link{};
        link.from = item_of_[first];
        link.to = item_of_[to];
        if (link.from == none) return;
        link.output = from - first;
        if (!model.items[link.to].formula.empty()) link.input = end.number;
        const std::int64_t steps =
            scopes_.is_parameter(from) ? 0 : scopes_.steps_between(from, to, link.series);
        link.carried = steps != 0;
        Key key = mix(mix(link.from, link.to), mix(link.output, link.input));
        key = mix(key, link.carried ? (steps > 0 ? 1 : 2) : 0);
        const auto [found, fresh] = link_of_.emplace(key, model.links.size());
        if (fresh) {
            for (const char* view : views)
                link.views = view + (link.views.empty() ? "" : ", " + link.views);
            link.shape = to_string(node(end.input).region->shape);
            link.whole = to_string(node(end.rows == no_node ? from : end.rows).region->shape);
            if (link.carried) link.state = state(from, end.input);
            model.items[link.from].is_sink = false;
            farthest_.push_back(steps);
            model.links.push_back(std::move(link));
            reader_.push_back(to);
        } else if (reader_[found->second] == to) {
            ++model.links[found->second].parallel;
        }
        Link& known = model.links[found->second];
        if (farthest_[found->second] != steps) farthest_[found->second] = 0;
        if (options_.statistics != nullptr)
            if (const Summary* s = options_.statistics->gradient(from))
                known.gradient_norm = std::max(known.gradient_norm, s->norm);
    }

    std::string state(NodeId from, NodeId view) const {
        for (const NodeId id : {view, from}) {
            const auto name = names_.find(id);
            if (name != names_.end()) return name->second;
        }
        const Node<T>& n = node(node(from).operation);
        const std::uint32_t output = from - n.operation;
        if (n.rule != nullptr) {
            const Formula formula = n.rule->formula();
            if (output < formula.outputs.size() && !formula.outputs[output].name.empty())
                return formula.outputs[output].name;
        }
        return n.op.name + (n.outputs > 1 ? " " + std::to_string(output) : std::string());
    }

    // Names the distance of tensors that skip steps, if it is always the same.
    void label_distances() {
        for (std::size_t i = 0; i < model.links.size(); ++i) {
            Link& l = model.links[i];
            if (!l.carried || std::abs(farthest_[i]) == 1) continue;
            l.state += farthest_[i] == 0 ? ", earlier steps"
                                         : ", " + std::to_string(std::abs(farthest_[i])) + " steps";
        }
    }

    void make_modules() {
        label_distances();
        std::vector<bool> used(scopes_.size(), false);
        used[0] = true;
        for (const Item& item : model.items)
            for (std::uint32_t s = item.module; !used[s];
                 s = scopes_[scopes_[s].parent].representative)
                used[s] = true;
        std::vector<std::uint32_t> number(scopes_.size(), none);
        for (std::uint32_t s = 0; s < scopes_.size(); ++s)
            if (used[s] && scopes_[s].representative == s) add_module(s, number);
        // By module: the indices of the series that it represents, under one parent.
        std::vector<std::set<std::int64_t>> indices(model.modules.size());
        for (std::uint32_t i = 0; i < scopes_.size(); ++i) {
            const DrawnScope& s = scopes_[i];
            const std::uint32_t m = number[s.representative];
            if (s.folds && m != none && s.parent == scopes_[s.representative].parent)
                indices[m].insert(s.index);
        }
        for (std::uint32_t m = 0; m < model.modules.size(); ++m)
            if (indices[m].size() > 1) name_series(model.modules[m], indices[m]);
        for (std::uint32_t i = 0; i < model.items.size(); ++i) {
            Item& item = model.items[i];
            item.module = number[item.module];
            model.modules[item.module].items.push_back(i);
            for (std::uint32_t m = item.module;; m = model.modules[m].parent) {
                if (item.kind != Item::Kind::parameter) model.modules[m].measure.add(item.measure);
                if (m == 0) break;
            }
        }
        for (Link& l : model.links)
            if (l.series != none) l.series = number[l.series];
        count_parameters();
    }

    void add_module(std::uint32_t s, std::vector<std::uint32_t>& number) {
        const DrawnScope& scope = scopes_[s];
        number[s] = static_cast<std::uint32_t>(model.modules.size());
        Module module{};
        if (s != 0) {
            const ScopeEntry& entry = tape_.scopes()[scope.first];
            module.parent = number[scopes_[scope.parent].representative];
            module.level = model.modules[module.parent].level + 1;
            module.name = module.title = entry.name;
            module.numbered = scope.index != Scope::no_index;
            if (module.numbered)
                module.title += (scope.is_step ? " = " : " ") + std::to_string(scope.index);
            model.modules[module.parent].children.push_back(number[s]);
        }
        model.modules.push_back(std::move(module));
    }

    static void name_series(Module& module, const std::set<std::int64_t>& indices) {
        const auto first = *indices.begin(), last = *indices.rbegin();
        const bool whole = static_cast<std::size_t>(last - first + 1) == indices.size();
        const std::string next = std::to_string(*std::next(indices.begin()));
        module.folded = true;
        module.count = indices.size();
        module.title = module.name + (module.name == "t" ? " = " : " ") + std::to_string(first) +
                       (indices.size() == 2 ? ", " + next
                        : whole             ? " … " + std::to_string(last)
                                            : ", " + next + ", … " + std::to_string(last));
    }

    void count_parameters() {
        std::set<std::pair<std::uint32_t, std::uint32_t>> seen;
        const auto count = [&](std::uint32_t item, std::uint32_t module) {
            for (std::uint32_t m = module; seen.insert({item, m}).second;
                 m = model.modules[m].parent) {
                model.modules[m].parameters += model.items[item].elements;
                if (m == 0) break;
            }
        };
        for (const Link& l : model.links)
            if (model.items[l.from].kind == Item::Kind::parameter) {
                count(l.from, model.items[l.to].module);
                count(l.from, model.items[l.from].module);
            }
    }

    const Tape<T>& tape_;
    const Options& options_;
    const DrawnScopes<T> scopes_;
    std::vector<std::uint32_t> item_of_;                      // by node
    std::unordered_map<NodeId, std::vector<Writer>> writers_; // by buffer
    std::unordered_map<NodeId, const char*> names_;
    std::unordered_map<Key, std::size_t> link_of_;
    std::vector<NodeId> reader_;         // by link: its first reader
    std::vector<std::int64_t> farthest_; // by link: number of steps; 0: varies
};

} // namespace

template <class T>
Model fold(const Tape<T>& tape, NodeId of, const Options& options) {
    return Folding<T>(tape, of, options).model;
}

template Model fold(const Tape<float>&, NodeId, const Options&);
template Model fold(const Tape<double>&, NodeId, const Options&);

} // namespace unroll::graph::detail
