#pragma once

#include <unroll/core/autograd/variable.hpp>
#include <unroll/ops/order/linear_scan.hpp>

namespace unroll::nn {

namespace detail {

// The steps before a step, in the order of a scan: after it, if the scan runs backwards. Those
// before the first one are given: `before` [B, k n], the oldest first. After the end of a sequence
// windows are not meaningful.

// x [T, B, n] -> [T, B, k + 1, n]: each step after the k steps before it.
template <class T>
Variable<T> windows(const Variable<T>& x, const Variable<T>& before, std::size_t k,
                    const LinearScanOptions& options);
// [B, k n]: the last k steps of each sequence, which are the `before` of its continuation.
template <class T>
Variable<T> last_steps(const Variable<T>& x, const Variable<T>& before, std::size_t k,
                       const LinearScanOptions& options);

} // namespace detail

} // namespace unroll::nn
