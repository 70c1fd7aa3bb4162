#include "text.hpp"

#include <unroll/core/base/error.hpp>
#include <unroll/core/files/file.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

namespace example {

ByteVocabulary::ByteVocabulary(const std::string& text) {
    if (text.empty()) unroll::fail("vocabulary", "the text is empty");
    std::array<bool, 256> seen{};
    for (const char c : text) seen[static_cast<unsigned char>(c)] = true;
    for (int b = 0; b < 256; ++b)
        if (seen[static_cast<std::size_t>(b)]) bytes_ += static_cast<char>(b);
    number_bytes();
}

ByteVocabulary ByteVocabulary::from_hex(const std::string& hex) {
    ByteVocabulary vocabulary;
    const std::string digits = "0123456789abcdef";
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        const auto high = digits.find(hex[i]), low = digits.find(hex[i + 1]);
        if (high == std::string::npos || low == std::string::npos)
            unroll::fail("vocabulary", "'" + hex.substr(i, 2) + "' is no byte in hexadecimal");
        vocabulary.bytes_ += static_cast<char>(high * 16 + low);
    }
    if (vocabulary.bytes_.empty()) unroll::fail("vocabulary", "it is empty");
    vocabulary.number_bytes();
    return vocabulary;
}

std::string ByteVocabulary::hex() const {
    const char digits[] = "0123456789abcdef";
    std::string hex;
    for (const char c : bytes_) {
        hex += digits[static_cast<unsigned char>(c) >> 4];
        hex += digits[static_cast<unsigned char>(c) & 15];
    }
    return hex;
}

void ByteVocabulary::number_bytes() {
    numbers_.assign(256, -1);
    for (std::size_t i = 0; i < bytes_.size(); ++i)
        numbers_[static_cast<unsigned char>(bytes_[i])] = static_cast<std::int64_t>(i);
}

std::vector<std::int64_t> ByteVocabulary::encode(const std::string& text) const {
    std::vector<std::int64_t> numbers;
    numbers.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const std::int64_t n = numbers_[static_cast<unsigned char>(text[i])];
        if (n < 0)
            unroll::fail("vocabulary", "byte " +
                                           std::to_string(static_cast<unsigned char>(text[i])) +
                                           " at position " + std::to_string(i) +
                                           " does not occur in the text that was learned");
        numbers.push_back(n);
    }
    return numbers;
}

std::string read_texts(const std::vector<std::string>& paths) {
    namespace fs = std::filesystem;
    std::vector<fs::path> files;
    for (const auto& path : paths) {
        if (!fs::is_directory(path)) {
            files.emplace_back(path);
            continue;
        }
        std::vector<fs::path> found;
        for (const auto& room : {"core", "ops", "nn", "optim", "examples", "tests", "docs"}) {
            if (!fs::is_directory(fs::path(path) / room)) continue;
            for (const auto& entry : fs::recursive_directory_iterator(fs::path(path) / room)) {
                const std::string ending = entry.path().extension();
                if (entry.is_regular_file() &&
                    (ending == ".cpp" || ending == ".hpp" || ending == ".md"))
                    found.push_back(entry.path());
            }
        }
        std::sort(found.begin(), found.end());
        if (found.empty()) unroll::fail("text", "no sources or documents below '" + path + "'");
        files.insert(files.end(), found.begin(), found.end());
    }
    std::string text;
    for (const auto& file : files) {
        const auto bytes = unroll::read_file(file);
        text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    return text;
}

std::string sources() { return UNROLL_SOURCE_FOLDER; }

std::vector<unroll::nn::Tokens> read_words(const std::string& path) {
    std::vector<unroll::nn::Tokens> lines;
    for (const auto& line : unroll::nn::read_lines(path))
        lines.push_back(unroll::nn::split_whitespace(line));
    if (std::ranges::all_of(lines, &unroll::nn::Tokens::empty))
        unroll::fail("text", "'" + path + "' holds no word");
    return lines;
}

std::vector<std::string> stems_of(const std::vector<std::string>& paths) {
    std::vector<std::string> stems;
    for (const auto& path : paths) stems.push_back(std::filesystem::path(path).stem());
    return stems;
}

std::vector<NamedLine> read_named_lines(const std::vector<std::string>& paths) {
    const auto stems = stems_of(paths);
    std::vector<NamedLine> all;
    for (std::size_t p = 0; p < paths.size(); ++p) {
        const auto lines = unroll::nn::read_lines(paths[p]);
        if (lines.empty()) unroll::fail("text", "'" + paths[p] + "' is empty");
        std::set<std::string> met;
        for (std::size_t i = 0; i < lines.size(); ++i) {
            if (unroll::nn::split_whitespace(lines[i]).empty())
                unroll::nn::refuse_line("text", paths[p], i + 1, "the line is empty");
            if (met.insert(lines[i]).second) all.push_back({lines[i], stems[p]});
        }
    }
    return all;
}

} // namespace example
