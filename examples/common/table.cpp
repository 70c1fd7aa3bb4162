#include "table.hpp"

#include <unroll/core/base/error.hpp>
#include <unroll/nn/text/text.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <map>
#include <optional>

#include <fmt/format.h>

namespace example {

using namespace unroll;

namespace {

constexpr const char* reader = "read_table";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Row {
    std::size_t line;
    std::vector<std::string> cells;
};

// The rows of a table and a description of its format.
struct Cells {
    std::string path, about;
    std::vector<std::string> header; // empty: none
    std::vector<Row> rows;

    [[noreturn]] void refuse(std::size_t row, const std::string& problem) const {
        nn::refuse_line(reader, path, rows[row].line, problem);
    }
};

std::string trimmed(const std::string& text) {
    const auto words = nn::split_whitespace(text);
    std::string all;
    for (const auto& word : words) all += (all.empty() ? "" : " ") + word;
    return all;
}

char separator_of(const std::string& line) {
    bool quoted = false;
    std::map<char, std::size_t> counts;
    for (const char c : line) {
        if (c == '"') quoted = !quoted;
        if (!quoted) ++counts[c];
    }
    for (const char c : {';', '\t', ','})
        if (counts[c] > 0) return c;
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
    if (quoted) nn::refuse_line(reader, path, number, "a quotation mark is not closed");
    for (auto& cell : cells) cell = trimmed(cell);
    return cells;
}

// Splits numbers at their separators: "1.352,5" -> 1 . 352 , 5.
bool looks_like_number(const std::string& cell) {
    bool has_digit = false;
    for (const char c : cell) {
        has_digit |= is_digit(c);
        if (!is_digit(c) && std::string_view("+-.,eE '").find(c) == std::string::npos) return false;
    }
    return has_digit;
}

// The runs of digits of a date or a time, and the characters between them.
struct Stamp {
    std::vector<int> numbers;
    std::vector<std::size_t> widths;
    std::string between;
};

std::optional<Stamp> stamp_of(const std::string& cell) {
    Stamp stamp;
    for (std::size_t i = 0; i < cell.size();) {
        if (!is_digit(cell[i])) {
            if (stamp.numbers.empty()) return std::nullopt;
            stamp.between += cell[i++];
            continue;
        }
        const std::size_t begin = i;
        while (i < cell.size() && is_digit(cell[i])) ++i;
        if (i - begin > 9) return std::nullopt;
        int number = 0;
        std::from_chars(&cell[begin], &cell[0] + i, number);
        stamp.numbers.push_back(number);
        stamp.widths.push_back(i - begin);
    }
    if (stamp.numbers.empty()) return std::nullopt;
    return stamp;
}

enum class Order { year_first, day_first, month_first };

bool is_time(const std::string& cell) {
    const auto stamp = stamp_of(cell);
    return stamp && (stamp->between == ":" || stamp->between == "::") && stamp->numbers[0] <= 24;
}

bool looks_like_date(const std::string& cell) {
    const auto stamp = stamp_of(cell);
    if (!stamp || stamp->numbers.size() < 2) return false;
    const char mark = stamp->between[0];
    if (mark != '-' && mark != '/' && mark != '.') return false;
    if (stamp->widths[0] == 4)
        return stamp->numbers[1] >= 1 && stamp->numbers[1] <= 12 && stamp->widths[1] <= 2 &&
               (stamp->numbers.size() == 2 ? mark != '.' : stamp->between[1] == mark);
    return stamp->numbers.size() > 2 && stamp->between[1] == mark && stamp->widths[0] <= 2 &&
           stamp->widths[1] <= 2 && (stamp->widths[2] == 4 || stamp->widths[2] == 2);
}

// Seconds since 1970; none for an invalid date.
std::optional<Time> time_of(const Stamp& s, Order order) {
    using namespace std::chrono;
    std::size_t used = 3;
    int y = s.numbers[0], m = s.numbers[1], d = 1;
    if (order == Order::year_first) {
        const bool has_day = s.numbers.size() > 2 && s.between[1] == s.between[0];
        if (has_day) d = s.numbers[2];
        used = has_day ? 3 : 2;
    } else {
        d = s.numbers[order == Order::day_first ? 0 : 1];
        m = s.numbers[order == Order::day_first ? 1 : 0];
        y = s.numbers[2];
        if (s.widths[2] == 2) y += y < 70 ? 2000 : 1900;
    }
    const year_month_day date{year(y), month(static_cast<unsigned>(m)),
                              day(static_cast<unsigned>(d))};
    if (!date.ok()) return std::nullopt;
    Time seconds = sys_days(date).time_since_epoch().count() * Time{86400};
    Time unit = 3600;
    for (std::size_t i = used; i < s.numbers.size() && unit > 0; ++i) {
        if (s.numbers[i] > (unit == 3600 ? 24 : 60)) return std::nullopt;
        seconds += s.numbers[i] * unit;
        unit = unit == 1 ? 0 : unit / 60;
    }
    return seconds;
}

std::vector<Time> times_of(const Cells& cells, const std::vector<Stamp>& stamps, Order order) {
    std::vector<Time> all;
    for (std::size_t i = 0; i < stamps.size(); ++i) {
        const auto time = time_of(stamps[i], order);
        if (!time) cells.refuse(i, nn::quoted(cells.rows[i].cells[0]) + " is not a valid date");
        all.push_back(*time);
    }
    return all;
}

// Whole months between two times; none unless day and time are equal.
std::optional<std::int64_t> months_between(Time from, Time to) {
    const Date a = date_of(from), b = date_of(to);
    if (a.day != b.day || (to - from) % 86400 != 0) return std::nullopt;
    return (b.year - a.year) * 12 + static_cast<std::int64_t>(b.month) -
           static_cast<std::int64_t>(a.month);
}

// The most frequent time step.
struct Step {
    std::int64_t months = 0, seconds = 0;
    std::size_t count = 0, falling = 0, repeats = 0, gaps = 0;
};

Step step_of(const std::vector<Time>& times) {
    std::map<std::pair<std::int64_t, std::int64_t>, std::size_t> counts;
    for (std::size_t i = 1; i < times.size(); ++i) {
        const std::int64_t seconds = std::abs(times[i] - times[i - 1]);
        const auto months =
            months_between(std::min(times[i - 1], times[i]), std::max(times[i - 1], times[i]));
        const bool by_month = months && *months > 0;
        if (seconds > 0)
            ++counts[by_month ? std::pair(*months, std::int64_t{0})
                              : std::pair(std::int64_t{0}, seconds)];
    }
    Step step;
    for (const auto& [distance, count] : counts)
        if (count > step.count) step = {distance.first, distance.second, count};
    for (std::size_t i = 1; i < times.size(); ++i) {
        const auto [low, high] = std::minmax(times[i - 1], times[i]);
        step.falling += times[i] < times[i - 1];
        step.repeats += low == high;
        const auto months = months_between(low, high);
        step.gaps += step.months > 0 ? months && *months > step.months
                                     : step.seconds > 0 && high - low > step.seconds;
    }
    return step;
}

Order order_of(const Cells& cells, const std::vector<Stamp>& stamps, std::string& about) {
    if (stamps[0].widths[0] == 4) return Order::year_first;
    bool day_first = true, month_first = true;
    for (const Stamp& s : stamps) {
        if (s.numbers.size() < 3) continue;
        if (s.numbers[0] > 12) month_first = false;
        if (s.numbers[1] > 12) day_first = false;
    }
    if (!day_first && !month_first)
        fail(reader,
             fmt::format("'{}': some dates have the day first, others the month", cells.path));
    if (day_first && month_first && stamps[0].between[0] != '.')
        // The order with more equal steps; on ties, the day first.
        day_first = step_of(times_of(cells, stamps, Order::day_first)).count >=
                    step_of(times_of(cells, stamps, Order::month_first)).count;
    about += day_first ? ", day first" : ", month first";
    return day_first ? Order::day_first : Order::month_first;
}

Cells read_cells(const std::string& path) {
    Cells cells{path, "", {}, {}};
    bool latin1 = false;
    const auto lines = nn::read_lines(path, {.latin1 = &latin1});
    std::size_t width = 0, short_rows = 0;
    char separator = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (separator == 0 && nn::is_blank(lines[i])) continue;
        if (separator == 0) separator = separator_of(lines[i]);
        Row row{i + 1, split(lines[i], separator, path, i + 1)};
        if (width == 0) width = row.cells.size();
        if (row.cells.size() > width)
            nn::refuse_line(reader, path, i + 1,
                            fmt::format("expected {} cells, as in the first line, got {}; cells "
                                        "that contain the separator {} must be quoted",
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
    if (cells.rows.empty()) fail(reader, fmt::format("'{}' has no row of numbers", path));
    cells.about = separator == '\t' ? ", tabs" : fmt::format(", '{}'", separator);
    if (latin1) cells.about += ", ISO-8859-1";
    if (short_rows > 0)
        cells.about += fmt::format(", {} row{} without the last cells", short_rows,
                                   short_rows == 1 ? "" : "s");
    return cells;
}

class Column {
public:
    Column(const Cells& cells, std::size_t index, const TableOptions& options)
        : cells_(cells), index_(index), options_(options) {}

    bool is_missing(const std::string& cell) const {
        static const std::vector<std::string> usual{
            "", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "-", "--", "–", "—", "?", "."};
        return std::ranges::count(usual, cell) > 0 ||
               std::ranges::count(options_.missing, cell) > 0;
    }
    // Whether the column contains numbers and no times.
    bool has_numbers() const {
        bool some = false;
        for (const Row& row : cells_.rows) {
            const std::string& cell = row.cells[index_];
            if (is_time(cell) || looks_like_date(cell)) return false;
            some |= !is_missing(cell) && looks_like_number(cell);
        }
        return some;
    }
    std::vector<double> values(std::string& about) {
        conclude_marks(about);
        std::vector<double> all;
        for (std::size_t i = 0; i < cells_.rows.size(); ++i) all.push_back(value(i));
        fill(all, about);
        return all;
    }

private:
    // Digits in groups of three: "1.352", not "0.352" and not "12.35".
    static bool is_grouped(const std::string& cell, char mark) {
        const std::string digits = cell.substr(cell.find_first_not_of("+-"));
        std::size_t at = digits.find(mark);
        if (at == 0 || at > 3 || digits[0] == '0') return false;
        for (; at != digits.npos && digits[at] == mark; at += 4) {
            const auto end =
                std::min(digits.find_first_not_of("0123456789", at + 1), digits.size());
            if (end - at != 4) return false;
            if (end == digits.size()) return true;
        }
        return true; // the other separator follows
    }
    void conclude_marks(std::string& about) {
        bool grouped[2] = {true, true}; // with points, commas
        std::size_t with[2] = {0, 0}, several[2] = {0, 0}, plain = 0, long_plain = 0;
        std::size_t point_last = 0, comma_last = 0;
        for (const Row& row : cells_.rows) {
            const std::string& cell = row.cells[index_];
            if (is_missing(cell) || !looks_like_number(cell)) continue;
            const auto point = cell.rfind('.'), comma = cell.rfind(',');
            if (point != cell.npos && comma != cell.npos)
                ++(point > comma ? point_last : comma_last);
            for (const int i : {0, 1}) {
                const char mark = ".,"[i];
                const auto count = std::ranges::count(cell, mark);
                if (count == 0) continue;
                ++with[i];
                several[i] += count > 1;
                grouped[i] = grouped[i] && is_grouped(cell, mark);
            }
            if (point == cell.npos && comma == cell.npos) {
                ++plain;
                long_plain += std::ranges::count_if(cell, is_digit) > 3;
            }
        }
        if (point_last > 0 && comma_last == 0)
            thousands_ = ',';
        else if (comma_last > 0 && point_last == 0)
            thousands_ = '.';
        else if (point_last + comma_last > 0)
            fail(reader, fmt::format("'{}': some numbers have a decimal point, others a decimal "
                                     "comma, in the column {}",
                                     cells_.path, name()));
        else if (with[0] > 0 && with[1] > 0)
            thousands_ = grouped[0] && !grouped[1] ? '.' : ',';
        // A single kind of separator separates thousands if every number has that form and numbers
        // below 1000 do not contain it. In a table with comma-separated cells, a comma is more
        // likely a thousands than a decimal separator.
        else if (with[0] > 0 && grouped[0] && long_plain == 0 && (plain > 0 || several[0] > 0))
            thousands_ = '.';
        else if (with[1] > 0 && grouped[1] && long_plain == 0 &&
                 (plain > 0 || several[1] > 0 || cells_.about.starts_with(", ','")))
            thousands_ = ',';
        const char decimal = thousands_ == ',' || (thousands_ == 0 && with[1] == 0) ? '.' : ',';
        decimal_ = decimal;
        if (with[decimal == ','] > 0)
            about += decimal == ',' ? ", decimal comma" : ", decimal point";
        if (thousands_ != 0) about += fmt::format(", thousands '{}'", thousands_);
    }
    double value(std::size_t row) const {
        const std::string& cell = cells_.rows[row].cells[index_];
        if (is_missing(cell)) return std::nan("");
        std::string number;
        for (std::size_t i = 0; i < cell.size(); ++i) {
            const char c = cell[i];
            if (c == thousands_ || ((c == ' ' || c == '\'') && i > 0 && is_digit(cell[i - 1])))
                continue;
            number += c == decimal_ ? '.' : c;
        }
        if (number.starts_with('+')) number.erase(0, 1);
        double read = 0;
        const char* const end = number.data() + number.size();
        const auto [stop, error] = std::from_chars(number.data(), end, read);
        const bool groups_fit =
            thousands_ == 0 || cell.find(thousands_) == cell.npos || is_grouped(cell, thousands_);
        if (error != std::errc() || stop != end || !std::isfinite(read) || !groups_fit)
            cells_.refuse(
                row,
                fmt::format(
                    "{} is not a number of the same form as the others in the column {}; cells "
                    "without a value are empty, NA, - or named by --missing",
                    nn::quoted(cell), name()));
        return read;
    }
    void fill(std::vector<double>& values, std::string& about) const {
        std::size_t missing = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (!std::isnan(values[i])) continue;
            std::size_t end = i;
            while (end < values.size() && std::isnan(values[end])) ++end;
            if (i == 0 || end == values.size())
                cells_.refuse(i, fmt::format("the column {} {} without a value; remove these rows",
                                             name(), i == 0 ? "begins" : "ends"));
            const double from = values[i - 1], to = values[end];
            const auto count = static_cast<double>(end - i + 1);
            for (std::size_t k = i; k < end; ++k, ++missing)
                values[k] = from + (to - from) * static_cast<double>(k - i + 1) / count;
        }
        if (2 * missing > values.size())
            fail(reader, fmt::format("'{}': {} of {} values of the column {} are missing",
                                     cells_.path, missing, values.size(), name()));
        if (missing > 0) about += fmt::format(", {} missing, interpolated", missing);
    }
    std::string name() const {
        return cells_.header.empty() ? std::to_string(index_ + 1)
                                     : nn::quoted(cells_.header[index_]);
    }

    const Cells& cells_;
    std::size_t index_;
    const TableOptions& options_;
    char decimal_ = '.', thousands_ = 0;
};

std::size_t index_of(const Cells& cells, const std::string& name) {
    const auto found = std::ranges::find(cells.header, name);
    if (found != cells.header.end()) return static_cast<std::size_t>(found - cells.header.begin());
    std::size_t number = 0;
    const char* const end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data(), end, number);
    if (error == std::errc() && stop == end && number >= 1 && number <= cells.rows[0].cells.size())
        return number - 1;
    std::string names;
    for (const auto& one : cells.header) names += (names.empty() ? "" : ", ") + nn::quoted(one);
    fail(reader, fmt::format("'{}' has no column {}; it has {}", cells.path, nn::quoted(name),
                             names.empty() ? "no header: give a number" : names));
}

std::string unit_of(const Step& step) {
    const std::map<std::pair<std::int64_t, std::int64_t>, std::string> names{
        {{12, 0}, "years"},   {{3, 0}, "quarters"}, {{1, 0}, "months"},  {{0, 7 * 86400}, "weeks"},
        {{0, 86400}, "days"}, {{0, 3600}, "hours"}, {{0, 60}, "minutes"}};
    const auto found = names.find({step.months, step.seconds});
    if (found != names.end()) return found->second;
    return step.months > 0 ? fmt::format("steps of {} months", step.months)
                           : fmt::format("steps of {} seconds", step.seconds);
}

std::string grouped(std::size_t n) {
    std::string text = std::to_string(n);
    for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
    return text;
}

std::string day_of(Time time) {
    const Date date = date_of(time);
    return fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day);
}

std::string counted(std::size_t n, const std::string& what) {
    return n == 0 ? "" : fmt::format(", {} {}{}", n, what, n == 1 ? "" : "s");
}

} // namespace

