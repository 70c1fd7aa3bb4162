#pragma once

#include <string>
#include <vector>

namespace unroll {

// Rows of text under named columns, for reports.
struct Table {
    std::vector<std::string> columns;
    std::vector<std::vector<std::string>> rows;

    // Aligned columns; numbers are right-aligned.
    std::string text() const;
    // RFC 4180: a cell that contains a comma, a quote or a line break is quoted.
    std::string csv() const;
};

// "0.0123": `digits` significant digits, without trailing zeros.
std::string format_significant(double value, int digits = 4);
// "0.012": `decimals` digits after the point.
std::string format_fixed(double value, int decimals = 3);

} // namespace unroll
