#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace example {

struct TableOptions {
    // A column by its name in the header or its number, from 1; empty: the first with numbers.
    std::vector<std::string> columns = {};
    // Additional cells that mean a missing value; empty cells, the usual words and dashes always
    // do.
    std::vector<std::string> missing = {};
};

// A time in seconds since 1970-01-01, in the table's local time.
using Time = std::int64_t;

struct Date {
    std::int64_t year;
    unsigned month, day;
};
Date date_of(Time time);

// A time series.
struct Table {
    std::vector<Time> times;        // non-decreasing
    std::vector<std::string> dates; // as written in the table
    std::vector<std::string> names;
    std::vector<std::vector<double>> columns;
    // The most frequent distance of rows: in months, otherwise in seconds.
    std::int64_t months = 0, seconds = 0;
    // The detected format: "8,760 hours, 2017-01-01 to 2017-12-31, ';', decimal comma, 1 gap".
    std::string about;
};

// Reads dates, in the first column, and numbers. The separator is a semicolon, tab or comma; cells
// may be quoted; a header is optional. Dates are year-month[-day], day.month.year, month/day/year
// or day/month/year (whichever makes the whole column regular), with a time in the same or the next
// column. Decimal and thousands separators are inferred from the whole column. Rows in descending
// order are reversed; missing values are interpolated; gaps and repeats are kept; `about` reports
// all of this. Throws Error with path and line for any other input.
Table read_table(const std::string& path, const TableOptions& options = {});

} // namespace example
