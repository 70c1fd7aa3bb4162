#pragma once

#include <unroll/unroll.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace example {

constexpr std::size_t digit_side = 28;

// Pictures of digits, and which they are.
struct Digits {
    std::vector<std::uint8_t> pixels; // [n, digit_side, digit_side]
    std::vector<std::int64_t> labels;

    std::size_t size() const { return labels.size(); }
    const std::uint8_t* image(std::size_t i) const { return &pixels[i * digit_side * digit_side]; }
};

// Some side by side, row by row as they are read: [digit_side, B, digit_side] from 0 to 1. Each is
// moved by as much as `random` says, up to `shift` pixels.
template <class T>
unroll::Tensor<T> rows_of(const Digits& digits, std::span<const std::size_t> which,
                          std::size_t shift, unroll::Random& random) {
    const std::size_t width = which.size();
    auto x = unroll::Tensor<T>::zeros({digit_side, width, digit_side});
    for (std::size_t b = 0; b < width; ++b) {
        const std::size_t down = random.below(2 * shift + 1), right = random.below(2 * shift + 1);
        for (std::size_t i = 0; i < digit_side * digit_side; ++i) {
            const std::size_t row = i / digit_side + down - shift,
                              column = i % digit_side + right - shift;
            if (row < digit_side && column < digit_side)
                x(row, b, column) = static_cast<T>(digits.image(which[b])[i]) / T(255);
        }
    }
    return x;
}

// In characters, a line for each row.
std::string drawn(const Digits& digits, std::size_t i);

// The digits to learn, or those to test, of a folder with the four idx files of MNIST, compressed
// by gzip or not; for no folder, some that are drawn. Throws unroll::Error for files that are not
// what they should be.
Digits digits_of(const std::string& folder, bool learned);
// Digits of seven bars, as on a calculator, somewhere in the image and with noise.
Digits drawn_digits(std::size_t n, unroll::Random random);

} // namespace example
