#include <unroll/core/base/error.hpp>
#include <unroll/nn/series/dates.hpp>
#include <unroll/nn/series/numbers.hpp>
#include <unroll/nn/text/text.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace unroll::nn::detail {

namespace {

bool is_missing(const std::string& cell, const std::vector<std::string>& more) {
    static const std::vector<std::string> usual{"",     "NA", "N/A", "n/a", "NaN", "nan", "null",
                                                "NULL", "-",  "--",  "–",   "—",   "?",   "."};
    return std::ranges::count(usual, cell) > 0 || std::ranges::count(more, cell) > 0;
}

// Digits in groups of three: "1.352", not "0.352" and not "12.35".
bool is_grouped(const std::string& cell, char mark) {
    const std::string digits = cell.substr(cell.find_first_not_of("+-"));
    std::size_t at = digits.find(mark);
    if (at == 0 || at > 3 || digits[0] == '0') return false;
    for (; at != digits.npos && digits[at] == mark; at += 4) {
        const auto end = std::min(digits.find_first_not_of("0123456789", at + 1), digits.size());
        if (end - at != 4) return false;
        if (end == digits.size()) return true;
    }
    return true; // the other separator follows
}

// The separators in the numbers of a column.
struct Marks {
    char decimal = '.', thousands = 0; // 0: none
};

Marks marks_of(const Cells& cells, std::size_t column, const std::vector<std::string>& missing,
               std::string& about) {
    struct Use {
        std::size_t cells = 0, several = 0; // with the separator; with more than one
        std::size_t last = 0;               // with both separators, this one last
        bool grouped = true;                // all fit thousands
    } point, comma;
    std::size_t plain = 0, long_plain = 0;
    for (const Row& row : cells.rows) {
        const std::string& cell = row.cells[column];
        if (is_missing(cell, missing) || !looks_like_number(cell)) continue;
        const auto last_point = cell.rfind('.'), last_comma = cell.rfind(',');
        if (last_point != cell.npos && last_comma != cell.npos)
            ++(last_point > last_comma ? point : comma).last;
        for (auto [use, mark] : {std::pair(&point, '.'), std::pair(&comma, ',')}) {
            const auto count = std::ranges::count(cell, mark);
            if (count == 0) continue;
            ++use->cells;
            use->several += count > 1;
            use->grouped = use->grouped && is_grouped(cell, mark);
        }
        if (last_point == cell.npos && last_comma == cell.npos) {
            ++plain;
            long_plain += std::ranges::count_if(cell, is_digit) > 3;
        }
    }
    Marks marks;
    if (point.last > 0 && comma.last > 0)
        fail(series_reader, fmt::format("'{}': some numbers have a decimal point, others a decimal "
                                        "comma, in the column {}",
                                        cells.path, cells.name(column)));
    if (point.last + comma.last > 0)
        marks.thousands = point.last > 0 ? ',' : '.';
    else if (point.cells > 0 && comma.cells > 0)
        marks.thousands = point.grouped && !comma.grouped ? '.' : ',';
    // A single kind of separator separates thousands if every number has that form and numbers
    // below 1000 do not contain it. In a table with comma-separated cells, a comma is more likely a
    // thousands than a decimal separator.
    else if (point.cells > 0 && point.grouped && long_plain == 0 && plain + point.several > 0)
        marks.thousands = '.';
    else if (comma.cells > 0 && comma.grouped && long_plain == 0 &&
             (plain + comma.several > 0 || cells.has_commas))
        marks.thousands = ',';
    if (marks.thousands == '.' || (marks.thousands == 0 && comma.cells > 0)) marks.decimal = ',';
    const bool has_comma = marks.decimal == ',';
    if ((has_comma ? comma : point).cells > 0)
        about += has_comma ? ", decimal comma" : ", decimal point";
    if (marks.thousands != 0) about += fmt::format(", thousands '{}'", marks.thousands);
    return marks;
}

double number_of(const Cells& cells, std::size_t row, std::size_t column, const Marks& marks) {
    const std::string& cell = cells.rows[row].cells[column];
    std::string number;
    for (std::size_t i = 0; i < cell.size(); ++i) {
        const char c = cell[i];
        if (c == marks.thousands || ((c == ' ' || c == '\'') && i > 0 && is_digit(cell[i - 1])))
            continue;
        number += c == marks.decimal ? '.' : c;
    }
    if (number.starts_with('+')) number.erase(0, 1);
    double read = 0;
    const char* const end = number.data() + number.size();
    const auto [stop, error] = std::from_chars(number.data(), end, read);
    const bool groups_fit = marks.thousands == 0 || cell.find(marks.thousands) == cell.npos ||
                            is_grouped(cell, marks.thousands);
    if (error != std::errc() || stop != end || !std::isfinite(read) || !groups_fit)
        cells.refuse(
            row, fmt::format("{} is not a number of the same form as the others in the column {}; "
                             "cells without a value are empty, NA, - or listed as missing",
                             nn::quoted(cell), cells.name(column)));
    return read;
}

void interpolate(std::vector<double>& values, const Cells& cells, std::size_t column,
                 std::string& about) {
    std::size_t missing = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!std::isnan(values[i])) continue;
        std::size_t end = i;
        while (end < values.size() && std::isnan(values[end])) ++end;
        if (i == 0 || end == values.size())
            cells.refuse(i, fmt::format("the column {} {} without a value; remove these rows",
                                        cells.name(column), i == 0 ? "begins" : "ends"));
        const double from = values[i - 1], to = values[end];
        const auto count = static_cast<double>(end - i + 1);
        for (std::size_t k = i; k < end; ++k, ++missing)
            values[k] = std::lerp(from, to, static_cast<double>(k - i + 1) / count);
    }
    if (2 * missing > values.size())
        fail(series_reader, fmt::format("'{}': {} of {} values of the column {} are missing",
                                        cells.path, missing, values.size(), cells.name(column)));
    if (missing > 0) about += fmt::format(", {} missing, interpolated", missing);
}

} // namespace

bool has_numbers(const Cells& cells, std::size_t column, const std::vector<std::string>& missing) {
    bool some = false;
    for (const Row& row : cells.rows) {
        const std::string& cell = row.cells[column];
        if (is_time(cell) || looks_like_date(cell)) return false;
        some |= !is_missing(cell, missing) && looks_like_number(cell);
    }
    return some;
}

std::vector<double> read_numbers(const Cells& cells, std::size_t column,
                                 const std::vector<std::string>& missing, std::string& about) {
    const Marks marks = marks_of(cells, column, missing, about);
    std::vector<double> values;
    for (std::size_t i = 0; i < cells.rows.size(); ++i)
        values.push_back(is_missing(cells.rows[i].cells[column], missing)
                             ? std::nan("")
                             : number_of(cells, i, column, marks));
    interpolate(values, cells, column, about);
    return values;
}

} // namespace unroll::nn::detail
