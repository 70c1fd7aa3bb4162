#include <unroll/core/graph/drawing/text.hpp>

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

namespace unroll::graph::detail {

std::string format_thousands(std::size_t n) {
    std::string text = std::to_string(n);
    for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
    return text;
}

std::string format_with_unit(double value, const char* unit) {
    if (*unit == '\0') return fmt::format("{:.3g}", value);
    const bool bytes = *unit == 'B';
    const char* const prefixes[] = {"n", "µ", "m", "", "k", "M", "G", "T"};
    std::size_t prefix = 3;
    for (; value >= 1000 && prefix < 7; ++prefix) value /= 1000;
    for (; !bytes && value > 0 && value < 1 && prefix > 0; --prefix) value *= 1000;
    return fmt::format("{:.3g} {}{}", value, prefixes[prefix], unit);
}

std::string title_of(const Module& module) {
    return module.title + (module.call > 1 ? ", call " + std::to_string(module.call) : "");
}

std::string name_in(const Model& model, const Item& item) {
    if (item.kind != Item::Kind::parameter) return item.name;
    std::string path = model.path(item.module), name = item.name;
    std::replace(path.begin(), path.end(), ' ', '.'); // "Linear 0" has the parameter "0.weight"
    for (std::size_t dot; (dot = name.find('.')) != std::string::npos;) {
        const std::string first = name.substr(0, dot);
        const auto at = ("." + path + ".").find("." + first + ".");
        if (at == std::string::npos) break;
        path.erase(0, at + first.size() + 1);
        name.erase(0, dot + 1);
    }
    return name;
}

std::vector<std::string> wrapped(const std::string& text) {
    constexpr std::size_t width = 38, most = 8;
    std::vector<std::string> lines(1);
    std::istringstream words(text);
    for (std::string word; words >> word;) {
        if (!lines.back().empty() && lines.back().size() + word.size() >= width)
            lines.emplace_back();
        lines.back() += (lines.back().empty() ? "" : " ") + word;
    }
    if (lines.size() > most) lines.resize(most), lines.back() += " …";
    return lines;
}

void list(std::vector<std::string> shapes, std::vector<std::string>& lines) {
    constexpr std::size_t most_lines = 3;
    if (shapes.size() == 1 && shapes[0] == "[]") return;
    for (std::string& shape : shapes)
        if (shape == "[]") shape = "scalar";
    for (std::size_t s = 0, equal; s < shapes.size() && lines.size() <= most_lines; s += equal) {
        for (equal = 1; s + equal < shapes.size() && shapes[s + equal] == shapes[s];) ++equal;
        lines.push_back(equal > 1 ? std::to_string(equal) + " × " + shapes[s] : shapes[s]);
    }
}

std::string some(const std::set<std::string>& shapes) {
    std::string text;
    for (auto s = shapes.begin(); s != shapes.end(); ++s) {
        if (std::distance(shapes.begin(), s) == 2) return text + ", …";
        text += (text.empty() ? "" : ", ") + (*s == "[]" ? "scalar" : *s);
    }
    return text;
}

} // namespace unroll::graph::detail
