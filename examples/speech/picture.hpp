#pragma once

#include "features.hpp"

#include <string>
#include <vector>

namespace speech {

// As SVG: the log-energies [T, filters] of a filterbank over time, with a scale of frequencies,
// and, below, where each symbol was heard: weights [symbols, steps], a step as wide as `factor` of
// the frames.
std::string picture(const unroll::Tensor<float>& energies, const FilterbankOptions& filterbank,
                    const std::vector<std::string>& symbols, const unroll::Tensor<float>& weights,
                    std::size_t factor);

} // namespace speech
