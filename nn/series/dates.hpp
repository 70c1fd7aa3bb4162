#pragma once

#include <unroll/nn/series/cells.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace unroll::nn::detail {

// A time in seconds since 1970-01-01, in the table's local time.
using Time = std::int64_t;
constexpr Time seconds_a_day = 86400;

std::chrono::year_month_day date_of(Time time);
// Seconds since midnight.
Time time_of_day(Time time);

bool is_time(const std::string& cell);
// Year first or last; the order of day and month is inferred from the whole column.
bool looks_like_date(const std::string& cell);

// Dates of the first column, as written, with the times of the second column, if there are any.
struct Dates {
    std::vector<std::string> texts;
    std::vector<Time> times;
};
// Appends the order of day and month to `about`. Throws Error with path and line for an invalid
// date.
Dates read_dates(const Cells& cells, std::string& about);

// The most frequent interval of adjacent times, in months, otherwise in seconds; and the number of
// decreasing, repeated and missing times.
struct Step {
    std::int64_t months = 0, seconds = 0;
    std::size_t count = 0, falling = 0, repeats = 0, gaps = 0;
};
Step step_of(const std::vector<Time>& times);

} // namespace unroll::nn::detail
