#pragma once

#include <unroll/nn/series/cells.hpp>

#include <string>
#include <vector>

namespace unroll::nn::detail {

// Whether a column contains numbers and no dates or times. `missing`: additional cells that mean a
// missing value; empty cells, the usual words and dashes always do.
bool has_numbers(const Cells& cells, std::size_t column, const std::vector<std::string>& missing);

// The numbers of a column. Decimal and thousands separators are inferred from the whole column;
// missing values are interpolated; `about` reports both. Throws Error with path and line for any
// other cell, and if the first or last value is missing.
std::vector<double> read_numbers(const Cells& cells, std::size_t column,
                                 const std::vector<std::string>& missing, std::string& about);

} // namespace unroll::nn::detail
