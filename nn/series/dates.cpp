#include <unroll/core/base/error.hpp>
#include <unroll/nn/series/dates.hpp>
#include <unroll/nn/text/text.hpp>

#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>

namespace unroll::nn::detail {

namespace {

enum class Order { year_first, day_first, month_first };

// The runs of digits of a date or a time, and the characters between them.
struct Stamp {
    std::vector<int> numbers;
    std::vector<std::size_t> widths;
    std::string between;

    bool has_year_first() const { return widths[0] == 4; }
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
        std::from_chars(&cell[begin], &cell[0] + i, stamp.numbers.emplace_back());
        stamp.widths.push_back(i - begin);
    }
    if (stamp.numbers.empty()) return std::nullopt;
    return stamp;
}

// None for an invalid date.
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
    if (m > 12 || d > 31) return std::nullopt; // month and day hold 8 bits
    const year_month_day date{year(y), month(static_cast<unsigned>(m)),
                              day(static_cast<unsigned>(d))};
    if (!date.ok()) return std::nullopt;
    Time time = sys_days(date).time_since_epoch().count() * seconds_a_day;
    Time unit = 3600;
    for (std::size_t i = used; i < s.numbers.size() && unit > 0; ++i) {
        if (s.numbers[i] > (unit == 3600 ? 24 : 60)) return std::nullopt;
        time += s.numbers[i] * unit;
        unit = unit == 1 ? 0 : unit / 60;
    }
    return time;
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

Order order_of(const Cells& cells, const std::vector<Stamp>& stamps, std::string& about) {
    if (stamps[0].has_year_first()) return Order::year_first;
    bool day_first = true, month_first = true;
    for (const Stamp& s : stamps) {
        if (s.numbers[0] > 12) month_first = false;
        if (s.numbers[1] > 12) day_first = false;
    }
    if (!day_first && !month_first)
        fail(series_reader,
             fmt::format("'{}': some dates have the day first, others the month", cells.path));
    if (day_first && month_first && stamps[0].between[0] != '.')
        // The order with more equal steps; on ties, the day first.
        day_first = step_of(times_of(cells, stamps, Order::day_first)).count >=
                    step_of(times_of(cells, stamps, Order::month_first)).count;
    about += day_first ? ", day first" : ", month first";
    return day_first ? Order::day_first : Order::month_first;
}

// Whole months from one time to a later one; 0 unless day and time of day are equal.
std::int64_t months_between(Time from, Time to) {
    const auto a = date_of(from), b = date_of(to);
    if (a.day() != b.day() || time_of_day(from) != time_of_day(to)) return 0;
    return (b.year() / b.month() - a.year() / a.month()).count();
}

} // namespace

std::chrono::year_month_day date_of(Time time) {
    return std::chrono::floor<std::chrono::days>(
        std::chrono::sys_seconds(std::chrono::seconds(time)));
}

Time time_of_day(Time time) { return (time % seconds_a_day + seconds_a_day) % seconds_a_day; }

bool is_time(const std::string& cell) {
    const auto stamp = stamp_of(cell);
    return stamp && (stamp->between == ":" || stamp->between == "::") && stamp->numbers[0] <= 24;
}

bool looks_like_date(const std::string& cell) {
    const auto stamp = stamp_of(cell);
    if (!stamp || stamp->numbers.size() < 2) return false;
    const char mark = stamp->between[0];
    if (mark != '-' && mark != '/' && mark != '.') return false;
    if (stamp->has_year_first())
        return stamp->numbers[1] >= 1 && stamp->numbers[1] <= 12 && stamp->widths[1] <= 2 &&
               (stamp->numbers.size() == 2 ? mark != '.' : stamp->between[1] == mark);
    return stamp->numbers.size() > 2 && stamp->between[1] == mark && stamp->widths[0] <= 2 &&
           stamp->widths[1] <= 2 && (stamp->widths[2] == 4 || stamp->widths[2] == 2);
}

Dates read_dates(const Cells& cells, std::string& about) {
    Dates dates;
    std::vector<Stamp> stamps;
    const bool has_times =
        cells.rows[0].cells.size() > 1 &&
        std::ranges::all_of(cells.rows, [](const Row& row) { return is_time(row.cells[1]); });
    for (std::size_t i = 0; i < cells.rows.size(); ++i) {
        const std::string& date = cells.rows[i].cells[0];
        if (!looks_like_date(date) ||
            (i > 0 && stamp_of(date)->has_year_first() != stamps[0].has_year_first()))
            cells.refuse(i, nn::quoted(date) +
                                " is not a date such as 2001-12, 2001-12-31, 31.12.2001 or "
                                "31/12/2001, with or without a time");
        dates.texts.push_back(date + (has_times ? " " + cells.rows[i].cells[1] : ""));
        stamps.push_back(*stamp_of(dates.texts.back()));
    }
    dates.times = times_of(cells, stamps, order_of(cells, stamps, about));
    return dates;
}

Step step_of(const std::vector<Time>& times) {
    std::map<std::pair<std::int64_t, std::int64_t>, std::size_t> counts; // by months, seconds
    for (std::size_t i = 1; i < times.size(); ++i) {
        const auto [low, high] = std::minmax(times[i - 1], times[i]);
        const std::int64_t months = months_between(low, high);
        if (low != high) ++counts[{months, months > 0 ? 0 : high - low}];
    }
    Step step;
    for (const auto& [distance, count] : counts)
        if (count > step.count) step = {distance.first, distance.second, count};
    for (std::size_t i = 1; i < times.size(); ++i) {
        const auto [low, high] = std::minmax(times[i - 1], times[i]);
        step.falling += times[i] < times[i - 1];
        step.repeats += low == high;
        step.gaps += step.months > 0 ? months_between(low, high) > step.months
                                     : step.seconds > 0 && high - low > step.seconds;
    }
    return step;
}

} // namespace unroll::nn::detail
