#include "alignment.hpp"

#include <unroll/core/check/chart.hpp>

#include <fmt/format.h>

namespace translate {

std::string alignment_svg(const unroll::Tensor<float>& weights,
                          const std::vector<std::string>& targets,
                          const std::vector<std::string>& sources) {
    constexpr std::size_t cell = 30, left = 130, top = 110;
    std::string svg =
        fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" "
                    "font-family=\"sans-serif\" font-size=\"14\">\n"
                    "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
                    left + sources.size() * cell + 60, top + targets.size() * cell + 20);
    for (std::size_t s = 0; s < sources.size(); ++s)
        svg += fmt::format("<text transform=\"translate({} {}) rotate(-50)\">{}</text>\n",
                           left + s * cell + 18, top - 8, unroll::escape_xml(sources[s]));
    for (std::size_t t = 0; t < targets.size(); ++t) {
        svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", left - 10,
                           top + t * cell + 20, unroll::escape_xml(targets[t]));
        for (std::size_t s = 0; s < sources.size(); ++s)
            svg += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" "
                               "fill=\"#1f6fb4\" fill-opacity=\"{:.3f}\" stroke=\"#cccccc\"/>\n",
                               left + s * cell, top + t * cell, cell, cell, weights(t, s));
    }
    return svg + "</svg>\n";
}

} // namespace translate
