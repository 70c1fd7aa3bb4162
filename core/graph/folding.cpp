#include <unroll/core/base/numbers.hpp>
#include <unroll/core/graph/links.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <unordered_map>

namespace unroll::graph::detail {

namespace {

template <class T>
class Folding {
public:
    Folding(const Tape<T>& tape, NodeId of, const Options& options)
        : tape_(tape), options_(options), writers_(tape), highlights_(tape, options, writers_),
          scopes_(tape, of, options, highlights_), operands_(tape) {
        for (const auto& [id, name] : tape.names()) names_[id] = name;
        make_items();
        add_unread_views();
        move_inputs_out();
        auto names_of_edges = names_;
        for (const NodeId id : named_items_) names_of_edges.erase(id);
        Links<T>({tape, options, scopes_, operands_, writers_, highlights_, item_of_, constant_of_,
                  names_of_edges})
            .add_to(model);
        make_modules();
        model.find_by_products();
        model.find_ordered();
        mark(model, tape, options, {item_of_, constants_by_use(), modules_by_scope()}, highlights_);
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
            if (!scopes_.is_drawn(id)) {
                if (scopes_.is_selected(id) && scopes_.representative(id) < id)
                    add_part(id);
                else if (scopes_.is_selected(id) && scopes_.is_view(id))
                    name_whole_view(id);
                continue;
            }
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
            add_constants(id, same);
            if (is_new) {
                known.push_back(static_cast<std::uint32_t>(model.items.size()));
                model.items.push_back(new_item(id, representative));
            }
            const std::uint32_t number = is_new ? known.back() : same;
            note_operands(id, number);
            Item& item = model.items[number];
            if (!is_new) merge_arguments(item, arguments_of(id, false));
            item_of_[id] = number;
            ++item.count;
            if (k == 1) item.elements += node(id).parameter->size();
            item.measure.add(measure(id));
        }
    }

    // A later node of a Composite. Its shape is that of its last operation, or of a view of that.
    void add_part(NodeId id) {
        const NodeId first = scopes_.representative(id);
        const std::uint32_t number = item_of_[first];
        if (number == none) return;
        const bool is_new = model.items[number].node == first;
        const bool is_view = scopes_.is_view(id);
        if (is_view && !ends_composite(node(id).inputs[0], id)) return;
        if (node(id).operation != id) return;
        if (is_new) model.items[number].shapes = {to_string(node(id).view.shape())};
        name_result(id, number);
        if (is_view) return;
        Item& item = model.items[number];
        item.formula = {};
        if (node(id).notation != Notation::call) item.notation = node(id).notation;
        if (is_new)
            operands_.add_arguments(item, id, true);
        else
            merge_arguments(item, arguments_of(id, true));
        add_constants(id, is_new ? none : number);
        note_operands(id, number);
        item_of_[id] = number;
        model.items[number].measure.add(measure(id));
    }

    Item arguments_of(NodeId id, bool is_part) const {
        Item item{};
        operands_.add_arguments(item, id, is_part);
        return item;
    }

    void name_result(NodeId id, std::uint32_t number) {
        const auto name = names_.find(id);
        Item& item = model.items[number];
        if (name != names_.end() && item.kind == Item::Kind::operation &&
            tape_.time_step(node(id).scope) == Scope::no_index) {
            item.result = name->second;
            named_items_.insert(id);
        }
    }

    // The name of a view of all elements, such as a reshape, names the result that it views.
    void name_whole_view(NodeId id) {
        NodeId from = id;
        while (scopes_.is_view(from)) from = node(from).inputs[0];
        const NodeId operation = node(from).operation;
        if (item_of_[operation] != none && node(operation).outputs == 1 &&
            element_count(node(id).view.shape()) == element_count(node(from).view.shape()))
            name_result(id, item_of_[operation]);
    }

    // A named view, such as a final state, is drawn as an operation if no edge that reads it shows
    // its name.
    void add_unread_views() {
        std::vector<bool> is_read(tape_.size(), false);
        for (NodeId id = 0; id < tape_.size(); ++id) {
            if (item_of_[id] == none) continue;
            for (std::uint32_t i = 0; i < node(id).input_count; ++i)
                for (NodeId from = node(id).inputs[i];
                     from != no_node && scopes_.is_view(from) && !is_read[from];
                     from = node(from).inputs[0])
                    is_read[from] = true;
        }
        for (const auto& [id, name] : tape_.names()) {
            if (!scopes_.is_selected(id) || !scopes_.is_view(id) || is_read[id] ||
                item_of_[id] != none || named_items_.contains(id) ||
                tape_.time_step(node(id).scope) != Scope::no_index)
                continue;
            Item item = new_item(id, 0);
            if (scopes_.is_buffer(node(id).inputs[0])) { // the layer wrote it
                item.name = name;
                item.result.clear();
            } else if (const std::string part = part_of(tape_, id).text(); !part.empty()) {
                item.name += " " + part;
            }
            item.count = 1;
            item_of_[id] = static_cast<std::uint32_t>(model.items.size());
            model.items.push_back(std::move(item));
        }
    }

