#include <unroll/core/base/scope.hpp>
#include <unroll/core/files/file.hpp>
#include <unroll/nn/text/text.hpp>

#include <algorithm>
#include <optional>

#include <utf8proc.h>

namespace unroll::nn {

namespace {

struct CodePoint {
    utf8proc_int32_t value;
    std::size_t length; // in bytes
};

// The code point that begins at `at`; none if the bytes are not valid UTF-8: truncated, overlong, a
// surrogate or beyond Unicode.
std::optional<CodePoint> code_point(std::string_view text, std::size_t at) {
    utf8proc_int32_t value = 0;
    const auto* const bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at);
    const auto length =
        utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size() - at), &value);
    if (length <= 0) return std::nullopt;
    return CodePoint{value, static_cast<std::size_t>(length)};
}

// Calls f with every code point and its bytes.
template <class F>
void for_each_code_point(const char* operation, std::string_view text, const F& f) {
    for (std::size_t at = 0; at < text.size();) {
        const auto found = code_point(text, at);
        if (!found)
            fail(operation, "byte " + std::to_string(static_cast<unsigned char>(text[at])) +
                                " at position " + std::to_string(at) + " is not UTF-8");
        f(found->value, text.substr(at, found->length));
        at += found->length;
    }
}

bool is_space(utf8proc_int32_t c) {
    const auto category = utf8proc_category(c);
    return (c >= '\t' && c <= '\r') || c == 0x85 || // controls that end lines or set columns
           (category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP);
}

// Letters, marks, digits, '_', and the zero-width joiner and non-joiner within words.
bool is_word(utf8proc_int32_t c) {
    const auto category = utf8proc_category(c);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) || c == '_' ||
           c == 0x200c || c == 0x200d;
}

// Splits where the kind of code point changes; code points of no kind are dropped.
template <class Kind>
Tokens split(const char* operation, std::string_view text, const Kind& joins, bool others) {
    Tokens tokens;
    bool is_open = false;
    for_each_code_point(operation, text, [&](utf8proc_int32_t c, std::string_view bytes) {
        if (!joins(c)) {
            is_open = false;
            if (others && !is_space(c)) tokens.emplace_back(bytes);
            return;
        }
        if (!is_open) tokens.emplace_back();
        tokens.back() += bytes;
        is_open = true;
    });
    return tokens;
}

Tokens columns_of(std::string_view line, bool only_tabs) {
    if (!only_tabs) return split_whitespace(line);
    Tokens columns;
    for (std::size_t at = 0; at <= line.size();) {
        const std::size_t end = std::min(line.find('\t', at), line.size());
        columns.emplace_back(line.substr(at, end - at));
        at = end + 1;
    }
    return columns;
}

bool is_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto found = code_point(text, at);
        if (!found) return false;
        at += found->length;
    }
    return true;
}

std::string from_latin1(std::string_view text) {
    std::string utf8;
    for (const char c : text) {
        utf8proc_uint8_t bytes[4];
        const auto length = utf8proc_encode_char(static_cast<unsigned char>(c), bytes);
        utf8.append(bytes, bytes + length);
    }
    return utf8;
}

std::int64_t form_of(std::string_view word) {
    constexpr std::string_view digits = "0123456789", small = "abcdefghijklmnopqrstuvwxyz",
                               capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const auto has = [&](std::string_view some) { return word.find_first_of(some) != word.npos; };
    const auto is = [&](std::string_view all) { return word.find_first_not_of(all) == word.npos; };
    if (word.empty()) return 0;
    if (word.starts_with('@')) return 1;
    if (word.starts_with('#')) return 2;
    if (word.starts_with("http")) return 3;
    if (has(digits)) return 4;
    if (is(small)) return 5;
    if (word.find_last_of(capitals) == 0) return 6;
    if (is(capitals)) return 7;
    return has(capitals) ? 8 : 9;
}

} // namespace

Tokens split_whitespace(std::string_view text) {
    return split(
        "split_whitespace", text, [](utf8proc_int32_t c) { return !is_space(c); }, false);
}

bool is_blank(std::string_view text) { return split_whitespace(text).empty(); }

Tokens split_words(std::string_view text) { return split("split_words", text, is_word, true); }

Tokens split_characters(std::string_view text) {
    Tokens tokens;
    for_each_code_point("split_characters", text, [&](utf8proc_int32_t, std::string_view bytes) {
        tokens.emplace_back(bytes);
    });
    return tokens;
}

std::string to_lower(std::string_view text) {
    std::string lower;
    for_each_code_point("to_lower", text, [&](utf8proc_int32_t c, std::string_view) {
        utf8proc_uint8_t bytes[4];
        const auto length = utf8proc_encode_char(utf8proc_tolower(c), bytes);
        lower.append(bytes, bytes + length);
    });
    return lower;
}

std::string join_words(std::span<const std::string> words) {
    const auto is_one_of = [](const std::string& word, std::initializer_list<const char*> all) {
        return std::find(all.begin(), all.end(), word) != all.end();
    };
    std::string text;
    bool joins = true;
    for (const auto& word : words) {
        const bool binds = is_one_of(word, {"'", "’", "-"});
        if (!joins && !binds && !is_one_of(word, {".", ","})) text += ' ';
        text += word;
        joins = binds;
    }
    return text;
}

