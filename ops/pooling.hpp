#pragma once

#include <unroll/ops/operand.hpp>
#include <unroll/ops/windows.hpp>

#include <optional>

namespace unroll {

struct PoolingOptions {
    HeightWidth kernel;                     // sequences use the width only
    std::optional<HeightWidth> stride = {}; // default: the kernel size
    HeightWidth padding = 0;                // at most half the kernel
};

// Pooling over windows of images [batch, channels, height, width] or sequences [batch, channels,
// width] -> [batch, channels, height', width'], with the extents of a convolution. Throw Error if
// shapes do not match.

// The largest element; on ties the gradient goes to the first. Padding is never selected.
template <class T>
Variable<T> max_pool(const Variable<T>& x, const PoolingOptions& options, Op op = "max_pool");
// The mean; padding counts as zeros.
template <class T>
Variable<T> average_pool(const Variable<T>& x, const PoolingOptions& options,
                         Op op = "average_pool");

// The same in `size` windows: window i of n along an axis of extent m is [i m / n, (i + 1) m / n),
// its begin rounded down and its end rounded up, as in PyTorch. Sequences use the width only. Throw
// Error for another rank, an x without elements along these axes, and a size of 0 or above a
// million.
template <class T>
Variable<T> adaptive_max_pool(const Variable<T>& x, HeightWidth size, Op op = "adaptive_max_pool");
template <class T>
Variable<T> adaptive_average_pool(const Variable<T>& x, HeightWidth size,
                                  Op op = "adaptive_average_pool");

// The same for tensors.
auto adaptive_max_pool(const TensorOperand auto& x, HeightWidth size, Op op = "adaptive_max_pool") {
    return adaptive_max_pool(detail::variable(x), size, op);
}
auto adaptive_average_pool(const TensorOperand auto& x, HeightWidth size,
                           Op op = "adaptive_average_pool") {
    return adaptive_average_pool(detail::variable(x), size, op);
}
auto max_pool(const TensorOperand auto& x, const PoolingOptions& options, Op op = "max_pool") {
    return max_pool(detail::variable(x), options, op);
}
auto average_pool(const TensorOperand auto& x, const PoolingOptions& options,
                  Op op = "average_pool") {
    return average_pool(detail::variable(x), options, op);
}

} // namespace unroll