    // Whether no other operation of the Composite follows `of` before `id`.
    bool ends_composite(NodeId of, NodeId id) const {
        if (tape_.composite(of) != tape_.composite(id)) return false;
        for (NodeId next = node(of).operation + node(of).outputs; next < id; ++next)
            if (tape_.composite(next) == tape_.composite(id) && !scopes_.is_view(next))
                return false;
        return true;
    }

    // Creates items for the constants of a node. In a series, those of the same operand are one
    // item; `same` is the item of the node, if it already exists.
    void add_constants(NodeId id, std::uint32_t same) {
        for (const ConstantUse& use : tape_.constants_of(id)) {
            const auto drawn = operands_.find(use);
            if (!drawn) continue;
            auto [known, is_new] = constant_of_.emplace(drawn->key, none);
            if (!is_new) continue;
            const auto before = operand_of_.find(operand_key(id, same, use.input));
            if (same != none && before != operand_of_.end() && !highlights_.has(use)) {
                known->second = before->second;
                ++model.items[before->second].count;
                continue;
            }
            Item item{};
            item.kind = Item::Kind::constant;
            item.node = id;
            item.module = drawn->is_named ? 0 : scope_of_constant(use);
            item.name = drawn->name;
            item.is_frozen = use.name != nullptr && !use.storage;
            item.origin = "used by " + std::string(node(id).op.name);
            if (const std::string where = origin(id); !where.empty()) item.origin += ", " + where;
            item.shapes.push_back(to_string(drawn->layout->shape));
            item.count = 1;
            known->second = static_cast<std::uint32_t>(model.items.size());
            if (use.is_beside_inputs() && !drawn->is_named) tensors_.push_back({id, known->second});
            model.items.push_back(std::move(item));
        }
    }

    // The scope in which it was made, outside of steps. Not known of tensors and frozen parameters.
    std::uint32_t scope_of_constant(const ConstantUse& use) const {
        std::uint32_t scope = node(use.node).scope;
        while (use.name == nullptr && scope != 0 &&
               !is_taken_after(use.value, tape_.scopes()[scope].serial))
            scope = tape_.scopes()[scope].parent;
        return scopes_.operand_scope(scope);
    }

    // A tensor, such as indices, that is the only one of its kind in a module is taken for an
    // argument of the module, and drawn outside of it.
    void move_inputs_out() {
        std::map<std::pair<std::uint32_t, std::string>, std::vector<std::uint32_t>> kinds;
        for (const auto& [node_id, item] : tensors_)
            kinds[{outermost_module(node(node_id).scope), model.items[item].name}].push_back(item);
        for (const auto& [kind, items] : kinds)
            if (items.size() == 1 && kind.first != 0)
                model.items[items[0]].module =
                    scopes_.operand_scope(tape_.scopes()[kind.first].parent);
    }
    // The scope of a module that no other contains; 0: none.
    std::uint32_t outermost_module(std::uint32_t scope) const {
        std::uint32_t found = 0;
        for (; scope != 0; scope = tape_.scopes()[scope].parent)
            if (tape_.scopes()[scope].module != nullptr) found = scope;
        return found;
    }

    // "i f g o c" of "i f g o c -> h c'".
    static std::vector<std::string> operand_names(const char* names) {
        std::vector<std::string> all;
        std::istringstream words(names != nullptr ? names : "");
        for (std::string word; words >> word && word != "->";) all.push_back(word);
        return all;
    }

