#include "bytes.hpp"

#include <unroll/core/base/error.hpp>
#include <unroll/core/files/file.hpp>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

#include <fmt/format.h>

namespace char_lm {

using unroll::fail;

ByteVocabulary::ByteVocabulary(const std::string& text) : numbers_(256, -1) {
    if (text.empty()) fail("vocabulary", "the text is empty");
    for (const unsigned char byte : std::set<unsigned char>(text.begin(), text.end())) {
        numbers_[byte] = static_cast<std::int64_t>(bytes_.size());
        bytes_ += static_cast<char>(byte);
    }
}

ByteVocabulary ByteVocabulary::from_hex(const std::string& hex) {
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        const std::string digits = hex.substr(i, 2);
        unsigned char byte = 0;
        const auto [end, error] = std::from_chars(&digits[0], &digits[0] + digits.size(), byte, 16);
        if (error != std::errc() || end != &digits[0] + 2)
            fail("vocabulary", fmt::format("expected two hexadecimal digits, got '{}'", digits));
        bytes += static_cast<char>(byte);
    }
    return ByteVocabulary(bytes);
}

std::string ByteVocabulary::hex() const {
    std::string hex;
    for (const char c : bytes_) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return hex;
}

std::vector<std::int64_t> ByteVocabulary::encode(const std::string& text) const {
    std::vector<std::int64_t> numbers;
    numbers.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (numbers_[byte] < 0)
            fail("vocabulary",
                 fmt::format("byte {} at position {} does not occur in the training text of "
                             "the model",
                             byte, i));
        numbers.push_back(numbers_[byte]);
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
        if (found.empty()) fail("text", fmt::format("no sources or documents below '{}'", path));
        files.insert(files.end(), found.begin(), found.end());
    }
    std::string text;
    for (const auto& file : files) {
        const auto bytes = unroll::read_unpacked(file);
        text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    return text;
}

} // namespace char_lm
