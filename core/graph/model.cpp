#include <unroll/core/graph/highlights.hpp>
#include <unroll/core/graph/model.hpp>

#include <algorithm>
#include <set>

namespace unroll::graph::detail {

namespace {

// The failed operation: the last one that was recorded on its line, or an added one.
template <class T>
void mark_failure(Model& model, const Tape<T>& tape, const Failure* failure, const Origin& origin) {
    if (failure == nullptr) return;
    const auto is_it = [&](NodeId id) {
        const Node<T>& n = tape.node(id);
        return origin.item_of[id] != none && n.op.name == failure->operation &&
               n.op.where.line() == failure->where.line() &&
               to_string(n.op.where) == to_string(failure->where) &&
               tape.scope_path(n.scope) == failure->path;
    };
    for (auto id = static_cast<NodeId>(tape.size()); failure->is_recorded && id-- > 0;)
        if (is_it(id)) {
            model.items[origin.item_of[id]].failure = failure->problem;
            return;
        }
    Item item{};
    item.kind = Item::Kind::operation;
    item.name = failure->operation;
    item.origin = failure->path;
    for (const Where& where : {failure->caller, failure->where})
        if (where.line() > 0) item.origin += (item.origin.empty() ? "" : ", ") + to_string(where);
    item.failure = failure->problem;
    item.count = 1;
    // In the innermost module of the path from which an operation was recorded.
    std::size_t longest = 0;
    for (std::uint32_t s = 1; s < tape.scopes().size(); ++s) {
        const std::string path = tape.scope_path(s);
        if (path.size() < longest || !(failure->path + ".").starts_with(path + ".")) continue;
        longest = path.size();
        item.module = origin.module_of[s];
    }
    if (longest < failure->path.size()) item.name += " in " + failure->path;
    model.modules[item.module].items.push_back(static_cast<std::uint32_t>(model.items.size()));
    model.items.push_back(std::move(item));
}

// The items that draw a parameter, constant or tensor.
template <class T>
std::vector<std::uint32_t> items_of(const Highlight& value, const Tape<T>& tape,
                                    const Origin& origin) {
    std::vector<std::uint32_t> items;
    bool is_used = false;
    for (NodeId id = 0; id < tape.size(); ++id)
        if (value.parameter != nullptr && tape.node(id).parameter == value.parameter) {
            items.push_back(origin.item_of[id]);
            is_used = true;
        }
    for (std::size_t u = 0; u < tape.constants().size(); ++u) {
        if (!is_of(tape.constants()[u], value)) continue;
        items.push_back(origin.constant_of[u]);
        is_used = true;
    }
    if (!is_used)
        fail("graph::dot", "a highlighted value is not an operand of any operation on the tape; "
                           "highlight the tensor or variable that was passed to the operation");
    return items;
}

// A view of a part is drawn as an edge; if nothing uses it, its operation says which part it is.
template <class T>
void mark_operations(Model& model, const Tape<T>& tape, const Origin& origin,
                     const Highlights<T>& highlights) {
    for (const auto& operation : highlights.operations()) {
        if (operation.is_drawn_as_edge) continue;
        const std::uint32_t item = origin.item_of[tape.node(operation.node).operation];
        if (item == none) continue;
        model.items[item].color = *operation.color;
        model.items[item].part = operation.part;
    }
}

} // namespace

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

std::uint32_t Model::backward_pass(std::uint32_t module) const {
    if (module == 0) return 0;
    while (modules[module].level > 1) module = modules[module].parent;
    return modules[module].name == "backward" ? module : 0;
}

std::string Model::path(std::uint32_t module) const {
    if (module == 0) return {};
    const std::string outer = path(modules[module].parent);
    return (outer.empty() ? "" : outer + ".") + modules[module].title;
}

bool Model::is_in_module(std::uint32_t module) const {
    while (module != 0 && modules[module].opener == nullptr) module = modules[module].parent;
    return module != 0;
}

void Model::count_parameters() {
    std::set<std::pair<std::uint32_t, std::uint32_t>> seen;
    const auto count = [&](std::uint32_t item, std::uint32_t module) {
        for (std::uint32_t m = module; seen.insert({item, m}).second; m = modules[m].parent) {
            modules[m].parameters += items[item].elements;
            if (m == 0) break;
        }
    };
    for (const Link& l : links)
        if (items[l.from].kind == Item::Kind::parameter) {
            count(l.from, items[l.to].module);
            count(l.from, items[l.from].module);
        }
}

void Model::find_by_products() {
    std::vector<bool> is_used(modules.size(), false);
    for (const Link& l : links)
        for (std::uint32_t m = items[l.from].module; m != 0 && !inside(items[l.to].module, m);
             m = modules[m].parent)
            is_used[m] = true;
    for (Item& item : items)
        for (std::uint32_t m = item.module; item.is_sink && m != 0; m = modules[m].parent)
            item.is_sink = !is_used[m];
}

// The operands of a layer, which has parameters, are clear, and those of derivatives as those of
// the operations.
void Model::find_ordered() {
    std::vector<std::set<std::uint32_t>> brought(items.size());
    std::vector<bool> is_layer(items.size(), false);
    for (const Link& l : links) {
        brought[l.to].insert(l.operands.begin(), l.operands.end());
        if (items[l.from].kind == Item::Kind::parameter || items[l.from].is_frozen)
            is_layer[l.to] = true;
    }
    for (std::uint32_t i = 0; i < items.size(); ++i) {
        Item& item = items[i];
        switch (item.notation) {
        case Notation::call:
            item.names_operands = brought[i].size() > 1 && backward_pass(item.module) == 0 &&
                                  (!is_layer[i] || !item.operands.empty());
            break;
        case Notation::ordered:
        case Notation::difference:
        case Notation::quotient:
        case Notation::power: item.names_operands = brought[i].size() > 1; break;
        default: break;
        }
        // The label of an operation with literals has the others' names.
        if (item.has_literals) item.names_operands = brought[i].size() > 1;
    }
}

template <class T>
void mark(Model& model, const Tape<T>& tape, const Options& options, const Origin& origin,
          const Highlights<T>& highlights) {
    for (const Highlight& value : options.highlight)
        if (value.node == no_node)
            for (const std::uint32_t item : items_of(value, tape, origin))
                if (item != none) model.items[item].color = value.color;
    mark_operations(model, tape, origin, highlights);
    mark_failure(model, tape, options.error != nullptr ? options.error->failure() : nullptr,
                 origin);
}

template void mark(Model&, const Tape<float>&, const Options&, const Origin&,
                   const Highlights<float>&);
template void mark(Model&, const Tape<double>&, const Options&, const Origin&,
                   const Highlights<double>&);

} // namespace unroll::graph::detail