    void note_operands(NodeId id, std::uint32_t item) {
        for (const ConstantUse& use : tape_.constants_of(id))
            if (const auto drawn = operands_.find(use); drawn && !highlights_.has(use))
                operand_of_.emplace(operand_key(id, item, use.input), constant_of_.at(drawn->key));
    }
    Key operand_key(NodeId id, std::uint32_t item, std::uint32_t input) const {
        return mix(mix(item, id - scopes_.representative(id)), input);
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
        item.notation = n.notation;
        item.inputs = n.input_count;
        operands_.add_arguments(item, id, false);
        item.operands = operand_names(tape_.fused_names(id));
        item.origin = origin(id);
        // The other results of an operation in a Composite are internal to it.
        for (NodeId out = id; out < id + (tape_.composite(id) == 0 ? n.outputs : 1); ++out)
            item.shapes.push_back(to_string(node(out).view.shape()));
        if (const auto name = names_.find(id);
            name != names_.end() && item.kind == Item::Kind::source)
            item.name = name->second;
        if (item.kind == Item::Kind::operation && tape_.time_step(n.scope) == Scope::no_index)
            for (NodeId out = id; out < id + n.outputs; ++out)
                if (const auto name = names_.find(out); name != names_.end())
                    item.result += (item.result.empty() ? "" : ", ") + std::string(name->second);
        if (options_.open) item.formula = tape_.formula(id);
        // A formula with a single operator is not more informative than the name.
        if (item.formula.is_primitive ||
            std::count_if(item.formula.terms.begin(), item.formula.terms.end(),
                          [](const auto& t) { return !t.arguments.empty(); }) < 2)
            item.formula = {};
        return item;
    }

    void make_modules() {
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
            module.opener = entry.module;
            if (module.numbered)
                module.title += separator(module.name) + std::to_string(scope.index);
            else if (module.opener != nullptr)
                module.call = ++calls_[{module.parent, module.opener}];
            model.modules[module.parent].children.push_back(number[s]);
        }
        model.modules.push_back(std::move(module));
    }

    // "t = 3", "layer 3"; a module in a list is "layers.3".
    static std::string separator(const std::string& name) {
        return name == "t" ? " = " : name.ends_with('.') ? "" : " ";
    }

    // "t = 0 … 4, 6 … 29".
    static void name_series(Module& module, const std::set<std::int64_t>& indices) {
        constexpr std::size_t most = 3;
        std::vector<std::pair<std::int64_t, std::int64_t>> runs;
        for (const std::int64_t index : indices)
            if (!runs.empty() && runs.back().second + 1 == index)
                runs.back().second = index;
            else
                runs.push_back({index, index});
        // The last of many follows an ellipsis.
        const auto last = runs.back().second;
        const bool is_long = runs.size() > most;
        if (is_long) runs.resize(most - 1);
        std::string text;
        for (const auto& [begin, end] : runs) {
            text += (text.empty() ? "" : ", ") + std::to_string(begin);
            if (end > begin) text += (end == begin + 1 ? ", " : " … ") + std::to_string(end);
        }
        module.folded = true;
        module.count = indices.size();
        module.title = module.name + separator(module.name) + text +
                       (is_long ? ", … " + std::to_string(last) : "");
    }

    // Per scope of the tape: the module that draws it.
    std::vector<std::uint32_t> modules_by_scope() const {
        std::vector<std::uint32_t> modules(tape_.scopes().size());
        for (std::uint32_t scope = 0; scope < modules.size(); ++scope) {
            std::uint32_t s = scopes_.drawn(scope);
            while (numbers_[scopes_[s].representative] == none) s = scopes_[s].parent;
            modules[scope] = numbers_[scopes_[s].representative];
        }
        return modules;
    }
    // Per constant of the tape: the item that draws it.
    std::vector<std::uint32_t> constants_by_use() const {
        std::vector<std::uint32_t> items;
        for (const ConstantUse& use : tape_.constants()) {
            const auto drawn = operands_.find(use);
            const auto item = drawn ? constant_of_.find(drawn->key) : constant_of_.end();
            items.push_back(item != constant_of_.end() ? item->second : none);
        }
        return items;
    }

    const Tape<T>& tape_;
    const Options& options_;
    const Writers<T> writers_;
    const Highlights<T> highlights_;
    const DrawnScopes<T> scopes_;
    const Operands<T> operands_;
    std::vector<std::uint32_t> item_of_; // per node
    std::unordered_map<NodeId, const char*> names_;
    std::set<NodeId> named_items_;                                 // whose names the items have
    std::unordered_map<std::uint64_t, std::uint32_t> constant_of_; // item, per value
    std::unordered_map<Key, std::uint32_t> operand_of_;            // item, by operand_key
    std::vector<std::pair<NodeId, std::uint32_t>> tensors_; // without a name: first user, and item
    std::vector<std::uint32_t> numbers_;                    // of modules, per scope
    std::map<std::pair<std::uint32_t, const void*>, std::size_t> calls_; // of an opener in a module
};

} // namespace

template <class T>
Model fold(const Tape<T>& tape, NodeId of, const Options& options) {
    return Folding<T>(tape, of, options).model;
}

template Model fold(const Tape<float>&, NodeId, const Options&);
template Model fold(const Tape<double>&, NodeId, const Options&);

} // namespace unroll::graph::detail