Date date_of(Time time) {
    using namespace std::chrono;
    const Time days_since = (time - (((time % 86400) + 86400) % 86400)) / 86400;
    const year_month_day date{sys_days{days{days_since}}};
    return {static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
            static_cast<unsigned>(date.day())};
}

Table read_table(const std::string& path, const TableOptions& options) {
    const Cells cells = read_cells(path);
    Table table;
    std::vector<Stamp> stamps;
    const bool has_times =
        cells.rows[0].cells.size() > 1 &&
        std::ranges::all_of(cells.rows, [](const Row& row) { return is_time(row.cells[1]); });
    for (std::size_t i = 0; i < cells.rows.size(); ++i) {
        const std::string& date = cells.rows[i].cells[0];
        const std::string text = date + (has_times ? " " + cells.rows[i].cells[1] : "");
        if (!looks_like_date(date) ||
            (i > 0 && (stamp_of(date)->widths[0] == 4) != (stamps[0].widths[0] == 4)))
            cells.refuse(i, nn::quoted(date) +
                                " is not a date such as 2001-12, 2001-12-31, 31.12.2001 "
                                "or 31/12/2001, with or without a time");
        stamps.push_back(*stamp_of(text));
        table.dates.push_back(text);
    }
    std::string about = cells.about;
    table.times = times_of(cells, stamps, order_of(cells, stamps, about));
    const Step step = step_of(table.times);
    table.months = step.months;
    table.seconds = step.seconds;

    std::vector<std::size_t> indices;
    for (const auto& name : options.columns) indices.push_back(index_of(cells, name));
    for (std::size_t c = 1; c < cells.rows[0].cells.size() && indices.empty(); ++c)
        if (Column(cells, c, options).has_numbers()) indices.push_back(c);
    if (indices.empty()) fail(reader, fmt::format("'{}' has no column of numbers", path));
    for (const std::size_t c : indices) {
        table.names.push_back(cells.header.empty() ? std::to_string(c + 1) : cells.header[c]);
        about += ", column " + nn::quoted(table.names.back());
        table.columns.push_back(Column(cells, c, options).values(about));
    }

    const std::size_t rows = cells.rows.size();
    if (step.falling > 0) {
        if (step.falling + step.repeats + 1 != rows)
            for (std::size_t i = 1; i < rows; ++i)
                if (table.times[i] < table.times[i - 1])
                    cells.refuse(i, nn::quoted(table.dates[i]) +
                                        " is earlier than the previous row; sort the rows");
        std::ranges::reverse(table.times);
        std::ranges::reverse(table.dates);
        for (auto& column : table.columns) std::ranges::reverse(column);
        about += ", descending: reversed";
    }
    table.about = fmt::format("{} {}, {} to {}{}{}{}", grouped(rows), unit_of(step),
                              day_of(table.times.front()), day_of(table.times.back()), about,
                              counted(step.gaps, "gap"), counted(step.repeats, "repeat"));
    return table;
}

} // namespace example
