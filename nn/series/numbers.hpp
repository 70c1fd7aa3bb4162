#pragma once

#include <unroll/nn/series/cells.hpp>

#include <string>
#include <vector>

namespace unroll::nn::detail {

// Whether some cell of a column is a number and none is a date or a time. `missing`: cells without
// a value, besides empty ones and the usual words and dashes.
bool has_numbers(const Cells& cells, std::size_t column, const std::vector<std::string>& missing);

// The numbers of a column. Whether points and commas separate decimals or thousands is concluded
// from all of them; missing ones are interpolated; appends both to `about`. Throws Error with path
// and line for a cell that is no such number, and for a column that begins or ends without one.
std::vector<double> read_numbers(const Cells& cells, std::size_t column,
                                 const std::vector<std::string>& missing, std::string& about);

} // namespace unroll::nn::detail
