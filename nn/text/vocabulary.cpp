#include <unroll/core/base/scope.hpp>
#include <unroll/core/files/file.hpp>
#include <unroll/nn/text/text.hpp>
#include <unroll/nn/text/vocabulary.hpp>

#include <algorithm>

namespace unroll::nn {

namespace {

constexpr const char* name = "Vocabulary";

Vocabulary::Counts counted(std::span<const Tokens> sentences) {
    Vocabulary::Counts counts;
    for (const auto& sentence : sentences)
        for (const auto& symbol : sentence) ++counts[symbol];
    return counts;
}

std::string escaped(const std::string& symbol) {
    std::string line;
    for (const char c : symbol) {
        if (c == '\n')
            line += "\\n";
        else if (c == '\r')
            line += "\\r";
        else if (c == '\\')
            line += "\\\\";
        else
            line += c;
    }
    return line;
}

std::string unescaped(const std::string& line) {
    std::string symbol;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] != '\\') {
            symbol += line[i];
            continue;
        }
        const char c = ++i < line.size() ? line[i] : '\0';
        if (c != 'n' && c != 'r' && c != '\\')
            fail(name, "expected n, r or \\ after a \\, in " + quoted(line));
        symbol += c == 'n' ? '\n' : c == 'r' ? '\r' : '\\';
    }
    return symbol;
}

} // namespace

Vocabulary::Vocabulary(const SpecialSymbols& special, Where where) {
    const Called here(where);
    const auto add = [this](const std::string& symbol) {
        return symbol.empty() ? -1 : append(symbol, 0);
    };
    padding_ = add(special.padding);
    unknown_ = add(special.unknown);
    start_ = add(special.start);
    end_ = add(special.end);
}

Vocabulary::Vocabulary(std::span<const Tokens> sentences, const VocabularyOptions& options,
                       Where where)
    : Vocabulary(counted(sentences), options, where) {}

Vocabulary::Vocabulary(const Counts& counts, const VocabularyOptions& options, Where where)
    : Vocabulary(options.special, where) {
    const Called here(where);
    if (options.max_size > 0 && options.max_size < size())
        fail(name, "max_size " + std::to_string(options.max_size) + " has no room for " +
                       std::to_string(size()) + " special symbols");
    const std::size_t special_symbols = size();
    std::vector<const Counts::value_type*> order;
    for (const auto& entry : counts) {
        const auto special = numbers_.find(entry.first);
        if (special != numbers_.end())
            counts_[static_cast<std::size_t>(special->second)] += entry.second;
        else
            order.push_back(&entry);
    }
    std::stable_sort(order.begin(), order.end(),
                     [](auto* a, auto* b) { return a->second > b->second; });
    for (const auto* entry : order) {
        const bool has_room = options.max_size == 0 || size() < options.max_size;
        if (has_room && entry->second >= options.min_count)
            append(entry->first, entry->second);
        else if (unknown_ >= 0)
            counts_[static_cast<std::size_t>(unknown_)] += entry->second;
    }
    if (size() == special_symbols)
        fail(name, "no symbol is left of " + std::to_string(counts.size()) +
                       " that occur; min_count is " + std::to_string(options.min_count));
}

Vocabulary Vocabulary::of(std::span<const std::string> symbols, const SpecialSymbols& special,
                          Where where) {
    const Called here(where);
    Vocabulary vocabulary(special, where);
    for (const auto& symbol : symbols) vocabulary.append(symbol, 0);
    if (vocabulary.size() == 0) fail(name, "no symbols are given");
    return vocabulary;
}

std::int64_t Vocabulary::append(const std::string& symbol, std::size_t count) {
    if (symbol.empty())
        fail(name, "symbol " + std::to_string(size()) + " is empty; symbols must not be empty");
    const auto number = static_cast<std::int64_t>(size());
    const auto [at, is_new] = numbers_.emplace(symbol, number);
    if (!is_new)
        fail(name, "'" + symbol + "' occurs twice, as " + std::to_string(at->second) + " and " +
                       std::to_string(number));
    symbols_.push_back(symbol);
    counts_.push_back(count);
    return number;
}

