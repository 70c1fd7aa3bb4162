#pragma once

#include <unroll/unroll.hpp>

#include <span>
#include <string>

namespace example {

using Digits = unroll::Mnist;
constexpr std::size_t digit_side = Digits::side;

// The images `which` as sequences of rows: [digit_side, B, digit_side] in [0, 1]. Each is randomly
// translated by up to `shift` pixels.
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

// The image as text, one line per row.
std::string drawn(const Digits& digits, std::size_t i);

// The training or test set of a folder with the four idx files of MNIST, gzipped or not; without a
// folder, synthetic seven-segment digits. Throws unroll::Error for malformed files.
Digits digits_of(const std::string& folder, bool training);

} // namespace example
