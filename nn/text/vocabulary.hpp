#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unroll/core/base/error.hpp>
#include <vector>

namespace unroll::nn {

using Tokens = std::vector<std::string>;

// Special symbols; an empty name disables one.
struct SpecialSymbols {
    std::string padding = "<pad>", unknown = "<unk>", start = "<s>", end = "</s>";

    static SpecialSymbols none() { return {"", "", "", ""}; }
};

struct VocabularyOptions {
    std::size_t min_count = 1; // rarer symbols are dropped
    std::size_t max_size = 0;  // only the most frequent, special symbols included; 0: all
    SpecialSymbols special = {};
};

// Maps words, characters or tags to numbers. The special symbols come first, in the order padding,
// unknown, start, end; then the others.
class Vocabulary {
public:
    using Counts = std::map<std::string, std::size_t>;

    // The symbols of sentences by decreasing frequency, ties sorted by bytes. Occurrences of a
    // special symbol's name count as that symbol. Throws Error if no other symbol is left, and for
    // a max_size below the number of special symbols.
    explicit Vocabulary(std::span<const Tokens> sentences, const VocabularyOptions& options = {},
                        Where where = Where::current());
    explicit Vocabulary(const Counts& counts, const VocabularyOptions& options = {},
                        Where where = Where::current());
    // Symbols in the given order, with counts of 0. Throws Error for an empty or repeated one.
    static Vocabulary of(std::span<const std::string> symbols,
                         const SpecialSymbols& special = SpecialSymbols::none(),
                         Where where = Where::current());

    std::size_t size() const { return symbols_.size(); }
    const Tokens& symbols() const { return symbols_; }
    // Number of occurrences of each symbol; for the unknown symbol, those of all dropped ones.
    const std::vector<std::size_t>& counts() const { return counts_; }

    bool contains(std::string_view symbol) const;
    // The number of a symbol; that of the unknown symbol if it is not in the vocabulary. Throws
    // Error if there is no unknown symbol.
    std::int64_t number(std::string_view symbol, Where where = Where::current()) const;
    // Throws Error for a number outside the vocabulary.
    const std::string& symbol(std::int64_t number, Where where = Where::current()) const;

    // Numbers of special symbols, or -1.
    std::int64_t padding() const { return padding_; }
    std::int64_t unknown() const { return unknown_; }
    std::int64_t start() const { return start_; }
    std::int64_t end() const { return end_; }

    enum class Ends { none, start, end, both };
    // Numbers of symbols, optionally enclosed by start and end symbols. Throws Error, with the
    // position, for a symbol outside a vocabulary without unknown symbol, and for missing start or
    // end symbols.
    std::vector<std::int64_t> encode(std::span<const std::string> symbols, Ends ends = Ends::none,
                                     Where where = Where::current()) const;
    std::vector<std::vector<std::int64_t>> encode_all(std::span<const Tokens> sentences,
                                                      Ends ends = Ends::none,
                                                      Where where = Where::current()) const;
    // Symbols of numbers up to the first end symbol, without start and padding symbols. Throws
    // Error for a number outside the vocabulary.
    Tokens decode(std::span<const std::int64_t> numbers, Where where = Where::current()) const;

    // A text file: four lines with the special symbols, which may be empty, then one symbol per
    // line; with the C escapes \n, \r and \\. Counts are not stored. load throws Error with path
    // and line.
    void save(const std::string& path, Where where = Where::current()) const;
    static Vocabulary load(const std::string& path, Where where = Where::current());

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view s) const {
            return std::hash<std::string_view>()(s);
        }
    };

    Vocabulary(const SpecialSymbols& special, Where where);
    std::int64_t find(std::string_view symbol, std::optional<std::size_t> position) const;
    std::int64_t append(const std::string& symbol, std::size_t count);

    Tokens symbols_;
    std::vector<std::size_t> counts_;
    std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>> numbers_;
    std::int64_t padding_ = -1, unknown_ = -1, start_ = -1, end_ = -1;
};

} // namespace unroll::nn
