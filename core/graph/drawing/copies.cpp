#include <unroll/core/graph/drawing/copies.hpp>

#include <set>

namespace unroll::graph::detail {

namespace {

constexpr std::size_t most = 8; // users; more are drawn as a fan

std::size_t count_boxes(const Model& model, const Options& options, const Visibility& visibility) {
    std::size_t boxes = 0;
    for (const Item& item : model.items)
        if (visibility.is_open(item.module)) boxes += weight(item, options);
    for (std::uint32_t m = 0; m < model.modules.size(); ++m) boxes += visibility.closed(m) == m;
    return boxes;
}

} // namespace

Copies::Copies(const Model& model, const Options& options, const Visibility& visibility) {
    const auto& ids = visibility.ids();
    std::map<std::uint32_t, std::map<std::string, std::uint32_t>> users; // modules, by item and id
    for (const Link& l : model.links)
        if (model.items[l.from].is_operand() && ids[l.from].starts_with('n') &&
            !visibility.is_hidden(l.from) && !visibility.is_left_out(l.from) &&
            !visibility.is_outside(model.items[l.to].module) && !visibility.is_left_out(l.to))
            users[l.from].emplace(ids[l.to], model.items[l.to].module);
    std::size_t boxes = count_boxes(model, options, visibility);
    for (const auto& [item, all] : users) {
        std::set<std::uint32_t> modules;
        for (const auto& [user, module] : all)
            modules.insert(visibility.is_open(module) ? module : visibility.closed(module));
        if (modules.size() < 2 || all.size() > most || boxes + all.size() - 1 > options.budget)
            continue;
        boxes += all.size() - 1;
        for (const auto& [user, module] : all) {
            // The first has the item's own id, which the search of the page uses.
            const std::string id = ids[item] + (copies_[item].empty() ? "" : "_" + user);
            copies_[item].push_back({module, id});
            beside_[{item, user}] = id;
        }
    }
}

std::span<const Copies::Copy> Copies::of(std::uint32_t item) const {
    const auto found = copies_.find(item);
    return found == copies_.end() ? std::span<const Copy>() : std::span(found->second);
}

std::string Copies::next_to(std::uint32_t item, const std::string& user) const {
    const auto found = beside_.find({item, user});
    return found == beside_.end() ? std::string() : found->second;
}

} // namespace unroll::graph::detail
