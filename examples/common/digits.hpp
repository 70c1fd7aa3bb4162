#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <unroll/core/random.hpp>

namespace example {

constexpr std::size_t digit_side = 28;

// Pictures of digits, and which they are.
struct Digits {
    std::vector<std::uint8_t> pixels; // [n, digit_side, digit_side]
    std::vector<std::int64_t> labels;

    std::size_t size() const { return labels.size(); }
    const std::uint8_t* image(std::size_t i) const { return &pixels[i * digit_side * digit_side]; }
};

// The digits to learn, or those to test, of a folder with the four idx files of MNIST, compressed
// by gzip or not; for no folder, some that are drawn. Throws unroll::Error for files that are not
// what they should be.
Digits digits_of(const std::string& folder, bool learned);
// Digits of seven bars, as on a calculator, somewhere in the image and with noise.
Digits drawn_digits(std::size_t n, unroll::Random random);

} // namespace example
