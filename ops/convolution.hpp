#pragma once

#include <unroll/ops/operand.hpp>
#include <unroll/ops/windows.hpp>

namespace unroll {

struct ConvolutionOptions {
    HeightWidth stride = 1, padding = 0, dilation = 1; // sequences use the width only
    std::size_t groups = 1; // each convolves its own equal part of the channels
};

// Convolution (cross-correlation) of images, like PyTorch's conv2d, or of sequences, like conv1d: x
// [batch, in, height, width], weight [out, in / groups, kernel height, kernel width], bias [out] ->
// [batch, out, height', width'], where height' = (height + 2 padding - dilation (kernel - 1) - 1) /
// stride + 1, rounded down; sequences have no heights. Throws Error if shapes do not match.
template <class T>
Variable<T> convolution(const Variable<T>& x, const std::type_identity_t<Variable<T>>& weight,
                        const std::type_identity_t<Variable<T>>& bias,
                        const ConvolutionOptions& options = {}, Op op = "convolution");
template <class T>
Variable<T> convolution(const Variable<T>& x, const std::type_identity_t<Variable<T>>& weight,
                        const ConvolutionOptions& options = {}, Op op = "convolution");

struct TransposedConvolutionOptions {
    HeightWidth stride = 1, padding = 0; // sequences use the width only
    HeightWidth output_padding = 0;      // added after the last element; less than the stride
    HeightWidth dilation = 1;
    std::size_t groups = 1; // each has its own equal part of the channels
};

// The adjoint of a convolution, plus a bias, like PyTorch's conv_transpose2d and conv_transpose1d:
// each element of x [batch, in, height, width] adds a multiple of the kernel to the result. weight
// [in, out / groups, kernel height, kernel width], bias [out] -> [batch, out, height', width'],
// where height' = stride (height - 1) + dilation (kernel - 1) + 1 + output_padding - 2 padding;
// sequences have no heights. Throws Error if shapes do not match.
template <class T>
Variable<T> transposed_convolution(const Variable<T>& x,
                                   const std::type_identity_t<Variable<T>>& weight,
                                   const std::type_identity_t<Variable<T>>& bias,
                                   const TransposedConvolutionOptions& options = {},
                                   Op op = "transposed_convolution");
template <class T>
Variable<T> transposed_convolution(const Variable<T>& x,
                                   const std::type_identity_t<Variable<T>>& weight,
                                   const TransposedConvolutionOptions& options = {},
                                   Op op = "transposed_convolution");

// The same for tensors.
template <TensorOperand X>
auto transposed_convolution(const X& x, const Variable<scalar_t<X>>& weight,
                            const Variable<scalar_t<X>>& bias,
                            const TransposedConvolutionOptions& options = {},
                            Op op = "transposed_convolution") {
    return transposed_convolution(detail::variable(x), weight, bias, options, op);
}
template <TensorOperand X>
auto transposed_convolution(const X& x, const Variable<scalar_t<X>>& weight,
                            const TransposedConvolutionOptions& options = {},
                            Op op = "transposed_convolution") {
    return transposed_convolution(detail::variable(x), weight, options, op);
}
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