std::vector<std::int64_t> word_forms(std::span<const std::string> words) {
    std::vector<std::int64_t> forms;
    for (const auto& word : words) forms.push_back(form_of(word));
    return forms;
}

void refuse_line(const char* reader, const std::string& path, std::size_t line,
                 const std::string& problem) {
    fail(reader, "'" + path + "', line " + std::to_string(line) + ": " + problem);
}

std::string quoted(std::string_view text) {
    constexpr std::size_t enough = 60;
    std::string shown;
    for (const char c : text.substr(0, enough))
        shown += static_cast<unsigned char>(c) < ' ' || c == 127 ? ' ' : c;
    return "'" + shown + (text.size() > enough ? "...'" : "'");
}

std::vector<std::string> read_lines(const std::string& path, const LineOptions& options,
                                    Where where) {
    const Called here(where);
    const auto bytes = read_unpacked(path);
    std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff"))
        refuse_line("read_lines", path, 1,
                    "expected text in UTF-8, got UTF-16; convert it: iconv -f UTF-16 -t UTF-8");
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    std::string widened;
    if (options.latin1 != nullptr) {
        *options.latin1 = !is_utf8(text);
        if (*options.latin1) text = widened = from_latin1(text);
    }
    const char ending = text.find('\n') == text.npos ? '\r' : '\n';
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(ending), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        for (std::size_t at = 0; at < line.size();) {
            const auto found = code_point(line, at);
            if (!found || found->value == 0)
                refuse_line(
                    "read_lines", path, lines.size() + 1,
                    "expected text in UTF-8, got byte " +
                        std::to_string(static_cast<unsigned char>(line[at])) + " as character " +
                        std::to_string(at + 1) +
                        " of the line; convert it, for example with iconv -f ISO-8859-1 -t UTF-8");
            at += found->length;
        }
        lines.emplace_back(line);
    }
    while (!options.blank_end && !lines.empty() && is_blank(lines.back())) lines.pop_back();
    return lines;
}

std::vector<Tokens> read_sentences(const std::string& path, const Tokenizer& tokenizer,
                                   Where where) {
    const Called here(where);
    std::vector<Tokens> sentences;
    for (const auto& line : read_lines(path)) {
        Tokens tokens = tokenizer(line);
        if (!tokens.empty()) sentences.push_back(std::move(tokens));
    }
    return sentences;
}

std::vector<SentencePair> read_pairs(const std::string& path, const Tokenizer& tokenizer,
                                     Where where) {
    const Called here(where);
    std::vector<SentencePair> pairs;
    const auto lines = read_lines(path);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const auto refuse = [&](const char* problem) {
            refuse_line("read_pairs", path, i + 1, problem + (", in " + quoted(lines[i])));
        };
        const Tokens columns = columns_of(lines[i], true);
        if (columns.size() < 2) refuse("expected a sentence, a tab and another sentence");
        pairs.push_back({tokenizer(columns[0]), tokenizer(columns[1])});
        if (pairs.back().source.empty()) refuse("the text before the tab is empty");
        if (pairs.back().target.empty()) refuse("the text after the tab is empty");
    }
    if (pairs.empty()) fail("read_pairs", "'" + path + "' is empty");
    return pairs;
}

std::vector<TaggedSentence> read_columns(const std::string& path, const ColumnOptions& options,
                                         Where where) {
    const Called here(where);
    constexpr const char* name = "read_columns";
    const auto lines = read_lines(path);
    std::vector<TaggedSentence> sentences;
    std::size_t width = 0, first = 0;
    bool is_open = false;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const auto refuse = [&](const std::string& problem) {
            refuse_line(name, path, i + 1, problem + ", in " + quoted(lines[i]));
        };
        if (is_blank(lines[i]) || lines[i].starts_with("-DOCSTART-")) {
            is_open = false;
            continue;
        }
        const Tokens columns = columns_of(lines[i], options.only_tabs);
        if (width == 0) {
            width = columns.size();
            first = i + 1;
        }
        const std::size_t tag = options.tag > 0 ? options.tag : width - 1;
        const std::size_t needed = std::max({options.word, tag, std::size_t{1}}) + 1;
        if (columns.size() < needed)
            refuse("expected a word in column " + std::to_string(options.word) +
                   " and a tag in column " + std::to_string(needed - 1) + ", got " +
                   std::to_string(columns.size()) + (columns.size() == 1 ? " column" : " columns"));
        if (columns.size() != width)
            refuse("expected " + std::to_string(width) + " columns, as in line " +
                   std::to_string(first) + ", got " + std::to_string(columns.size()));
        if (columns[options.word].empty() || columns[tag].empty())
            refuse(std::string("the ") + (columns[tag].empty() ? "tag" : "word") + " is empty");
        if (!options.tags.empty() &&
            std::find(options.tags.begin(), options.tags.end(), columns[tag]) == options.tags.end())
            refuse("unknown tag " + quoted(columns[tag]) + ", expected one of " +
                   std::to_string(options.tags.size()) + " such as " + quoted(options.tags[0]));
        if (!is_open) sentences.push_back({{}, {}, i + 1});
        is_open = true;
        sentences.back().words.push_back(columns[options.word]);
        sentences.back().tags.push_back(columns[tag]);
    }
    if (sentences.empty())
        refuse_line(name, path, lines.size() + 1, "the file ends where a sentence was expected");
    return sentences;
}

} // namespace unroll::nn
