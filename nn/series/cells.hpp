#pragma once

#include <cstddef>
#include <string>
#include <unroll/core/base/error.hpp>
#include <vector>

namespace unroll::nn::detail {

constexpr const char* series_reader = "read_time_series";

struct Row {
    std::size_t line;
    std::vector<std::string> cells;
};

// The rows of a table and a description of its format.
struct Cells {
    std::string path, about;
    std::vector<std::string> header; // empty: none
    std::vector<Row> rows;
    bool has_commas = false; // between cells

    // The name of a column: that of the header, quoted, or its number from 1.
    std::string name(std::size_t column) const;
    // Throws Error with the line of a row.
    [[noreturn]] void refuse(std::size_t row, const std::string& problem) const;
};

// Cells separated by semicolons, tabs or commas: the first of these that occurs in the first line.
// A first line without dates and numbers is the header; the last cells of a row may be missing.
Cells read_cells(const std::string& path, Where where = Where::current());

bool is_digit(char c);
// Only digits and separators: "1.352,5".
bool looks_like_number(const std::string& cell);

} // namespace unroll::nn::detail
