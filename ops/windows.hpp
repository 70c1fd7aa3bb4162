#pragma once

#include <unroll/core/base/error.hpp>

#include <concepts>
#include <cstddef>

namespace unroll {

// Height and width; a single number sets both.
struct HeightWidth {
    std::size_t height, width;

    constexpr HeightWidth(std::size_t both) : height(both), width(both) {}
    constexpr HeightWidth(std::size_t height, std::size_t width) : height(height), width(width) {}
    HeightWidth(std::floating_point auto) = delete; // whole numbers only
    HeightWidth(std::floating_point auto, auto) = delete;
    HeightWidth(auto, std::floating_point auto) = delete;
};

namespace detail {

// The largest kernel, stride, padding, factor or size: small enough that sums cannot overflow.
inline constexpr std::size_t most_pixels = 1'000'000;

// Geometry of windows over a padded image; their number is
//   out = floor((image + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.
struct Windows {
    HeightWidth image, kernel, stride, padding, dilation;
    HeightWidth out = 0;

    // Throws Error for a kernel, stride or dilation of 0, for a kernel larger than the padded
    // image, and for values above a million.
    Windows(const Op& op, HeightWidth image, HeightWidth kernel, HeightWidth stride,
            HeightWidth padding, HeightWidth dilation);

    // `out` windows over the result of a transposed convolution:
    //   image = stride (out - 1) + dilation (kernel - 1) + 1 + output_padding - 2 padding.
    // Throws Error as above, for out = 0, for an output padding that is not less than the stride,
    // and for an image without elements.
    static Windows transposed(const Op& op, HeightWidth out, HeightWidth kernel, HeightWidth stride,
                              HeightWidth padding, HeightWidth output_padding,
                              HeightWidth dilation);
};

} // namespace detail

} // namespace unroll