bool Vocabulary::contains(std::string_view symbol) const {
    return numbers_.find(symbol) != numbers_.end();
}

std::int64_t Vocabulary::number(std::string_view symbol, Where where) const {
    const Called here(where);
    return find(symbol, std::nullopt);
}

std::int64_t Vocabulary::find(std::string_view symbol, std::optional<std::size_t> position) const {
    const auto found = numbers_.find(symbol);
    if (found != numbers_.end()) return found->second;
    if (unknown_ < 0)
        fail(name, "'" + std::string(symbol) + "'" +
                       (position ? " at position " + std::to_string(*position) : "") +
                       " is not among its " + std::to_string(size()) +
                       " symbols, and there is no unknown symbol");
    return unknown_;
}

const std::string& Vocabulary::symbol(std::int64_t number, Where where) const {
    const Called here(where);
    if (number < 0 || static_cast<std::uint64_t>(number) >= size())
        fail(name, "number " + std::to_string(number) + " is outside [0, " +
                       std::to_string(size()) + ")");
    return symbols_[static_cast<std::size_t>(number)];
}

std::vector<std::int64_t> Vocabulary::encode(std::span<const std::string> symbols, Ends ends,
                                             Where where) const {
    const Called here(where);
    const bool with_start = ends == Ends::start || ends == Ends::both;
    const bool with_end = ends == Ends::end || ends == Ends::both;
    if ((with_start && start_ < 0) || (with_end && end_ < 0))
        fail(name, std::string("there is no ") + (with_start && start_ < 0 ? "start" : "end") +
                       " symbol in this vocabulary");
    std::vector<std::int64_t> numbers;
    numbers.reserve(symbols.size() + 2);
    if (with_start) numbers.push_back(start_);
    for (std::size_t i = 0; i < symbols.size(); ++i) numbers.push_back(find(symbols[i], i));
    if (with_end) numbers.push_back(end_);
    return numbers;
}

std::vector<std::vector<std::int64_t>> Vocabulary::encode_all(std::span<const Tokens> sentences,
                                                              Ends ends, Where where) const {
    const Called here(where);
    std::vector<std::vector<std::int64_t>> all;
    for (const Tokens& sentence : sentences) all.push_back(encode(sentence, ends));
    return all;
}

Tokens Vocabulary::decode(std::span<const std::int64_t> numbers, Where where) const {
    const Called here(where);
    Tokens symbols;
    for (const std::int64_t number : numbers) {
        if (number == end_ && end_ >= 0) break;
        const std::string& found = symbol(number);
        if (number != start_ && number != padding_) symbols.push_back(found);
    }
    return symbols;
}

void Vocabulary::save(const std::string& path, Where where) const {
    const Called here(where);
    std::string text;
    std::size_t special = 0;
    for (const std::int64_t number : {padding_, unknown_, start_, end_}) {
        if (number >= 0) text += escaped(symbols_[special++]);
        text += '\n';
    }
    for (std::size_t i = special; i < size(); ++i) text += escaped(symbols_[i]) + '\n';
    write_file_atomically(path, text);
}

Vocabulary Vocabulary::load(const std::string& path, Where where) {
    const Called here(where);
    const auto lines = read_lines(path, {.blank_end = true});
    if (lines.size() < 4)
        refuse_line(name, path, lines.size() + 1,
                    "the file ends; expected four lines of special symbols");
    const auto symbol = [&](std::size_t at) { return unescaped(lines[at]); };
    std::size_t i = 3;
    try {
        Vocabulary vocabulary({symbol(0), symbol(1), symbol(2), symbol(3)}, where);
        for (i = 4; i < lines.size(); ++i) vocabulary.append(symbol(i), 0);
        if (vocabulary.size() == 0) fail(name, "the file ends; expected a symbol");
        return vocabulary;
    } catch (const Error& error) {
        refuse_line(name, path, i + 1, error.failure()->problem);
    }
}

} // namespace unroll::nn
