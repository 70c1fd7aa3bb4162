#pragma once

#include <unroll/nn/text/text.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace example {

// The bytes that occur in a text, numbered in their order.
class ByteVocabulary {
public:
    // Throws unroll::Error for an empty text.
    explicit ByteVocabulary(const std::string& text);
    static ByteVocabulary from_hex(const std::string& hex);
    std::string hex() const;

    std::size_t size() const { return bytes_.size(); }
    // Throws unroll::Error for a byte that is not in it, with its position.
    std::vector<std::int64_t> encode(const std::string& text) const;
    char decode(std::int64_t number) const { return bytes_[static_cast<std::size_t>(number)]; }

private:
    ByteVocabulary() = default;
    void number_bytes();

    std::string bytes_;
    std::vector<std::int64_t> numbers_;
};

// Files read one after the other; for a folder, its sources and documents in the order of their
// paths. Throws unroll::Error for what cannot be read.
std::string read_texts(const std::vector<std::string>& paths);
// The folder of this project's own.
std::string sources();

// The words of each line of a file, which may have none, as white space divides them. Throws
// unroll::Error for a file that is no text or holds no word.
std::vector<unroll::nn::Tokens> read_words(const std::string& path);

// What files are called, without folders and ends.
std::vector<std::string> stems_of(const std::vector<std::string>& paths);

struct NamedLine {
    std::string text, file; // the file's stem
};
// The lines of files, each of a file once. Throws unroll::Error, with path and line, for a line
// without a word, and for a file without a line.
std::vector<NamedLine> read_named_lines(const std::vector<std::string>& paths);

} // namespace example
