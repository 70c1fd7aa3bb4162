#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace unroll::nn {

struct TimeSeriesOptions {
    // Columns by the names of the header, or by their number from 1; empty: the first with numbers.
    std::vector<std::string> columns = {};
    // Cells without a value, besides empty ones and the usual words and dashes.
    std::vector<std::string> missing = {};
};

// Columns of numbers over time.
struct TimeSeries {
    std::vector<std::int64_t>
        moments;                    // never falling, in seconds from 1970 as the clock shows them
    std::vector<std::string> dates; // as written
    std::vector<std::string> names;
    std::vector<std::vector<double>> columns;
    // The usual distance of rows: months, or else seconds.
    std::int64_t months = 0, seconds = 0;
    // What was understood: "8,760 hours, 2017-01-01 to 2017-12-31, ';', decimal comma, 1 gap".
    std::string about;

    // The number of steps in a year, or in a day if steps are shorter than a day.
    std::size_t season() const;
    // Of every step: its place in the season, from its date.
    std::vector<std::size_t> phases() const;
    // "2001-12" for steps of months, "2001-12-31", or "2001-12-31 23:59" for steps shorter than a
    // day; steps after the last one are at the usual distance.
    std::string date(std::size_t step) const;
};

// Reads a table, gzipped or not: dates in the first column, and numbers. The separator is a
// semicolon, tab or comma; cells may be quoted; a header is optional. Dates are year-month[-day],
// day.month.year, month/day/year or day/month/year (whichever makes the whole column regular), with
// a time in the same or the next column. Whether points and commas separate decimals or thousands
// is concluded from a whole column. Rows in descending order are reversed; missing values are
// interpolated; gaps and repeats stay; `about` says all of this. Throws Error with path and line
// for anything else.
TimeSeries read_time_series(const std::string& path, const TimeSeriesOptions& options = {});

} // namespace unroll::nn
