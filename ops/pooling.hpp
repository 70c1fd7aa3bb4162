#pragma once

#include <unroll/ops/operand.hpp>
#include <unroll/ops/windows.hpp>

#include <optional>

namespace unroll {

struct PoolingOptions {
    HeightWidth kernel;                     // of sequences, the width counts
    std::optional<HeightWidth> stride = {}; // as the kernel, unless given
    HeightWidth padding = 0;                // at most half of the kernel
};

// What windows on pictures [batch, channels, height, width], or on sequences [batch, channels,
// width], hold: [batch, channels, height', width'], with the extents of a convolution. Throw Error
// where they do not fit.

// The largest element; the gradient goes to the first of equals. Padding is never chosen.
template <class T>
Variable<T> max_pool(const Variable<T>& x, const PoolingOptions& options, Op op = "max_pool");
// The mean, in which padding counts as zeros.
template <class T>
Variable<T> average_pool(const Variable<T>& x, const PoolingOptions& options,
                         Op op = "average_pool");

// The same for tensors.
auto max_pool(const TensorOperand auto& x, const PoolingOptions& options, Op op = "max_pool") {
    return max_pool(detail::variable(x), options, op);
}
auto average_pool(const TensorOperand auto& x, const PoolingOptions& options,
                  Op op = "average_pool") {
    return average_pool(detail::variable(x), options, op);
}

} // namespace unroll
