#pragma once

#include "program.hpp"

#include <string>

// What the programs that draw SVG by themselves share.
namespace example {

inline std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) out += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
    return out;
}

} // namespace example
