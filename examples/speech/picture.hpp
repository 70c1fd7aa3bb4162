#pragma once

#include "features.hpp"

#include <string>
#include <vector>

namespace speech {

// Draws as SVG the log-energies [T, filters] of a filterbank over time, with a frequency axis, and
// below them the times of the symbols: weights [symbols, steps], where a step is `factor` frames
// wide.
std::string picture(const unroll::Tensor<float>& energies, const FilterbankOptions& filterbank,
                    const std::vector<std::string>& symbols, const unroll::Tensor<float>& weights,
                    std::size_t factor);

} // namespace speech
