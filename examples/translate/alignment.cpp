#include "alignment.hpp"

#include <unroll/core/check/svg.hpp>

#include <algorithm>

namespace translate {

std::string alignment_svg(const unroll::Tensor<float>& weights,
                          const std::vector<std::string>& targets,
                          const std::vector<std::string>& sources) {
    constexpr double cell = 30, left = 130, top = 110;
    const auto across = [](std::size_t i) { return left + cell * static_cast<double>(i); };
    const auto down = [](std::size_t i) { return top + cell * static_cast<double>(i); };
    unroll::Svg svg(across(sources.size()) + 60, down(targets.size()) + 20);
    for (std::size_t s = 0; s < sources.size(); ++s)
        svg.text(across(s) + 18, top - 8, sources[s], {.size = 14, .turned = -50});
    for (std::size_t t = 0; t < targets.size(); ++t) {
        svg.text(left - 10, down(t) + 20, targets[t], {.anchor = "end", .size = 14});
        for (std::size_t s = 0; s < sources.size(); ++s)
            svg.rectangle(across(s), down(t), cell, cell,
                          {.fill = "#1f6fb4",
                           .stroke = "#cccccc",
                           .opacity = std::min(static_cast<double>(weights(t, s)), 0.999)});
    }
    return svg.str();
}

} // namespace translate
