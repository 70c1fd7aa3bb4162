#include <unroll/core/graph/scopes.hpp>

#include <algorithm>
#include <set>
#include <span>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

namespace unroll::graph::detail {

namespace {

template <class T>
class Folding {
public:
    Folding(const Tape<T>& tape, NodeId of, const Options& options)
        : tape_(tape), options_(options), scopes_(tape, of, options) {
        for (const auto& [id, name] : tape.names()) names_[id] = name;
        for (const auto& [value, name] : tape.constant_names()) constant_names_[value] = name;
        make_items();
        make_links();
        make_modules();
        model.find_by_products();
        mark_failure();
    }
    Model model;

private:
    const Node<T>& node(NodeId id) const { return tape_.node(id); }

    Measure measure(NodeId id) const {
        Measure m;
        const Node<T>& n = node(id);
        for (NodeId out = id; out < id + n.outputs; ++out) {
            if (n.parameter == nullptr)
                m.results += static_cast<double>(element_count(node(out).view.shape()) * sizeof(T));
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
        // Per scope, in order: [0] operations and sources, [1] parameters.
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
            const bool is_new = scope == representative || ordinal >= known.size();
            const std::uint32_t same =
                is_new ? none : known[std::min<std::size_t>(ordinal, known.size() - 1)];
            const std::string numbers = add_constants(id, same);
            const std::uint32_t number =
                is_new ? static_cast<std::uint32_t>(model.items.size()) : same;
            if (is_new) {
                known.push_back(number);
                model.items.push_back(new_item(id, representative));
                model.items.back().numbers = numbers;
            } else if (model.items[number].numbers != numbers) {
                model.items[number].numbers = "…";
            }
            for (const ConstantUse& use : constants_of(id))
                if (const auto from = constant_of_.find(use.value); from != constant_of_.end())
                    operand_of_.emplace(mix(number, use.input), from->second);
            Item& item = model.items[number];
            item_of_[id] = number;
            ++item.count;
            if (k == 1) item.elements += node(id).parameter->size();
            item.measure.add(measure(id));
        }
    }

    std::span<const ConstantUse> constants_of(NodeId id) const {
        const auto& all = tape_.constants();
        const auto [first, last] = std::equal_range(
            all.begin(), all.end(), ConstantUse{id, 0, 0, {}, nullptr, 0},
            [](const ConstantUse& a, const ConstantUse& b) { return a.node < b.node; });
        return {first, last};
    }

    // Creates items for the constants that a node uses and returns the scalar ones, which are
    // written as numbers. In a series, the constants of the same operand are one item; `same` is
    // the item of the node, if it already exists.
    std::string add_constants(NodeId id, std::uint32_t same) {
        std::string numbers;
        for (const ConstantUse& use : constants_of(id)) {
            const auto named = constant_names_.find(use.value);
            if (use.layout->shape.empty() && use.name == nullptr &&
                named == constant_names_.end()) {
                numbers += (numbers.empty() ? "" : ", ") + format_with_unit(use.number);
                continue;
            }
            auto [known, is_new] = constant_of_.emplace(use.value, none);
            if (!is_new) continue;
            const auto before = operand_of_.find(mix(same, use.input));
            if (same != none && before != operand_of_.end()) {
                known->second = before->second;
                ++model.items[before->second].count;
                continue;
            }
            Item item{};
            item.kind = Item::Kind::constant;
            item.node = id;
            // A named constant is an input of the whole graph.
            item.module = named != constant_names_.end() ? 0 : scopes_.parameter_scope_of(id);
            item.name = named != constant_names_.end() ? named->second
                        : use.name != nullptr          ? use.name
                                                       : "constant";
            item.origin = origin(id);
            item.shapes.push_back(to_string(use.layout->shape));
            item.count = 1;
            known->second = static_cast<std::uint32_t>(model.items.size());
            model.items.push_back(std::move(item));
        }
        return numbers;
    }

    std::string origin(NodeId id) const {
        const Node<T>& n = node(id);
        std::string text = tape_.scope_path(n.scope);
        const Where caller = tape_.caller(n.scope);
        const Where& where = caller.line() > 0 ? caller : n.op.where;
        if (where.line() > 0) text += (text.empty() ? "" : ", ") + to_string(where);
        return text;
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
        item.origin = origin(id);
        for (NodeId out = id; out < id + n.outputs; ++out)
            item.shapes.push_back(to_string(node(out).view.shape()));
        if (item.kind == Item::Kind::operation && tape_.time_step(n.scope) == Scope::no_index)
            for (NodeId out = id; out < id + n.outputs; ++out)
                if (const auto name = names_.find(out); name != names_.end())
                    item.result += (item.result.empty() ? "" : ", ") + std::string(name->second);
        if (options_.open && n.rule != nullptr) item.formula = n.rule->formula();
        // A formula with a single operator is not more informative than the name.
        if (item.formula.is_primitive ||
            std::count_if(item.formula.terms.begin(), item.formula.terms.end(),
                          [](const auto& t) { return !t.arguments.empty(); }) < 2)
            item.formula = {};
        return item;
    }

    void make_links() {
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
            for (const ConstantUse& use : constants_of(id)) link_constant(use);
        }
    }

