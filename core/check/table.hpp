#pragma once

#include <string>
#include <vector>

namespace unroll {

// Rows of words under named columns, for reports.
struct Table {
    std::vector<std::string> columns;
    std::vector<std::vector<std::string>> rows;

    // Columns of equal width, numbers to the right.
    std::string text() const;
    // As RFC 4180 has it: a cell with a comma, a quote or a line's end stands in quotes.
    std::string csv() const;
};

// With so many significant digits: "0.0123".
std::string digits(double value, int count = 4);
// With so many decimals: "0.012".
std::string decimals(double value, int count = 3);

} // namespace unroll
