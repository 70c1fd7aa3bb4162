#pragma once

#include <unroll/ops/operand.hpp>
#include <unroll/ops/windows.hpp>

#include <optional>

namespace unroll {

enum class Interpolation { nearest, linear };

struct UpsampleOptions {
    HeightWidth factor = 2;               // sequences use the width only
    std::optional<HeightWidth> size = {}; // of the result; default: `factor` times that of x
    Interpolation mode = Interpolation::nearest;
};

// Images [batch, channels, height, width] or sequences [batch, channels, width] in another size,
// like PyTorch's interpolate. Element i of n along an axis of extent m is element i m / n of x,
// rounded down (nearest), or interpolated at position (i + 1/2) m / n - 1/2, clamped to the ends
// (linear; bilinear for images, with align_corners=False). Throws Error for another rank, for an x
// without elements along these axes, and for a factor or size of 0 or above a million.
template <class T>
Variable<T> upsample(const Variable<T>& x, const UpsampleOptions& options = {}, Op op = "upsample");

// The same for tensors.
auto upsample(const TensorOperand auto& x, const UpsampleOptions& options = {},
              Op op = "upsample") {
    return upsample(detail::variable(x), options, op);
}

} // namespace unroll
