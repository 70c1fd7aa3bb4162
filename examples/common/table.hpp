#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace example {

struct TableOptions {
    // Columns by the names of the header, or by their number from 1; empty: the first with numbers.
    std::vector<std::string> columns = {};
    // Cells without a value, besides empty ones and the usual words and dashes.
    std::vector<std::string> missing = {};
};

// A point of time in seconds from 1970-01-01, as the table's clock shows it.
using Moment = std::int64_t;

struct Date {
    std::int64_t year;
    unsigned month, day;
};
Date date_of(Moment moment);

// Numbers over time.
struct Table {
    std::vector<Moment> moments;    // never falling
    std::vector<std::string> dates; // as they are written
    std::vector<std::string> names;
    std::vector<std::vector<double>> columns;
    // The usual distance of rows: months, or else seconds.
    std::int64_t months = 0, seconds = 0;
    // What was understood: "8,760 hours, 2017-01-01 to 2017-12-31, ';', decimal comma, 1 gap".
    std::string about;
};

// Reads dates, in the first column, and numbers. The separator is a semicolon, tab or comma; cells
// may be quoted; a header is optional. Dates are year-month[-day], day.month.year, month/day/year
// or day/month/year (whichever makes the whole column regular), with a time in the same or the next
// column. Whether points and commas separate decimals or thousands is concluded from a whole
// column. Rows in descending order are reversed; missing values are interpolated; gaps and repeats
// stay; `about` says all of this. Throws Error with path and line for anything else.
Table read_table(const std::string& path, const TableOptions& options = {});

} // namespace example
