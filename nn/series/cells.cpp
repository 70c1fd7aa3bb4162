#include <unroll/core/base/scope.hpp>
#include <unroll/nn/series/cells.hpp>
#include <unroll/nn/series/dates.hpp>
#include <unroll/nn/text/text.hpp>

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

namespace unroll::nn::detail {

namespace {

std::string trimmed(const std::string& text) {
    return fmt::format("{}", fmt::join(split_whitespace(text), " "));
}

char separator_of(const std::string& line) {
    bool quoted = false;
    std::string outside;
    for (const char c : line) {
        quoted ^= c == '"';
        if (!quoted) outside += c;
    }
    for (const char c : {';', '\t'})
        if (outside.find(c) != outside.npos) return c;
    return ',';
}

std::vector<std::string> split(const std::string& line, char separator, const std::string& path,
                               std::size_t number) {
    std::vector<std::string> cells(1);
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"')
            cells.back() += line[i++];
        else if (line[i] == '"')
            quoted = !quoted;
        else if (line[i] == separator && !quoted)
            cells.emplace_back();
        else
            cells.back() += line[i];
    }
    if (quoted) refuse_line(series_reader, path, number, "a quotation mark is not closed");
    for (auto& cell : cells) cell = trimmed(cell);
    return cells;
}

} // namespace

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool looks_like_number(const std::string& cell) {
    return std::ranges::any_of(cell, is_digit) &&
           cell.find_first_not_of("0123456789+-.,eE '") == cell.npos;
}

std::string Cells::name(std::size_t column) const {
    return header.empty() ? std::to_string(column + 1) : nn::quoted(header[column]);
}

void Cells::refuse(std::size_t row, const std::string& problem) const {
    refuse_line(series_reader, path, rows[row].line, problem);
}

Cells read_cells(const std::string& path, Where where) {
    const Called here(where);
    Cells cells{path, "", {}, {}};
    bool latin1 = false;
    const auto lines = read_lines(path, {.latin1 = &latin1});
    std::size_t width = 0, short_rows = 0;
    char separator = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (separator == 0 && is_blank(lines[i])) continue;
        if (separator == 0) separator = separator_of(lines[i]);
        Row row{i + 1, split(lines[i], separator, path, i + 1)};
        if (width == 0) width = row.cells.size();
        if (row.cells.size() > width)
            refuse_line(series_reader, path, i + 1,
                        fmt::format("expected {} cells, as in the first line, got {}; cells that "
                                    "contain the separator {} must be quoted",
                                    width, row.cells.size(),
                                    separator == '\t' ? "tab" : nn::quoted({&separator, 1})));
        short_rows += row.cells.size() < width;
        row.cells.resize(width);
        const bool is_header = cells.rows.empty() && cells.header.empty() &&
                               std::ranges::none_of(row.cells, [](const auto& cell) {
                                   return looks_like_date(cell) || looks_like_number(cell);
                               });
        if (is_header)
            cells.header = std::move(row.cells);
        else
            cells.rows.push_back(std::move(row));
    }
    if (cells.rows.empty()) fail(series_reader, fmt::format("'{}' has no row of numbers", path));
    cells.has_commas = separator == ',';
    cells.about = separator == '\t' ? ", tabs" : fmt::format(", '{}'", separator);
    if (latin1) cells.about += ", ISO-8859-1";
    if (short_rows > 0)
        cells.about += fmt::format(", {} row{} without the last cells", short_rows,
                                   short_rows == 1 ? "" : "s");
    return cells;
}

} // namespace unroll::nn::detail
