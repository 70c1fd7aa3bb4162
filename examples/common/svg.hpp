#pragma once

#include <string>

#include <fmt/format.h>

namespace example {

// Text as the content of an XML element.
inline std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) out += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
    return out;
}

} // namespace example
