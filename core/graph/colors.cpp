#include <unroll/core/graph/graph.hpp>

#include <algorithm>

namespace unroll::graph {

std::string Highlight::hex(const std::string& color) {
    static constexpr std::pair<const char*, const char*> names[] = {
        {"red", "#e03131"},   {"orange", "#f08c00"}, {"yellow", "#ffd43b"}, {"green", "#2f9e44"},
        {"cyan", "#22b8cf"},  {"blue", "#1971c2"},   {"purple", "#9c36b5"}, {"pink", "#f783ac"},
        {"brown", "#8b5a2b"}, {"gray", "#868e96"},   {"black", "#000000"},  {"white", "#ffffff"}};
    const auto is_digit = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    };
    if (color.size() == 7 && color[0] == '#' &&
        std::all_of(color.begin() + 1, color.end(), is_digit))
        return color;
    std::string known;
    for (const auto& [name, hex] : names) {
        if (color == name) return hex;
        known += std::string(name) + ", ";
    }
    fail("graph::Highlight",
         "unknown colour '" + color + "', expected " + known + "or \"#rrggbb\"");
}

} // namespace unroll::graph
