#include "digits.hpp"

namespace example {

using namespace unroll;

namespace {

// Synthetic seven-segment digits at random positions, with noise.
Digits synthetic_digits(std::size_t n, Random random) {
    // Top, upper left, upper right, middle, lower left, lower right, bottom.
    constexpr const char* bars[] = {"1110111", "0010010", "1011101", "1011011", "0111010",
                                    "1101011", "1101111", "1010010", "1111111", "1111011"};
    constexpr std::size_t box[7][4] = {{0, 0, 2, 10},  {0, 0, 9, 2},  {0, 8, 9, 10},
                                       {8, 0, 10, 10}, {9, 0, 18, 2}, {9, 8, 18, 10},
                                       {16, 0, 18, 10}};
    Digits digits{std::vector<std::uint8_t>(n * digit_side * digit_side), {}};
    for (std::size_t i = 0; i < n; ++i) {
        const std::size_t digit = random.below(10), down = 3 + random.below(4),
                          right = 7 + random.below(4);
        digits.labels.push_back(static_cast<std::int64_t>(digit));
        std::uint8_t* const image = &digits.pixels[i * digit_side * digit_side];
        for (std::size_t bar = 0; bar < 7; ++bar)
            for (std::size_t y = box[bar][0]; bars[digit][bar] == '1' && y < box[bar][2]; ++y)
                for (std::size_t x = box[bar][1]; x < box[bar][3]; ++x)
                    image[(y + down) * digit_side + x + right] =
                        static_cast<std::uint8_t>(155 + random.below(100));
    }
    return digits;
}

} // namespace

std::string drawn(const Digits& digits, std::size_t i) {
    std::string text;
    for (std::size_t p = 0; p < digit_side * digit_side; ++p) {
        text += " .:-=+*#%@"[digits.image(i)[p] * 9 / 255];
        if (p % digit_side == digit_side - 1) text += '\n';
    }
    return text;
}

Digits digits_of(const std::string& folder, bool training) {
    if (folder.empty()) return synthetic_digits(training ? 2000 : 500, Random(7).split(training));
    return read_mnist(folder, training ? "train" : "t10k");
}

} // namespace example
