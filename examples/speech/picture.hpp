#pragma once

#include <unroll/core/tensor/tensor.hpp>

#include <string>
#include <vector>

namespace speech {

// As SVG: the log-energies [T, filters] over time and, below, where each symbol was heard: weights
// [symbols, steps], a step as wide as `factor` of the frames.
std::string picture(const unroll::Tensor<float>& energies, double seconds_a_frame,
                    const std::vector<std::string>& symbols, const unroll::Tensor<float>& weights,
                    std::size_t factor);

} // namespace speech
