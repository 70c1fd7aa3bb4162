#pragma once

#include <unroll/unroll.hpp>

namespace example {

// 3x3 convolutions, one per stride, each followed by batch normalisation and SiLU. The number of
// channels doubles from layer to layer.
template <class T>
struct Convolutions {
    using value_type = T;

    Convolutions(std::size_t input, std::size_t channels, std::span<const std::size_t> strides) {
        for (const std::size_t stride : strides) {
            layers.emplace_back(unroll::nn::ConvolutionLayerOptions{
                .input = input, .output = channels, .stride = stride, .padding = 1, .bias = false});
            norms.emplace_back(unroll::nn::BatchNormOptions{.channels = channels});
            input = channels;
            channels *= 2;
        }
    }
    // [B, input, height, width] -> [B, channels, height', width']
    unroll::Variable<T> operator()(unroll::Variable<T> x) const {
        for (std::size_t i = 0; i < layers.size(); ++i) x = silu(norms[i](layers[i](x)));
        return x;
    }
    void members(unroll::nn::Members<T>& m) { m("layers", layers)("norms", norms); }

    std::vector<unroll::nn::Convolution<T>> layers;
    std::vector<unroll::nn::BatchNorm<T>> norms;
};

} // namespace example
