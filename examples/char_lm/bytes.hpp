#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace char_lm {

// The bytes that occur in a text, numbered in ascending order.
class ByteVocabulary {
public:
    // Throws unroll::Error for an empty text.
    explicit ByteVocabulary(const std::string& text);
    // Two hexadecimal digits per byte.
    static ByteVocabulary from_hex(const std::string& hex);
    std::string hex() const;

    std::size_t size() const { return bytes_.size(); }
    // Throws unroll::Error, with the position, for a byte that is not in the vocabulary.
    std::vector<std::int64_t> encode(const std::string& text) const;
    char decode(std::int64_t number) const { return bytes_[static_cast<std::size_t>(number)]; }

private:
    std::string bytes_;
    std::vector<std::int64_t> numbers_; // of each of the 256 bytes; -1: does not occur
};

// The concatenated contents of files. For a folder, those of its sources and documents, in the
// order of their paths. Throws unroll::Error for files that cannot be read.
std::string read_texts(const std::vector<std::string>& paths);

} // namespace char_lm
