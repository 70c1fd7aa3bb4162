#include "picture.hpp"

#include <unroll/core/check/chart.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace speech {

using unroll::Tensor;

namespace {

// Cells of a picture in shades of one colour: a path for each shade.
class Shades {
public:
    Shades(double width, double height) : width_(width), height_(height), paths_(levels) {}

    void add(double x, double y, double share) {
        const auto level = static_cast<int>(share * (levels - 1) + 0.5);
        if (level > 0)
            paths_[static_cast<std::size_t>(std::min(level, levels - 1))] +=
                fmt::format("M{:.1f} {:.1f}h{:.1f}", x, y + height_ / 2, width_);
    }
    std::string svg(const char* colour) const {
        std::string all;
        for (int level = 1; level < levels; ++level) {
            const auto& path = paths_[static_cast<std::size_t>(level)];
            if (path.empty()) continue;
            all += fmt::format(
                       "<path stroke=\"{}\" stroke-width=\"{:.2f}\" stroke-opacity=\"{:.3f}\" d=\"",
                       colour, height_ + 0.2, static_cast<double>(level) / (levels - 1)) +
                   path + "\"/>\n";
        }
        return all;
    }

private:
    static constexpr int levels = 24;
    double width_, height_;
    std::vector<std::string> paths_;
};

std::string text_at(double x, double y, const char* anchor, const std::string& what) {
    return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">", x, y, anchor) + what +
           "</text>\n";
}

} // namespace

std::string picture(const Tensor<float>& energies, double seconds_a_frame,
                    const std::vector<std::string>& symbols, const Tensor<float>& weights,
                    std::size_t factor) {
    constexpr double left = 70, top = 14, row = 4, line = 18, gap = 12;
    const std::size_t frames = energies.shape(0), filters = energies.shape(1);
    const double cell = std::clamp(900.0 / static_cast<double>(frames), 2.0, 12.0);
    const double across = cell * static_cast<double>(frames);
    const double below = top + row * static_cast<double>(filters) + gap;
    const double bottom = below + line * static_cast<double>(symbols.size());
    std::string svg = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0f}\" "
                                  "height=\"{:.0f}\" font-family=\"sans-serif\" font-size=\"12\">\n"
                                  "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
                                  left + across + 20, bottom + 40);

    const auto values = energies.to_vector();
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    const float range = std::max(*high - *low, 1e-6f);
    Shades spectrogram(cell, row), heard(cell * static_cast<double>(factor), line - 2);
    for (std::size_t t = 0; t < frames; ++t)
        for (std::size_t f = 0; f < filters; ++f)
            spectrogram.add(left + cell * static_cast<double>(t),
                            top + row * static_cast<double>(filters - 1 - f),
                            static_cast<double>((values[t * filters + f] - *low) / range));
    for (std::size_t i = 0; i < symbols.size(); ++i) {
        const double y = below + line * static_cast<double>(i);
        svg += text_at(left - 8, y + 12, "end", symbols[i] == " " ? "(space)" : symbols[i]);
        for (std::size_t s = 0; s < weights.shape(1) && s * factor < frames; ++s)
            heard.add(left + cell * static_cast<double>(s * factor), y,
                      static_cast<double>(weights(i, s)));
    }
    svg += spectrogram.svg("#20304f") + heard.svg("#d1495b");
    svg += text_at(left - 8, top + 10, "end", "mel");
    for (double t = 0; t <= static_cast<double>(frames) * seconds_a_frame; t += 0.2) {
        const double x = left + t / seconds_a_frame * cell;
        svg += fmt::format("<path d=\"M{:.1f} {:.1f}v5\" stroke=\"#888888\"/>\n", x, bottom + 2) +
               text_at(x, bottom + 20, "middle", fmt::format("{:.1f} s", t));
    }
    return svg + "</svg>\n";
}

} // namespace speech
