#pragma once

#include <unroll/nn/module.hpp>
#include <unroll/ops/convolution.hpp>

namespace unroll::nn {

struct ConvolutionLayerOptions {
    std::size_t input = 0, output = 0; // channels
    HeightWidth kernel = 3, stride = 1, padding = 0, dilation = 1;
    std::size_t groups = 1;
    std::size_t axes = 2; // 1: sequences, which use the widths only
    bool bias = true;
};

// Images [batch, input, height, width] -> [batch, output, height', width'], or sequences without
// heights; see unroll::convolution. Initialised uniformly within 1 / sqrt(fan-in).
template <class T = float>
class Convolution {
public:
    using value_type = T;
    explicit Convolution(const ConvolutionLayerOptions& options, Where where = Where::current());
    Variable<T> operator()(const Variable<T>& x, Where caller = Where::current()) const;
    void members(Members<T>& m);

    ConvolutionLayerOptions options;
    Parameter<T> weight; // [output, input / groups, kernel height, kernel width], or without height
    Parameter<T> bias;   // [output], or empty
    ModuleName module_name{"Convolution"};
};

struct TransposedConvolutionLayerOptions {
    std::size_t input = 0, output = 0; // channels
    HeightWidth kernel = 3, stride = 1, padding = 0, output_padding = 0, dilation = 1;
    std::size_t groups = 1;
    std::size_t axes = 2; // 1: sequences, which use the widths only
    bool bias = true;
};

// Images [batch, input, height, width] -> [batch, output, height', width'], or sequences without
// heights; see unroll::transposed_convolution. Initialised as in PyTorch, uniformly within
// 1 / sqrt(output / groups * elements of the kernel).
template <class T = float>
class TransposedConvolution {
public:
    using value_type = T;
    explicit TransposedConvolution(const TransposedConvolutionLayerOptions& options,
                                   Where where = Where::current());
    Variable<T> operator()(const Variable<T>& x, Where caller = Where::current()) const;
    void members(Members<T>& m);

    TransposedConvolutionLayerOptions options;
    Parameter<T> weight; // [input, output / groups, kernel height, kernel width], or without height
    Parameter<T> bias;   // [output], or empty
    ModuleName module_name{"TransposedConvolution"};
};

struct BatchNormOptions {
    std::size_t channels = 0;
    double epsilon = 1e-5;
    double momentum = 0.1; // weight of a new batch in the running statistics
};

// Batch normalisation of x [batch, channels, ...]: with the mean and variance of the batch in
// training, that is while the tape of x records and is not in evaluation mode, otherwise with the
// running statistics. These follow the training batches; if a batch is trained in shards, only the
// first shard updates them. Throws Error for training on a single value per channel, which has no
// variance.
template <class T = float>
class BatchNorm {
public:
    using value_type = T;
    explicit BatchNorm(const BatchNormOptions& options, Where where = Where::current());
    Variable<T> operator()(const Variable<T>& x, Where caller = Where::current()) const;
    void members(Members<T>& m);

    BatchNormOptions options;
    Parameter<T> weight, bias; // [channels], from 1 and 0
    // Not learned, but saved with the weights; the variance is that of n - 1 degrees of freedom.
    mutable Parameter<T> running_mean, running_var; // [channels], from 0 and 1
    ModuleName module_name{"BatchNorm"};

private:
    void follow(const Tensor<T>& mean, const Tensor<T>& variance, std::size_t count) const;
};

} // namespace unroll::nn
