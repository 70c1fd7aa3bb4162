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
            if (contains(line, " -> ")) edges.push_back(line);
        }
    }
    std::size_t nodes_with(const std::string& part) const { return count(nodes, part); }
    std::size_t edges_with(const std::string& part) const { return count(edges, part); }
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
    static std::size_t count(const std::vector<std::string>& lines, const std::string& part) {
        return static_cast<std::size_t>(std::count_if(
            lines.begin(), lines.end(), [&](const auto& line) { return contains(line, part); }));
    }
};

} // namespace test
