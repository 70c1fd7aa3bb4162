#pragma once

#include <unroll/nn/series/cells.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace unroll::nn::detail {

// A point of time in seconds from 1970-01-01, as the table's clock shows it.
using Moment = std::int64_t;
constexpr Moment seconds_a_day = 86400;

std::chrono::year_month_day date_of(Moment moment);
// Seconds since midnight.
Moment time_of(Moment moment);

bool is_time(const std::string& cell);
// Year first, or last; the order of days and months is concluded from the whole column.
bool looks_like_date(const std::string& cell);

// Dates of the first column, as written, with the times of the second column, if there are some.
struct Dates {
    std::vector<std::string> texts;
    std::vector<Moment> moments;
};
// Appends to `about` which of day and month is first. Throws Error with path and line for what is
// no date, or none in the calendar.
Dates read_dates(const Cells& cells, std::string& about);

// The most frequent distance of neighbours, months or else seconds, and how many differ from it.
struct Step {
    std::int64_t months = 0, seconds = 0;
    std::size_t count = 0, falling = 0, repeats = 0, gaps = 0;
};
Step step_of(const std::vector<Moment>& moments);

} // namespace unroll::nn::detail
