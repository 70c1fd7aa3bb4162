#include <unroll/core/graph/drawing/visibility.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace unroll::graph::detail {

Visibility::Visibility(const Model& model, std::uint32_t root, const std::vector<bool>& open,
                       const Options& options)
    : model_(model), options_(options), root_(root), ids_(model.items.size()),
      homes_(model.items.size(), none) {
    close_modules(open);
    shorten();
    for (std::uint32_t i = 0; i < model.items.size(); ++i)
        if (!is_outside(model.items[i].module)) choose_box(i);
    place_operands();
    find_fans();
}

void Visibility::close_modules(const std::vector<bool>& open) {
    closed_.assign(model_.modules.size(), none);
    for (std::uint32_t m = 0; m < model_.modules.size(); ++m) {
        const std::uint32_t parent = model_.modules[m].parent;
        if (!model_.inside(m, root_))
            closed_[m] = outside;
        else if (m != root_ && closed_[parent] != none)
            closed_[m] = closed_[parent];
        else if (m != root_ && !open[m])
            closed_[m] = m;
    }
    if (root_ != 0) return;
    for (const std::uint32_t m : model_.modules[0].children)
        has_backward_ = has_backward_ || (model_.backward_pass(m) == m && open[m]);
}

// If the drawn module has more nodes than the budget allows, those in the middle are merged into
// one.
void Visibility::shorten() {
    const Module& root = model_.modules[root_];
    struct Entry {
        std::uint32_t order, item, module;
    };
    std::vector<Entry> entries;
    std::size_t nodes = 0;
    for (const std::uint32_t i : root.items) {
        entries.push_back({i, i, none});
        nodes += weight(model_.items[i], options_);
    }
    std::vector<std::uint32_t> first(model_.modules.size(), none);
    for (std::uint32_t i = 0; i < model_.items.size(); ++i)
        for (std::uint32_t m = model_.items[i].module; m != 0; m = model_.modules[m].parent)
            first[m] = std::min(first[m], i);
    for (const std::uint32_t m : root.children) entries.push_back({first[m], none, m});
    nodes += root.children.size();
    if (nodes <= options_.budget) return;
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return a.order < b.order; });
    const std::size_t kept = options_.budget - 1;
    left_out_items_.assign(model_.items.size(), false);
    std::vector<bool> modules(model_.modules.size(), false);
    for (std::size_t e = (kept + 1) / 2; e + kept / 2 < entries.size(); ++e) {
        if (entries[e].item != none) left_out_items_[entries[e].item] = true;
        if (entries[e].module != none) modules[entries[e].module] = true;
        ++left_out_;
    }
    for (std::uint32_t i = 0; i < model_.items.size(); ++i)
        for (std::uint32_t m = model_.items[i].module; m != 0; m = model_.modules[m].parent)
            if (modules[m]) left_out_items_[i] = true;
    // Formulas do not fit the budget.
    closed_formulas_ = true;
}

bool Visibility::is_opened(std::uint32_t i) const {
    return !closed_formulas_ && !model_.items[i].formula.empty() && is_open(model_.items[i].module);
}

void Visibility::choose_box(std::uint32_t i) {
    const std::uint32_t closed = closed_[model_.items[i].module];
    if (is_left_out(i))
        ids_[i] = "more";
    else
        ids_[i] = closed == none ? "n" + std::to_string(i) : "m" + std::to_string(closed);
    if (closed == none) homes_[i] = model_.items[i].module;
}

// A parameter or constant that only one collapsed module uses is drawn as part of it, unless it was
// made outside of all modules, and except in the picture of its own module, where readers expect
// it. One that several boxes use is drawn itself, so that no edge joins the boxes.
void Visibility::place_operands() {
    std::vector<std::set<std::string>> users(model_.items.size());
    for (const Link& l : model_.links)
        if (model_.items[l.from].is_operand() && !ids_[l.to].empty())
            users[l.from].insert(ids_[l.to]);
    hidden_.assign(model_.items.size(), false);
    std::size_t boxes = count_boxes();
    for (std::uint32_t i = 0; i < model_.items.size(); ++i) {
        const Item& item = model_.items[i];
        if (!is_shown(item, options_)) hidden_[i] = true;
        if (!item.is_operand() || is_outside(item.module) || is_left_out(i)) continue;
        const bool is_open_here = is_open(item.module);
        const bool has_one_user = users[i].size() == 1 && (*users[i].begin())[0] == 'm';
        const bool is_part = item.kind == Item::Kind::parameter || item.is_frozen ||
                             model_.is_in_module(item.module);
        const bool at_home = root_ != 0 && item.module == root_;
        if (has_one_user && is_part && !at_home) {
            hidden_[i] = true;
            ids_[i] = *users[i].begin();
            homes_[i] = none;
        } else if (!is_open_here && !hidden_[i]) {
            const bool fits = ++boxes <= options_.budget;
            hidden_[i] = !fits;
            if (!fits) continue;
            ids_[i] = "n" + std::to_string(i);
            homes_[i] = item.module;
            while (!is_open(homes_[i])) homes_[i] = model_.modules[homes_[i]].parent;
        }
    }
}

// Without operands of collapsed modules.
std::size_t Visibility::count_boxes() const {
    std::size_t boxes = left_out_ > 0;
    for (const Item& item : model_.items)
        if (is_open(item.module)) boxes += weight(item, options_);
    for (std::uint32_t m = 0; m < model_.modules.size(); ++m) boxes += closed_[m] == m;
    return boxes;
}

bool Visibility::all_left_out(std::uint32_t m) const {
    const Module& module = model_.modules[m];
    return std::all_of(module.items.begin(), module.items.end(),
                       [&](std::uint32_t i) { return is_left_out(i); }) &&
           std::all_of(module.children.begin(), module.children.end(),
                       [&](std::uint32_t c) { return all_left_out(c); });
}

// The outermost numbered module that contains `module` and not `other`.
std::uint32_t Visibility::member_apart(std::uint32_t module, std::uint32_t other) const {
    std::uint32_t found = none;
    for (; module != 0; module = model_.modules[module].parent)
        if (model_.modules[module].numbered && !model_.inside(other, module)) found = module;
    return found;
}

void Visibility::find_fans() {
    constexpr std::size_t most = 8;
    using Key = std::tuple<bool, std::uint32_t, std::uint32_t, std::string, std::uint32_t>;
    fans_.assign(model_.links.size(), Fan::none);
    std::map<Key, std::vector<std::size_t>> fans;
    for (std::size_t l = 0; l < model_.links.size(); ++l) {
        const Link& link = model_.links[l];
        const Item &from = model_.items[link.from], &to = model_.items[link.to];
        if (link.carried) continue;
        for (const bool into : {true, false}) {
            const Item &near = into ? to : from, &far = into ? from : to;
            const std::uint32_t m = member_apart(near.module, far.module);
            if (m != none)
                fans[{into, into ? link.from : link.to, model_.modules[m].parent,
                      model_.modules[m].name + "/" + near.name, link.output}]
                    .push_back(l);
        }
    }
    for (const auto& [key, links] : fans) {
        if (links.size() <= most) continue;
        for (const std::size_t l : links) fans_[l] = Fan::dropped;
        fans_[std::get<0>(key) ? links.front() : links.back()] = Fan::drawn;
    }
}

} // namespace unroll::graph::detail
