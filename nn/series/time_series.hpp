#pragma once

#include <unroll/core/base/error.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace unroll::nn {

struct TimeSeriesOptions {
    // A column by its name in the header or its number, from 1; empty: the first with numbers.
    std::vector<std::string> columns = {};
    // Additional cells that mean a missing value; empty cells, the usual words and dashes always
    // do.
    std::vector<std::string> missing = {};
};

// Named columns over time.
struct TimeSeries {
    // Non-decreasing, in seconds since 1970-01-01, in the table's local time.
    std::vector<std::int64_t> times;
    std::vector<std::string> dates; // as written in the table
    std::vector<std::string> names;
    std::vector<std::vector<double>> columns;
    // The most frequent interval of rows: in months, otherwise in seconds.
    std::int64_t months = 0, seconds = 0;
    // The detected format: "8,760 hours, 2017-01-01 to 2017-12-31, ';', decimal comma, 1 gap".
    std::string about;

    // Steps in a season: a year, or a day if steps are shorter than a day.
    std::size_t season() const;
    // The position of every step in the season, from its date.
    std::vector<std::size_t> phases() const;
    // "2001-12" for steps of months, "2001-12-31", or "2001-12-31 23:59" for steps shorter than a
    // day; steps after the last one continue at the most frequent distance.
    std::string date(std::size_t step) const;
};

// Reads a table, gzipped or not: dates in the first column, and numbers. The separator is a
// semicolon, tab or comma; cells may be quoted; a header is optional. Dates are year-month[-day],
// day.month.year, month/day/year or day/month/year (whichever makes the whole column regular), with
// a time in the same or the next column. Decimal and thousands separators are inferred from the
// whole column. Rows in descending order are reversed; missing values are interpolated; gaps and
// repeats are kept; `about` reports all of this. Throws Error with path and line for any other
// input.
TimeSeries read_time_series(const std::string& path, const TimeSeriesOptions& options = {},
                            Where where = Where::current());

} // namespace unroll::nn
