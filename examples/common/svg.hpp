#pragma once

#include <cstdio>
#include <string>

// What the programs that draw SVG by themselves share.
namespace example {

// printf's text, of at most 511 bytes.
template <class... A>
std::string format(const char* pattern, A... values) {
    char text[512];
    std::snprintf(text, sizeof text, pattern, values...);
    return text;
}

inline std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) out += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
    return out;
}

} // namespace example
