#pragma once

#include <unroll/ops/operand.hpp>
#include <unroll/ops/windows.hpp>

namespace unroll {

struct ConvolutionOptions {
    HeightWidth stride = 1, padding = 0, dilation = 1; // of sequences, the width counts
    std::size_t groups = 1; // each sees its own equal share of the channels
};

// Slides a kernel over pictures, as PyTorch's conv2d (a correlation), or over sequences, as conv1d:
// x [batch, in, height, width], weight [out, in / groups, kernel height, kernel width], bias [out]
// -> [batch, out, height', width'], where height' = (height + 2 padding - dilation (kernel - 1) -
// 1) / stride + 1, rounded down; without the heights for sequences. Throws Error where they do not
// fit.
template <class T>
Variable<T> convolution(const Variable<T>& x, const std::type_identity_t<Variable<T>>& weight,
                        const std::type_identity_t<Variable<T>>& bias,
                        const ConvolutionOptions& options = {}, Op op = "convolution");
template <class T>
Variable<T> convolution(const Variable<T>& x, const std::type_identity_t<Variable<T>>& weight,
                        const ConvolutionOptions& options = {}, Op op = "convolution");

// The same for tensors.
template <TensorOperand X>
auto convolution(const X& x, const Variable<scalar_t<X>>& weight, const Variable<scalar_t<X>>& bias,
                 const ConvolutionOptions& options = {}, Op op = "convolution") {
    return convolution(detail::variable(x), weight, bias, options, op);
}
template <TensorOperand X>
auto convolution(const X& x, const Variable<scalar_t<X>>& weight,
                 const ConvolutionOptions& options = {}, Op op = "convolution") {
    return convolution(detail::variable(x), weight, options, op);
}

} // namespace unroll
