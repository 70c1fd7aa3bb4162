#include "header.hpp"

#include <algorithm>
#include <cstdio>
#include <sstream>

namespace example {

using namespace unroll;

Header::Header(const std::string& path, const std::string& program)
    : path_(path), words_(SafetensorsFile::read(path).metadata()) {
    const auto found = words_.find("program");
    if (found == words_.end() || found->second != program)
        fail(program.c_str(), "'" + path + "' was not written by " + program);
}

const std::string& Header::word(const std::string& key) const {
    const auto found = words_.find(key);
    if (found == words_.end()) fail("model", "'" + path_ + "' lacks '" + key + "'");
    return found->second;
}

double Header::real(const std::string& key) const {
    double value = 0;
    if (!(std::istringstream(word(key)) >> value))
        fail("model",
             "'" + key + "' of '" + path_ + "' is " + nn::quoted(word(key)) + ", no number");
    return value;
}

std::size_t Header::size(const std::string& key) const {
    const double value = real(key);
    if (!(value >= 0 && value <= 1 << 20))
        fail("model", "'" + key + "' of '" + path_ + "' is " + nn::quoted(word(key)));
    return static_cast<std::size_t>(value);
}

nn::Vocabulary Header::vocabulary(const std::string& key, const nn::SpecialSymbols& special) const {
    nn::Tokens symbols;
    std::istringstream lines(word(key));
    for (std::string line; std::getline(lines, line);) symbols.push_back(line);
    return nn::Vocabulary::of(symbols, special);
}

std::string exact(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.17g", value);
    return text;
}

std::string joined(const nn::Vocabulary& vocabulary) {
    std::string text;
    const auto special = {vocabulary.padding(), vocabulary.unknown(), vocabulary.start(),
                          vocabulary.end()};
    for (std::size_t i = 0; i < vocabulary.size(); ++i)
        if (std::count(special.begin(), special.end(), static_cast<std::int64_t>(i)) == 0)
            text += vocabulary.symbols()[i] + "\n";
    return text;
}

} // namespace example
