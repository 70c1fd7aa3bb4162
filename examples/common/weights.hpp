#pragma once

#include <unroll/core/tensor/tensor.hpp>

#include <string>
#include <vector>

namespace example {

// As SVG, a table of weights in [0, 1], [down, across], in shades of one colour, with the words
// that they lead from and to: for an attention, what each word that was written looked at.
std::string weights_svg(const unroll::Tensor<float>& weights, const std::vector<std::string>& down,
                        const std::vector<std::string>& across);

} // namespace example
