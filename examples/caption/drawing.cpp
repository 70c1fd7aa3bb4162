#include "data.hpp"

#include <unroll/core/check/svg.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace caption {

std::vector<Image> synthetic_images() {
    struct Colour {
        const char* name;
        std::uint8_t rgb[colours];
    };
    constexpr Colour paints[] = {{"red", {200, 30, 30}},
                                 {"green", {30, 160, 50}},
                                 {"blue", {30, 60, 200}},
                                 {"yellow", {220, 200, 40}},
                                 {"black", {20, 20, 20}}};
    const auto inside = [](const std::string& shape, int x, int y, int r) {
        if (shape == "circle") return x * x + y * y <= r * r;
        if (shape == "cross") return std::min(std::abs(x), std::abs(y)) <= r / 3;
        if (shape == "triangle") return 2 * std::abs(x) <= y + r;
        return true; // a square
    };
    std::vector<Image> images;
    Random random(5);
    for (const auto& paint : paints)
        for (const char* shape : {"circle", "square", "triangle", "cross"})
            for (const auto& [size, radius] : {std::pair("small", 4), std::pair("large", 7)})
                for (const auto& [place, left, top] :
                     {std::tuple("above", 16, 9), std::tuple("below", 16, 23),
                      std::tuple("left", 9, 16), std::tuple("right", 23, 16)})
                    for (int variant = 0; variant < 4; ++variant) {
                        Image image{std::vector<std::uint8_t>(side * side * colours),
                                    {"a", size, paint.name, shape, place},
                                    ""};
                        for (const auto& word : image.caption) image.base += word + " ";
                        const int dx = left + static_cast<int>(random.below(3)) - 1;
                        const int dy = top + static_cast<int>(random.below(3)) - 1;
                        for (std::size_t i = 0; i < side * side; ++i) {
                            const int x = static_cast<int>(i % side) - dx;
                            const int y = static_cast<int>(i / side) - dy;
                            const bool painted = std::max(std::abs(x), std::abs(y)) <= radius &&
                                                 inside(shape, x, y, radius);
                            for (std::size_t c = 0; c < colours; ++c)
                                image.pixels[i * colours + c] = static_cast<std::uint8_t>(
                                    (painted ? paint.rgb[c] : 225) + random.below(30));
                        }
                        images.push_back(std::move(image));
                    }
    return images;
}

std::string attention_svg(const Image& image, const nn::Tokens& words,
                          const Tensor<float>& weights) {
    constexpr double gap = 10, across = 5.0 * side, below = 24;
    const auto cells = static_cast<std::size_t>(std::lround(std::sqrt(weights.shape(1))));
    const double cell = across / static_cast<double>(cells);
    const auto left = [](std::size_t w) { return gap + static_cast<double>(w) * (across + gap); };
    unroll::Svg svg(left(words.size() + 1), across + 2 * gap + below);
    for (std::size_t w = 0; w <= words.size(); ++w) {
        svg.pixels(left(w), gap, across, across, side, image.pixels);
        if (w == 0) continue;
        float most = 1e-9f;
        for (std::size_t s = 0; s < weights.shape(1); ++s) most = std::max(most, weights(w - 1, s));
        // Regions of low attention are dark.
        for (std::size_t s = 0; s < weights.shape(1); ++s)
            svg.rectangle(left(w) + cell * static_cast<double>(s % cells),
                          gap + cell * static_cast<double>(s / cells), cell, cell,
                          {.fill = "black",
                           .opacity = 0.85 * static_cast<double>(1 - weights(w - 1, s) / most)});
        svg.text(left(w) + across / 2, gap + across + below - 6, words[w - 1],
                 {.anchor = "middle", .size = 15});
    }
    return svg.str();
}

} // namespace caption
