#pragma once

#include <unroll/core/base/error.hpp>
#include <unroll/nn/text/vocabulary.hpp>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::nn {

// Tokenisers. Text is UTF-8; all throw Error for bytes that are not, with their position.

// Splits at white space, including that of Unicode.
Tokens split_whitespace(std::string_view text);
// Words, which are runs of letters, digits, '_' and marks, and all other characters as single
// tokens: "don't stop" -> don ' t stop.
Tokens split_words(std::string_view text);
// Joins such words to a text, heuristically: no space before . and , or around ' and -.
std::string join_words(std::span<const std::string> words);
// Code points, white space included.
Tokens split_characters(std::string_view text);

// Converts letters to lower case: "ÉTÉ Σ" -> "été σ".
std::string to_lower(std::string_view text);

// Word shapes, for taggers. 1: @name, 2: #topic, 3: http address, 4: contains digits; only letters
// A to z: 5: lower case, 6: capitalised, 7: upper case, 8: mixed case; 9: other. 0 is reserved for
// padding and empty words.
std::vector<std::int64_t> word_forms(std::span<const std::string> words);
constexpr std::size_t word_form_kinds = 10;

using Tokenizer = std::function<Tokens(std::string_view)>;

// Whether the text contains only white space, including that of Unicode.
bool is_blank(std::string_view text);

struct LineOptions {
    bool blank_end = false; // keep blank lines at the end
    // Unless null, a file that is not UTF-8 is read as ISO-8859-1, and this says whether it was.
    bool* latin1 = nullptr;
};
// The lines of a text file, gzipped or not, without a byte order mark; they end with LF, CR LF or,
// in a file without LF, CR. Throws Error with path and line for a file that is not text: it
// contains a byte 0 or is not UTF-8.
std::vector<std::string> read_lines(const std::string& path, const LineOptions& options = {},
                                    Where where = Where::current());
// One sentence per line; empty lines are skipped.
std::vector<Tokens> read_sentences(const std::string& path, const Tokenizer& tokenizer,
                                   Where where = Where::current());

struct SentencePair {
    Tokens source, target;
};
// Each line: a sentence, a tab and its target, such as a translation; further columns are ignored.
// Throws Error with path and line for a file that is not text, a line without a tab, a sentence
// without words, and an empty file.
std::vector<SentencePair> read_pairs(const std::string& path, const Tokenizer& tokenizer,
                                     Where where = Where::current());

struct TaggedSentence {
    Tokens words, tags; // of the same length
    std::size_t line;   // of the first word, from 1

    std::size_t size() const { return words.size(); }
};

struct ColumnOptions {
    std::size_t word = 0;
    std::size_t tag = 0;    // column of the tag; 0: the last one
    bool only_tabs = false; // columns are separated by tabs only and may contain spaces
    Tokens tags = {};       // the allowed tags; empty: any
};

// Reads the column format of the CoNLL shared tasks: one word with its columns per line, blank
// lines between sentences; lines that begin with -DOCSTART- are skipped. Throws Error with path and
// line for a file that is not text, a missing or empty column, a line with a different number of
// columns than the first, a tag that is not allowed, and a file without sentences.
std::vector<TaggedSentence> read_columns(const std::string& path, const ColumnOptions& options = {},
                                         Where where = Where::current());

// Throws Error: "reader: 'path', line 3: problem".
[[noreturn]] void refuse_line(const char* reader, const std::string& path, std::size_t line,
                              const std::string& problem);
// Input text for such a message: quoted, without control characters, truncated.
std::string quoted(std::string_view text);

} // namespace unroll::nn
