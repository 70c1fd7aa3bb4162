#pragma once

#include <unroll/ops/operand.hpp>

#include <span>

namespace unroll::nn {

// x [T, B, ...] with zeros after the end of each sequence, whatever x holds there, NaN included; no
// gradient flows back from there. Layers then multiply by zeros, not by padding, since 0 * NaN
// would reach the gradients of weights. x itself if no lengths are given or all are T. Throws
// Error if lengths do not match.
template <class T>
Variable<T> without_padding(const Variable<T>& x, std::span<const std::size_t> lengths,
                            Op op = "without_padding");

// The same for tensors.
auto without_padding(const TensorOperand auto& x, std::span<const std::size_t> lengths,
                     Op op = "without_padding") {
    return without_padding(unroll::detail::variable(x), lengths, op);
}

namespace detail {

// y, for whose operation pictures show the lengths, as operand `input` if given.
template <class T>
Variable<T> with_lengths(Variable<T> y, std::span<const std::size_t> lengths,
                         const Composite* own = nullptr,
                         std::uint32_t input = ConstantUse::not_an_input);

} // namespace detail

} // namespace unroll::nn
