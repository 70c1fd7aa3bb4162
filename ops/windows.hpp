#pragma once

#include <unroll/core/base/error.hpp>

#include <cstddef>

namespace unroll {

// Height and width; a single number sets both.
struct HeightWidth {
    std::size_t height, width;

    constexpr HeightWidth(std::size_t both) : height(both), width(both) {}
    constexpr HeightWidth(std::size_t height, std::size_t width) : height(height), width(width) {}
};

namespace detail {

// Geometry of windows over a padded image; their number is
//   out = floor((image + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.
struct Windows {
    HeightWidth image, kernel, stride, padding, dilation;
    HeightWidth out = 0;

    // Throws Error for a kernel, stride or dilation of 0, for a kernel larger than the padded
    // image, and for values above a million.
    Windows(const Op& op, HeightWidth image, HeightWidth kernel, HeightWidth stride,
            HeightWidth padding, HeightWidth dilation);
};

} // namespace detail

} // namespace unroll
