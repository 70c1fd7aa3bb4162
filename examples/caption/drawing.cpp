#include "data.hpp"

#include <unroll/core/check/chart.hpp>

#include <algorithm>

#include <cmath>

#include <fmt/format.h>

namespace caption {

std::vector<Picture> drawn_pictures() {
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
    std::vector<Picture> pictures;
    Random random(5);
    for (const auto& paint : paints)
        for (const char* shape : {"circle", "square", "triangle", "cross"})
            for (const auto& [size, radius] : {std::pair("small", 4), std::pair("large", 7)})
                for (const auto& [place, left, top] :
                     {std::tuple("above", 16, 9), std::tuple("below", 16, 23),
                      std::tuple("left", 9, 16), std::tuple("right", 23, 16)})
                    for (int variant = 0; variant < 4; ++variant) {
                        Picture picture{std::vector<std::uint8_t>(side * side * colours),
                                        {"a", size, paint.name, shape, place},
                                        ""};
                        for (const auto& word : picture.caption) picture.base += word + " ";
                        const int dx = left + static_cast<int>(random.below(3)) - 1;
                        const int dy = top + static_cast<int>(random.below(3)) - 1;
                        for (std::size_t i = 0; i < side * side; ++i) {
                            const int x = static_cast<int>(i % side) - dx;
                            const int y = static_cast<int>(i / side) - dy;
                            const bool painted = std::max(std::abs(x), std::abs(y)) <= radius &&
                                                 inside(shape, x, y, radius);
                            for (std::size_t c = 0; c < colours; ++c)
                                picture.pixels[i * colours + c] = static_cast<std::uint8_t>(
                                    (painted ? paint.rgb[c] : 225) + random.below(30));
                        }
                        pictures.push_back(std::move(picture));
                    }
    return pictures;
}

std::string looked_svg(const Picture& picture, const nn::Tokens& words,
                       const Tensor<float>& weights) {
    constexpr std::size_t pixel = 5, gap = 10, across = side * pixel, below = 24;
    const auto cells = static_cast<std::size_t>(std::lround(std::sqrt(weights.shape(1))));
    const std::size_t cell = across / cells, width = (words.size() + 1) * (across + gap) + gap;
    std::string svg = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" "
                                  "xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{}\" "
                                  "height=\"{}\" font-family=\"sans-serif\" font-size=\"15\">\n"
                                  "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
                                  "<defs><g id=\"picture\" shape-rendering=\"crispEdges\">\n",
                                  width, across + 2 * gap + below);
    for (std::size_t i = 0; i < side * side; ++i) {
        const std::uint8_t* const p = &picture.pixels[i * colours];
        svg += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" "
                           "fill=\"#{:02x}{:02x}{:02x}\"/>\n",
                           i % side * pixel, i / side * pixel, pixel, pixel, p[0], p[1], p[2]);
    }
    svg += "</g></defs>\n";
    for (std::size_t w = 0; w <= words.size(); ++w) {
        svg += fmt::format("<g transform=\"translate({} {})\">\n<use xlink:href=\"#picture\"/>\n",
                           gap + w * (across + gap), gap);
        float most = 1e-9f;
        for (std::size_t s = 0; w > 0 && s < weights.shape(1); ++s)
            most = std::max(most, weights(w - 1, s));
        for (std::size_t s = 0; w > 0 && s < weights.shape(1); ++s)
            svg += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" "
                               "fill=\"black\" fill-opacity=\"{:.2f}\"/>\n",
                               s % cells * cell, s / cells * cell, cell, cell,
                               0.85 * static_cast<double>(1 - weights(w - 1, s) / most));
        svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">", across / 2,
                           across + below - 6) +
               (w == 0 ? "" : unroll::escape_xml(words[w - 1])) + "</text>\n</g>\n";
    }
    return svg + "</svg>\n";
}

} // namespace caption
