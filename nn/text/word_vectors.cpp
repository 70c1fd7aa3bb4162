#include <unroll/core/base/scope.hpp>
#include <unroll/core/files/file.hpp>
#include <unroll/nn/text/text.hpp>
#include <unroll/nn/text/word_vectors.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/reduce.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numeric>
#include <unordered_map>

namespace unroll::nn {

namespace {

constexpr const char* name = "WordVectors";

template <class N>
std::optional<N> number_in(std::string_view text) {
    N n{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return n;
}

// Splits at spaces and tabs.
std::vector<std::string_view> fields_of(std::string_view line) {
    std::vector<std::string_view> fields;
    for (std::size_t at = 0; (at = line.find_first_not_of(" \t", at)) != line.npos;) {
        const std::size_t end = std::min(line.find_first_of(" \t", at), line.size());
        fields.push_back(line.substr(at, end - at));
        at = end;
    }
    return fields;
}

struct Counts {
    std::size_t words = 0, width = 0;
};

// A header such as "400000 50": number of words, width.
std::optional<Counts> counts_in(std::string_view line) {
    const auto fields = fields_of(line);
    if (fields.size() != 2) return std::nullopt;
    const auto words = number_in<std::size_t>(fields[0]), width = number_in<std::size_t>(fields[1]);
    if (!words || !width) return std::nullopt;
    return Counts{*words, *width};
}

std::string refused_count(const Counts& expected, const std::string& got) {
    return "expected " + std::to_string(expected.words) + " words, as the header says, got " + got;
}

void check_writable(const Tokens& words) {
    for (const auto& word : words)
        if (std::any_of(word.begin(), word.end(),
                        [](char c) { return static_cast<unsigned char>(c) <= ' '; }))
            fail(name, "the word " + quoted(word) + " with white space cannot be written");
}

std::string first_line(std::size_t words, std::size_t width) {
    return std::to_string(words) + " " + std::to_string(width) + "\n";
}

} // namespace

// Collects the content of a file and reports errors with their position.
template <class T>
struct WordVectors<T>::Reader {
    explicit Reader(const std::string& path, const WordVectorOptions& options)
        : path(path), options(options), bytes(read_file(path)),
          text(reinterpret_cast<const char*>(bytes.data()), bytes.size()) {}

    bool is_full() const { return options.most > 0 && words.size() == options.most; }
    // Whether the vector of a word is to be read.
    bool begin(std::string_view word, std::size_t number, const auto& refuse) {
        const auto [at, is_new] = rows.emplace(word, number);
        if (!is_new && !options.keeps_first)
            refuse("the word " + quoted(word) + " is repeated, after " + unit + " " +
                   std::to_string(at->second));
        if (is_new) words.emplace_back(word);
        return is_new;
    }
    void push(double value, std::string_view shown, const auto& refuse) {
        const T stored = static_cast<T>(value);
        if (!std::isfinite(stored)) refuse("expected finite numbers, got " + quoted(shown));
        values.push_back(stored);
    }
    WordVectors finish(std::size_t width) {
        const Tensor<T> vectors({words.size(), width}, std::span<const T>(values));
        return WordVectors(std::move(words), vectors);
    }