    void link_constant(const ConstantUse& use) {
        const auto found = constant_of_.find(use.value);
        if (found == constant_of_.end()) return;
        Link link{};
        link.from = found->second;
        link.to = item_of_[use.node];
        if (!model.items[link.to].formula.empty()) link.input = use.input;
        const Key key = mix(mix(link.from, link.to), mix(0, link.input));
        if (!link_of_.emplace(key, model.links.size()).second) return;
        link.shape = link.whole = model.items[link.from].shapes.front();
        model.items[link.from].is_sink = false;
        farthest_.push_back(0);
        reader_.push_back(use.node);
        model.links.push_back(std::move(link));
    }

    // The first and last element of the root storage that a value covers.
    std::pair<std::size_t, std::size_t> span_of(NodeId id) const {
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
            link.shape = to_string(node(end.input).view.shape());
            link.whole = to_string(node(end.rows == no_node ? from : end.rows).view.shape());
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

    // Names the distance of tensors that skip steps, if it is constant.
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
        std::vector<std::uint32_t>& number = numbers_;
        number.assign(scopes_.size(), none);
        for (std::uint32_t s = 0; s < scopes_.size(); ++s)
            if (used[s] && scopes_[s].representative == s) add_module(s, number);
        // Per module: the indices of the series that it represents, under one parent.
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
                if (!item.is_operand()) model.modules[m].measure.add(item.measure);
                if (m == 0) break;
            }
        }
        for (Link& l : model.links)
            if (l.series != none) l.series = number[l.series];
        model.count_parameters();
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
                module.title += separator(module.name) + std::to_string(scope.index);
            model.modules[module.parent].children.push_back(number[s]);
        }
        model.modules.push_back(std::move(module));
    }

    // "t = 3", "layer 3"; a module in a list is "layers.3".
    static std::string separator(const std::string& name) {
        return name == "t" ? " = " : name.ends_with('.') ? "" : " ";
    }

    static void name_series(Module& module, const std::set<std::int64_t>& indices) {
        const auto first = *indices.begin(), last = *indices.rbegin();
        const bool whole = static_cast<std::size_t>(last - first + 1) == indices.size();
        const std::string next = std::to_string(*std::next(indices.begin()));
        module.folded = true;
        module.count = indices.size();
        module.title = module.name + separator(module.name) + std::to_string(first) +
                       (indices.size() == 2 ? ", " + next
                        : whole             ? " … " + std::to_string(last)
                                            : ", " + next + ", … " + std::to_string(last));
    }

    // The failed operation: the last one that was recorded on its line, or an added one.
    void mark_failure() {
        const Failure* const failure =
            options_.error != nullptr ? options_.error->failure() : nullptr;
        if (failure == nullptr) return;
        const auto is_it = [&](NodeId id) {
            const Node<T>& n = node(id);
            return item_of_[id] != none && n.op.name == failure->operation &&
                   n.op.where.line() == failure->where.line() &&
                   to_string(n.op.where) == to_string(failure->where) &&
                   tape_.scope_path(n.scope) == failure->path;
        };
        for (auto id = static_cast<NodeId>(tape_.size()); failure->is_recorded && id-- > 0;)
            if (is_it(id)) {
                model.items[item_of_[id]].failure = failure->problem;
                return;
            }
        Item item{};
        item.kind = Item::Kind::operation;
        item.name = failure->operation;
        item.origin = failure->path;
        for (const Where& where : {failure->caller, failure->where})
            if (where.line() > 0)
                item.origin += (item.origin.empty() ? "" : ", ") + to_string(where);
        item.failure = failure->problem;
        item.count = 1;
        // In the innermost module of the path from which an operation was recorded.
        std::size_t longest = 0;
        for (std::uint32_t s = 1; s < tape_.scopes().size(); ++s) {
            const std::string path = tape_.scope_path(s);
            if (path.size() < longest || !(failure->path + ".").starts_with(path + ".")) continue;
            longest = path.size();
            item.module = module_of(s);
        }
        if (longest < failure->path.size()) item.name += " in " + failure->path;
        model.modules[item.module].items.push_back(static_cast<std::uint32_t>(model.items.size()));
        model.items.push_back(std::move(item));
    }

    std::uint32_t module_of(std::uint32_t scope) const {
        for (std::uint32_t s = scopes_.drawn(scope);; s = scopes_[s].parent)
            if (const std::uint32_t m = numbers_[scopes_[s].representative]; m != none) return m;
    }

    const Tape<T>& tape_;
    const Options& options_;
    const DrawnScopes<T> scopes_;
    std::vector<std::uint32_t> item_of_;                      // per node
    std::unordered_map<NodeId, std::vector<Writer>> writers_; // per buffer
    std::unordered_map<NodeId, const char*> names_;
    std::unordered_map<std::uint64_t, const char*> constant_names_;
    std::unordered_map<std::uint64_t, std::uint32_t> constant_of_; // item, per value
    std::unordered_map<Key, std::uint32_t> operand_of_; // item, per item of the reader and operand
    std::vector<std::uint32_t> numbers_;                // of modules, per scope
    std::unordered_map<Key, std::size_t> link_of_;
    std::vector<NodeId> reader_;         // per link: its first reader
    std::vector<std::int64_t> farthest_; // per link: number of steps; 0: varies
};

} // namespace

template <class T>
Model fold(const Tape<T>& tape, NodeId of, const Options& options) {
    return Folding<T>(tape, of, options).model;
}

template Model fold(const Tape<float>&, NodeId, const Options&);
template Model fold(const Tape<double>&, NodeId, const Options&);

} // namespace unroll::graph::detail
