#pragma once

#include <unroll/nn/layers/convolution.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/recurrent/pyramid.hpp>

namespace unroll::nn {

struct SubsamplingOptions {
    std::size_t input = 0;    // width of a frame: concatenated channels, a spectrum and its slopes
    std::size_t channels = 1; // number of convolution filters
    std::size_t filters = 32;
    std::size_t width = 0; // width of the output
};

// Two convolutions over time and frequency, 3 by 3 with stride 2, each with max(x, 0), and a linear
// map: four frames become one (Dong, Xu and Xu 2018). Steps beyond a length count as 0.
template <class T = float>
class Subsampling {
public:
    using value_type = T;
    // Throws Error for invalid widths.
    explicit Subsampling(const SubsamplingOptions& options, Where where = Where::current());
    // x [T, B, input] -> [ceil(T / 4), B, width]. Throws Error if shapes or lengths do not match.
    Frames<T> operator()(const Variable<T>& x, std::span<const std::size_t> lengths = {},
                         Where caller = Where::current()) const;
    void members(Members<T>& m) { m(module_name)("convolutions", convolutions)("output", output); }

    SubsamplingOptions options;
    List<Convolution<T>> convolutions;
    Linear<T> output;
    ModuleName module_name{"Subsampling"};
};

} // namespace unroll::nn
