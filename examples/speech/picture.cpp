#include "picture.hpp"

#include <unroll/core/check/svg.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace speech {

using unroll::Tensor;

namespace {

// A mixture of white and a colour.
void append_mixed(std::vector<std::uint8_t>& rgb, const int (&colour)[3], double share) {
    const double s = std::clamp(share, 0.0, 1.0);
    for (const int c : colour) rgb.push_back(static_cast<std::uint8_t>(255 + (c - 255) * s));
}

constexpr int dark[] = {0x20, 0x30, 0x4f}, red[] = {0xd1, 0x49, 0x5b};

} // namespace

std::string picture(const Tensor<float>& energies, const FilterbankOptions& filterbank,
                    const std::vector<std::string>& symbols, const Tensor<float>& weights,
                    std::size_t factor) {
    constexpr double left = 70, top = 14, row = 4, line = 18, gap = 14;
    const std::size_t frames = energies.shape(0), filters = energies.shape(1);
    const double cell = std::clamp(900.0 / static_cast<double>(frames), 2.0, 12.0);
    const double across = cell * static_cast<double>(frames);
    const double high = row * static_cast<double>(filters);
    const double below = top + high + gap;
    const double bottom = below + line * static_cast<double>(symbols.size());
    unroll::Svg svg(left + across + 20, bottom + 40);

    const auto values = energies.to_vector();
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    const float range = std::max(*most - *least, 1e-6f);
    std::vector<std::uint8_t> rgb;
    for (std::size_t f = filters; f-- > 0;)
        for (std::size_t t = 0; t < frames; ++t)
            append_mixed(rgb, dark,
                         static_cast<double>((values[t * filters + f] - *least) / range));
    svg.pixels(left, top, across, high, frames, rgb);
    // Filter f is centred at step f + 1 of filters + 1 on the mel scale.
    const double lowest = mel(filterbank.lowest),
                 highest = mel(static_cast<double>(filterbank.sample_rate) / 2);
    for (const double kilohertz : {0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0}) {
        const double at = (mel(1000 * kilohertz) - lowest) / (highest - lowest) *
                              static_cast<double>(filters + 1) -
                          0.5;
        if (at < 0 || at > static_cast<double>(filters)) continue;
        const double y = top + high - row * at;
        svg.path(fmt::format("M{:.1f} {:.1f}h5", left - 6, y), {.stroke = "#888888"});
        svg.text(left - 9, y + 4, fmt::format("{:g} kHz", kilohertz), {.anchor = "end"});
    }

    for (std::size_t i = 0; i < symbols.size(); ++i) {
        const double y = below + line * static_cast<double>(i);
        svg.text(left - 8, y + 13, symbols[i] == " " ? "(space)" : symbols[i], {.anchor = "end"});
        rgb.clear();
        for (std::size_t t = 0; t < frames; ++t) {
            const std::size_t s = t / factor;
            append_mixed(rgb, red, s < weights.shape(1) ? static_cast<double>(weights(i, s)) : 0.0);
        }
        svg.pixels(left, y, across, line - 2, frames, rgb);
    }
    svg.path(fmt::format("M{:.1f} {:.1f}h{:.1f}", left, bottom + 2, across), {.stroke = "#888888"});
    const double seconds = static_cast<double>(frames) * filterbank.step;
    double every = 0.1;
    for (const double nice : {0.2, 0.5, 1.0, 2.0, 5.0, 10.0})
        if (every / seconds * across < 60) every = nice;
    for (int i = 0; i * every <= seconds; ++i) {
        const double x = left + i * every / filterbank.step * cell;
        svg.path(fmt::format("M{:.1f} {:.1f}v5", x, bottom + 2), {.stroke = "#888888"});
        svg.text(x, bottom + 20, fmt::format("{:.1f} s", i * every), {.anchor = "middle"});
    }
    return svg.str();
}

} // namespace speech
