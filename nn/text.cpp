#include <unroll/core/error.hpp>
#include <unroll/core/file.hpp>
#include <unroll/nn/text.hpp>

#include <algorithm>
#include <optional>

namespace unroll::nn {

namespace {

struct CodePoint {
    char32_t value;
    std::size_t length; // in bytes
};

// The code point that begins at `at`; none where the bytes are not UTF-8: cut short, longer than
// needed, a surrogate or beyond Unicode.
std::optional<CodePoint> code_point(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(at);
    if (first < 0x80) return CodePoint{first, 1};
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || at + length > text.size()) return std::nullopt;
    char32_t value = first & (0x7fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(at + i) & 0xc0) != 0x80) return std::nullopt;
        value = value << 6 | (byte(at + i) & 0x3f);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool is_surrogate = value >= 0xd800 && value < 0xe000;
    if (value < least[length] || value > 0x10ffff || is_surrogate) return std::nullopt;
    return CodePoint{value, length};
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

bool is_space(char32_t c) {
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

// Beyond ASCII: the blocks of Unicode that hold punctuation and symbols and no letters.
bool is_word(char32_t c) {
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               c == '_';
    const bool is_latin_sign =
        (c < 0xc0 && c != 0xaa && c != 0xb5 && c != 0xba) || c == 0xd7 || c == 0xf7;
    const bool is_sign = (c >= 0x2010 && c <= 0x2bff) || (c >= 0x3001 && c <= 0x3004) ||
                         (c >= 0x3008 && c <= 0x3020) || (c >= 0x1f000 && c <= 0x1faff);
    return !is_latin_sign && !is_sign && !is_space(c);
}

// Cuts before a code point of another kind; what is of no kind is left out.
template <class Kind>
Tokens split(const char* operation, std::string_view text, const Kind& joins, bool others) {
    Tokens tokens;
    bool is_open = false;
    for_each_code_point(operation, text, [&](char32_t c, std::string_view bytes) {
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

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t") == line.npos; }

} // namespace

Tokens split_whitespace(std::string_view text) {
    return split(
        "split_whitespace", text, [](char32_t c) { return !is_space(c); }, false);
}

Tokens split_words(std::string_view text) { return split("split_words", text, is_word, true); }

Tokens split_characters(std::string_view text) {
    Tokens tokens;
    for_each_code_point("split_characters", text,
                        [&](char32_t, std::string_view bytes) { tokens.emplace_back(bytes); });
    return tokens;
}

std::string to_lower(std::string_view text) {
    std::string lower(text);
    for (char& c : lower)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return lower;
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

std::vector<std::string> read_lines(const std::string& path) {
    const auto bytes = read_file(path);
    std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        for (std::size_t at = 0; at < line.size();) {
            const auto found = code_point(line, at);
            if (!found || found->value == 0)
                refuse_line("read_lines", path, lines.size() + 1,
                            "expected text in UTF-8, got byte " +
                                std::to_string(static_cast<unsigned char>(line[at])) +
                                " as character " + std::to_string(at + 1) + " of the line");
            at += found->length;
        }
        lines.emplace_back(line);
    }
    return lines;
}

std::vector<Tokens> read_sentences(const std::string& path, const Tokenizer& tokenizer) {
    std::vector<Tokens> sentences;
    for (const auto& line : read_lines(path)) {
        Tokens tokens = tokenizer(line);
        if (!tokens.empty()) sentences.push_back(std::move(tokens));
    }
    return sentences;
}

std::vector<TaggedSentence> read_columns(const std::string& path, const ColumnOptions& options) {
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
        refuse_line(name, path, lines.size() + 1, "the file ends; expected a sentence");
    return sentences;
}

} // namespace unroll::nn