    const std::string& path;
    const WordVectorOptions& options;
    std::vector<std::byte> bytes;
    std::string_view text;
    const char* unit = "line";
    Tokens words;
    std::vector<T> values;
    std::unordered_map<std::string, std::size_t> rows;
};

template <class T>
WordVectors<T>::WordVectors(Tokens words, Tensor<T> vectors)
    : words_(Vocabulary::of(words)), vectors_(vectors.contiguous()), units_(vectors.copy()) {
    if (vectors.dimension() != 2 || vectors.shape(0) != size() || vectors.shape(1) == 0)
        fail(name, "vectors have shape " + to_string(vectors.shape()) + ", expected [" +
                       std::to_string(size()) + ", width]");
    for (std::size_t i = 0; i < size(); ++i) {
        T* const row = units_.data() + i * width();
        double squares = 0;
        for (std::size_t j = 0; j < width(); ++j)
            squares += static_cast<double>(row[j]) * static_cast<double>(row[j]);
        if (!std::isfinite(squares))
            fail(name, "the vector of '" + words[i] + "' is not finite, or too large");
        const double scale = squares > 0 ? 1 / std::sqrt(squares) : 0;
        for (std::size_t j = 0; j < width(); ++j)
            row[j] = static_cast<T>(scale * static_cast<double>(row[j]));
    }
}

template <class T>
WordVectors<T> WordVectors<T>::read_text(const std::string& path, const WordVectorOptions& options,
                                         Where where) {
    const Called here(where);
    Reader reader(path, options);
    std::string_view rest = reader.text;
    std::optional<Counts> header;
    std::size_t width = 0, line_number = 0, entries = 0;
    const auto refuse = [&](const std::string& problem) {
        refuse_line("read_text", path, line_number, problem);
    };
    while (!rest.empty() && !reader.is_full()) {
        ++line_number;
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.find('\0') != line.npos) refuse("expected text, got a byte 0");
        if (line_number == 1 && (header = counts_in(line))) {
            width = header->width;
            if (width == 0 || header->words == 0)
                refuse("expected the number of words and the width, got " + quoted(line));
            continue;
        }
        auto fields = fields_of(line);
        if (fields.empty()) refuse("expected a word and its numbers, got an empty line");
        if (width == 0) width = fields.size() - 1;
        if (width == 0) refuse("expected a word and its numbers, got " + quoted(line));
        const std::size_t numbers = fields.size() - 1; // a header's width may be any number
        const bool is_longer = options.has_words_with_spaces && numbers > width;
        if (numbers != width && !is_longer)
            refuse("expected a word and " + std::to_string(width) + " numbers, got " +
                   std::to_string(fields.size()) + " fields, in " + quoted(line));
        if (header && entries == header->words)
            refuse(refused_count(*header, "another: " + quoted(line)));
        ++entries;
        const std::size_t before = fields.size() - width;
        const auto word =
            std::string_view(fields[0].data(), static_cast<std::size_t>(fields[before - 1].data() +
                                                                        fields[before - 1].size() -
                                                                        fields[0].data()));
        const bool is_wanted = reader.begin(word, line_number, refuse);
        for (std::size_t i = before; i < fields.size(); ++i) {
            const auto value = number_in<double>(fields[i]);
            if (!value)
                refuse("expected a number in field " + std::to_string(i + 1) + ", got " +
                       quoted(fields[i]));
            if (is_wanted) reader.push(*value, fields[i], refuse);
        }
    }
    ++line_number;
    if (reader.words.empty()) refuse("the file ends; expected a word and its numbers");
    if (header && entries < header->words && !reader.is_full())
        refuse(refused_count(*header, std::to_string(entries) + " when the file ends"));
    return reader.finish(width);
}

template <class T>
WordVectors<T> WordVectors<T>::read_binary(const std::string& path,
                                           const WordVectorOptions& options, Where where) {
    const Called here(where);
    constexpr const char* owner = "read_binary";
    constexpr std::size_t longest_word = 4096;
    Reader reader(path, options);
    reader.unit = "number";
    const std::string_view text = reader.text;
    const std::size_t line_end = text.substr(0, 64).find('\n');
    const auto header = line_end == text.npos ? std::nullopt : counts_in(text.substr(0, line_end));
    if (!header || header->words == 0 || header->width == 0)
        refuse_line(owner, path, 1,
                    "expected the number of words and the width, got " +
                        quoted(text.substr(0, line_end)));
    std::size_t at = line_end + 1, number = 0;
    const auto refuse = [&](const std::string& problem) {
        fail(owner, "'" + path + "', word " + std::to_string(number) + ", byte " +
                        std::to_string(at) + ": " + problem);
    };
    const std::size_t width = header->width;
    bool has_newlines = false;
    const auto newline = [&] { return at < text.size() && text[at] == '\n'; };
    for (number = 1; number <= header->words && !reader.is_full(); ++number) {
        if (at >= text.size())
            refuse(refused_count(*header, std::to_string(number - 1) + " when the file ends"));
        const std::size_t space = text.substr(at, longest_word).find(' ');
        if (space == text.npos) refuse("expected a word and a space, but the file ends");
        const std::string_view word = text.substr(at, space);
        if (word.empty()) refuse("expected a word, got a space");
        const bool is_wanted = reader.begin(word, number, refuse);
        at += space + 1;
        if (width > (text.size() - at) / sizeof(float))
            refuse("expected " + std::to_string(width) + " numbers of 4 bytes, got " +
                   std::to_string(text.size() - at) + " bytes");
        for (std::size_t i = 0; i < width; ++i, at += sizeof(float)) {
            float value;
            std::memcpy(&value, text.data() + at, sizeof(float));
            if (is_wanted)
                reader.push(value, std::isnan(value) ? "NaN" : std::to_string(value), refuse);
        }
        if (number == 1) has_newlines = newline();
        if (has_newlines && !newline())
            refuse("expected a newline after the numbers, as after word 1");
        if (has_newlines) ++at;
    }
    if (!reader.is_full() && at != text.size())
        refuse(refused_count(*header, std::to_string(text.size() - at) + " more bytes"));
    return reader.finish(width);
}

template <class T>
void WordVectors<T>::write_text(const std::string& path, Where where) const {
    const Called here(where);
    check_writable(words());
    write_file_atomically(path, [&](FileWriter& file) {
        file.write(first_line(size(), width()));
        std::string line;
        for (std::size_t i = 0; i < size(); ++i) {
            line = words()[i];
            for (std::size_t j = 0; j < width(); ++j) {
                char shortest[32];
                const auto end = std::to_chars(shortest, shortest + sizeof(shortest),
                                               vectors_.data()[i * width() + j]);
                line.append(" ").append(shortest, end.ptr);
            }
            file.write(line + "\n");
        }
    });
}

template <class T>
void WordVectors<T>::write_binary(const std::string& path, Where where) const {
    const Called here(where);
    check_writable(words());
    write_file_atomically(path, [&](FileWriter& file) {
        file.write(first_line(size(), width()));
        for (std::size_t i = 0; i < size(); ++i) {
            const T* const row = vectors_.data() + i * width();
            const std::vector<float> values(row, row + width());
            file.write(words()[i] + " ");
            file.write(std::as_bytes(std::span(values)));
            file.write("\n");
        }
    });
}

template <class T>
Tensor<T> WordVectors<T>::operator[](std::string_view word) const {
    if (!contains(word)) fail(name, "there is no vector for " + quoted(word));
    return vectors_.select(0, static_cast<std::size_t>(words_.number(word)));
}

template <class T>
Tensor<T> WordVectors<T>::unit(std::string_view word) const {
    if (!contains(word)) fail(name, "there is no vector for " + quoted(word));
    return units_.select(0, static_cast<std::size_t>(words_.number(word)));
}

template <class T>
T WordVectors<T>::similarity(std::string_view a, std::string_view b) const {
    const auto p = unit(a).to_vector(), q = unit(b).to_vector();
    return std::inner_product(p.begin(), p.end(), q.begin(), T(0));
}

template <class T>
std::vector<typename WordVectors<T>::Neighbour> WordVectors<T>::nearest(std::string_view word,
                                                                        std::size_t k) const {
    return nearest(unit(word), k, std::vector{std::string(word)});
}

template <class T>
std::vector<typename WordVectors<T>::Neighbour>
WordVectors<T>::nearest(const Tensor<T>& vector, std::size_t k,
                        std::span<const std::string> left_out) const {
    if (vector.shape() != Shape{width()})
        fail(name, "a vector has shape " + to_string(vector.shape()) + ", expected [" +
                       std::to_string(width()) + "]");
    const double length = norm_l2(Variable<T>(vector)).item();
    const double scale = length > 0 ? 1 / length : 0;
    const Tensor<T> dots = matmul(Variable<T>(units_), Variable<T>(vector)).value();
    const std::size_t count = std::min(k, size()) + std::min(left_out.size(), size());
    const auto best = topk(Variable<T>(dots), std::min(count, size()));
    std::vector<Neighbour> found;
    for (std::size_t i = 0; i < best.values.size() && found.size() < k; ++i) {
        const std::string& word = words_.symbol(best.indices.data()[i]);
        if (std::find(left_out.begin(), left_out.end(), word) == left_out.end())
            found.push_back(
                {word, static_cast<T>(scale * static_cast<double>(best.values.data()[i]))});
    }
    return found;
}

template <class T>
std::vector<typename WordVectors<T>::Neighbour>
WordVectors<T>::analogy(std::string_view a, std::string_view b, std::string_view c,
                        std::size_t k) const {
    const Tensor<T> from = unit(a), to = unit(b), of = unit(c);
    Tensor<T> target(Shape{width()});
    for (std::size_t i = 0; i < width(); ++i)
        target.data()[i] = to.data()[i] - from.data()[i] + of.data()[i];
    return nearest(target, k, Tokens{std::string(a), std::string(b), std::string(c)});
}

template <class T>
typename WordVectors<T>::Table WordVectors<T>::rows_for(const Vocabulary& vocabulary,
                                                        Random random) const {
    const double deviation = std::sqrt(variance(Variable<T>(vectors_)).item());
    Table table{Tensor<T>(Shape{vocabulary.size(), width()})};
    random.fill_normal(table.rows.data(), table.rows.size(), T(0), static_cast<T>(deviation));
    for (std::size_t i = 0; i < vocabulary.size(); ++i) {
        const std::string& symbol = vocabulary.symbols()[i];
        const std::string& word = contains(symbol) ? symbol : to_lower(symbol);
        Tensor<T> row = table.rows.select(0, i);
        if (static_cast<std::int64_t>(i) == vocabulary.padding()) {
            row.fill(0);
        } else if (contains(word)) {
            row.assign((*this)[word]);
            ++table.found;
        }
    }
    return table;
}

template class WordVectors<float>;
template class WordVectors<double>;

} // namespace unroll::nn
