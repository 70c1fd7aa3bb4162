#pragma once

#include <unroll/core/tensor/tensor.hpp>

#include <string>
#include <vector>

namespace translate {

// Draws attention weights in [0, 1], [targets, sources], as an SVG heat map with the words as
// labels.
std::string alignment_svg(const unroll::Tensor<float>& weights,
                          const std::vector<std::string>& targets,
                          const std::vector<std::string>& sources);

} // namespace translate
