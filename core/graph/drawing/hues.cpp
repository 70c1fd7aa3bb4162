#include <unroll/core/graph/drawing/hues.hpp>

#include <map>
#include <set>

#include <fmt/format.h>

namespace unroll::graph::detail {

namespace {

// Per module: what distinguishes the modules around it and itself, outermost first.
std::vector<std::vector<std::string>> paths_of_modules(const Model& model, bool only_modules) {
    std::vector<std::vector<std::string>> paths(model.modules.size());
    for (std::size_t m = 1; m < paths.size(); ++m) {
        const Module& module = model.modules[m];
        paths[m] = paths[module.parent];
        if (module.opener != nullptr)
            paths[m].push_back(fmt::format("{}", module.opener));
        else if (!only_modules && module.name != "t")
            paths[m].push_back(module.title);
    }
    return paths;
}

} // namespace

std::vector<std::uint32_t> hues_of(const Model& model) {
    std::vector<std::uint32_t> hues(model.modules.size(), none);
    for (const bool only_modules : {true, false}) {
        const auto paths = paths_of_modules(model, only_modules);
        std::size_t longest = 0;
        for (const auto& path : paths) longest = std::max(longest, path.size());
        for (std::size_t level = 1; level <= longest; ++level) {
            std::map<std::vector<std::string>, std::uint32_t> numbers;
            for (std::size_t m = 0; m < paths.size(); ++m)
                if (paths[m].size() >= level)
                    hues[m] = numbers
                                  .emplace(std::vector(paths[m].begin(),
                                                       paths[m].begin() +
                                                           static_cast<std::ptrdiff_t>(level)),
                                           static_cast<std::uint32_t>(numbers.size()))
                                  .first->second;
                else
                    hues[m] = none;
            if (numbers.size() > 1) return hues;
        }
    }
    return hues;
}

std::vector<std::uint32_t> hues_of_items(const Model& model,
                                         const std::vector<std::uint32_t>& hues) {
    std::vector<std::set<std::uint32_t>> of_users(model.items.size());
    for (const Link& l : model.links) of_users[l.from].insert(hues[model.items[l.to].module]);
    std::vector<std::uint32_t> found;
    for (std::size_t i = 0; i < model.items.size(); ++i) {
        const Item& item = model.items[i];
        const std::uint32_t own = hues[item.module];
        const bool has_users_hue = own == none && item.is_operand() && of_users[i].size() == 1;
        found.push_back(has_users_hue ? *of_users[i].begin() : own);
    }
    return found;
}

} // namespace unroll::graph::detail
