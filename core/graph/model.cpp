#include <unroll/core/graph/model.hpp>

#include <algorithm>
#include <set>

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

} // namespace unroll::graph::detail
