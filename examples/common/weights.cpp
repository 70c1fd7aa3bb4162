#include "weights.hpp"

#include "svg.hpp"

namespace example {

std::string weights_svg(const unroll::Tensor<float>& weights, const std::vector<std::string>& down,
                        const std::vector<std::string>& across) {
    constexpr int cell = 30, left = 130, top = 110;
    const auto at = [](std::size_t i) { return static_cast<int>(i) * cell; };
    std::string svg = format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                             "font-family=\"sans-serif\" font-size=\"14\">\n"
                             "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
                             left + at(across.size()) + 60, top + at(down.size()) + 20);
    for (std::size_t s = 0; s < across.size(); ++s)
        svg += format("<text transform=\"translate(%d %d) rotate(-50)\">", left + at(s) + 18,
                      top - 8) +
               escaped(across[s]) + "</text>\n";
    for (std::size_t t = 0; t < down.size(); ++t) {
        svg += format("<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", left - 10, top + at(t) + 20) +
               escaped(down[t]) + "</text>\n";
        for (std::size_t s = 0; s < across.size(); ++s)
            svg +=
                format("<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"#1f6fb4\" "
                       "fill-opacity=\"%.3f\" stroke=\"#cccccc\"/>\n",
                       left + at(s), top + at(t), cell, cell, static_cast<double>(weights(t, s)));
    }
    return svg + "</svg>\n";
}

} // namespace example
