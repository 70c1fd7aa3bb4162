#pragma once

#include "support.hpp"

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

namespace test {

// The content of a picture, parsed from its text: nodes by class, edges with their attributes.
struct Seen {
    std::string text;
    std::vector<std::string> nodes; // the attributes of each
    std::vector<std::string> edges;

    explicit Seen(std::string dot) : text(std::move(dot)) {
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) {
            if (contains(line, ", id=\"")) nodes.push_back(line);
            if (contains(line, "class=\"label\"")) labels.push_back(line);
            if (contains(line, " -> ")) edges.push_back(line);
        }
        for (const std::string& label : labels) join(label);
    }
    std::size_t nodes_with(const std::string& part) const { return count(nodes, part); }
    std::size_t edges_with(const std::string& part) const { return count(edges, part); }
    // The number of edges, some of which may have the same ends.
    std::size_t edges_between(const std::string& from, const std::string& to) const {
        return count(edges, "  " + from + " -> " + to + " ") +
               count(edges, "  " + from + " -> " + to + ";");
    }
    // The operands that the edges from the node bring to the other, "x1"; empty: none is named.
    std::string operands(const std::string& from, const std::string& to) const {
        const std::string line = edge(from, to);
        const auto at = line.find("headlabel=\"");
        return at == std::string::npos ? ""
                                       : line.substr(at + 11, line.find('"', at + 11) - at - 11);
    }
    std::size_t clusters(const std::string& title) const {
        std::size_t n = 0;
        for (auto at = text.find("label=\"" + title + "\";"); at != std::string::npos;
             at = text.find("label=\"" + title + "\";", at + 1))
            ++n;
        return n;
    }
    // The name, such as n12, of the only node whose label begins with this text.
    std::string node(const std::string& label) const {
        std::string found;
        for (const auto& line : nodes)
            if (contains(line, "[label=\"" + label)) {
                REQUIRE(found.empty());
                found = line.substr(line.find_first_not_of(' '));
                found.resize(found.find(' '));
            }
        REQUIRE_FALSE(found.empty());
        return found;
    }
    std::string edge(const std::string& from, const std::string& to) const {
        for (const auto& line : edges)
            if (contains(line, "  " + from + " -> " + to + " ") ||
                contains(line, "  " + from + " -> " + to + ";"))
                return line;
        return "";
    }

private:
    std::vector<std::string> labels;

    // Replaces the two lines that lead through a label by one edge with that label.
    void join(const std::string& label) {
        const std::string id =
            label.substr(label.find("label"), label.find(" [") - label.find("label"));
        const auto begin = label.find(", label=\"") + 9;
        const std::string text = label.substr(begin, label.find("\", fontsize", begin) - begin);
        const auto first = std::find_if(edges.begin(), edges.end(), [&](const auto& line) {
            return contains(line, " -> " + id + " ") || contains(line, " -> " + id + ";");
        });
        REQUIRE(first != edges.end());
        const auto second = std::next(first);
        const std::string from = first->substr(0, first->find(" -> "));
        // Which operand it brings is at its end.
        const auto named = std::min(second->find("headlabel"), second->find("taillabel"));
        const std::string operand =
            named == std::string::npos
                ? ""
                : ", " + second->substr(named, second->find_first_of(",]", named) - named);
        std::string to = second->substr(second->find(" -> ") + 4);
        to = to.substr(0, to.find_first_of(" ;"));
        std::string rest = first->substr(first->find('[') + 1);
        rest = rest.substr(0, rest.rfind(']'));
        if (const auto none = rest.find("dir=none"); none != std::string::npos)
            rest = rest.substr(0, none > 1 ? none - 2 : 0);
        *first = from + " -> " + to + " [label=\" " + text + "\"" +
                 (rest.empty() ? "" : ", " + rest) + operand + "];";
        edges.erase(second);
    }
    static std::size_t count(const std::vector<std::string>& lines, const std::string& part) {
        return static_cast<std::size_t>(std::count_if(
            lines.begin(), lines.end(), [&](const auto& line) { return contains(line, part); }));
    }
};

} // namespace test
