#pragma once

#include <unroll/nn/text/vocabulary.hpp>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::nn {

// Tokenisers. Text is UTF-8; all throw Error for bytes that are not, with their position.

// What stands between white space, Unicode's included.
Tokens split_whitespace(std::string_view text);
// Words, which are runs of letters, digits, '_' and marks, and every other character by itself:
// "don't stop" -> don ' t stop.
Tokens split_words(std::string_view text);
// Such words as a text, as far as they tell: no space before . and , and around ' and -.
std::string join_words(std::span<const std::string> words);
// Code points, white space included.
Tokens split_characters(std::string_view text);

// Every letter that has a small one as that: "ÉTÉ Σ" -> "été σ".
std::string to_lower(std::string_view text);

// How each word is written, for taggers: as @name 1, #topic 2, http address 3, with digits 4; else
// of the letters A to z in small ones 5, with a capital first alone 6, in capitals 7, with capitals
// 8; else 9. 0 is left for padding, and for no word at all.
std::vector<std::int64_t> word_forms(std::span<const std::string> words);
constexpr std::size_t word_form_kinds = 10;

using Tokenizer = std::function<Tokens(std::string_view)>;

// Whether there is only white space, Unicode's included.
bool is_blank(std::string_view text);

struct LineOptions {
    bool blank_end = false; // keep blank lines at the end
    // Unless null, a file that is not UTF-8 is read as ISO-8859-1, and this says whether it was.
    bool* latin1 = nullptr;
};
// The lines of a text file, gzipped or not, without a byte order mark; they end with LF, CR LF or,
// in a file without LF, CR. Throws Error with path and line for a file that is no text: with a byte
// 0, or not UTF-8.
std::vector<std::string> read_lines(const std::string& path, const LineOptions& options = {});
// A sentence a line; empty lines are left out.
std::vector<Tokens> read_sentences(const std::string& path, const Tokenizer& tokenizer);

struct SentencePair {
    Tokens source, target;
};
// A sentence, a tab and what it becomes, such as its translation, a line; further columns are left
// out. Throws Error with path and line for a file that is no text, a line without a tab and a
// sentence without a word, and for an empty file.
std::vector<SentencePair> read_pairs(const std::string& path, const Tokenizer& tokenizer);

struct TaggedSentence {
    Tokens words, tags; // of one length
    std::size_t line;   // of the first word, from 1

    std::size_t size() const { return words.size(); }
};

struct ColumnOptions {
    std::size_t word = 0;
    std::size_t tag = 0;    // a column; 0: the last one
    bool only_tabs = false; // columns may hold spaces
    Tokens tags = {};       // the only tags that there are; empty: any
};

// A file with a word and its columns a line and blank lines between sentences, as the shared tasks
// of CoNLL have them; lines that begin with -DOCSTART- are left out. Throws Error with path and
// line for a file that is no text, a column that is missing or empty, a line whose number of
// columns is not that of the first, a tag not among those given, and a file without a sentence.
std::vector<TaggedSentence> read_columns(const std::string& path,
                                         const ColumnOptions& options = {});

// Throws Error: "reader: 'path', line 3: problem".
[[noreturn]] void refuse_line(const char* reader, const std::string& path, std::size_t line,
                              const std::string& problem);
// What was read, for such a message: in quotes, without control characters and not too long.
std::string quoted(std::string_view text);

} // namespace unroll::nn
