#include <unroll/nn/attention/attention.hpp>
#include <unroll/nn/attention/subsampling.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/text/batches.hpp>

#include <algorithm>

namespace unroll::nn {

namespace {

constexpr const char* name = "Subsampling";

std::size_t halved(std::size_t n) { return (n + 1) / 2; }

const SubsamplingOptions& checked(const SubsamplingOptions& options, Where where) {
    const Op op(name, where);
    if (options.channels == 0 || options.input == 0 || options.input % options.channels != 0)
        fail(op, "frames of width " + std::to_string(options.input) + " cannot be divided into " +
                     std::to_string(options.channels) + " equal channels");
    require_sizes(op, {{"filters", options.filters}, {"width", options.width}});
    return options;
}

} // namespace

template <class T>
Subsampling<T>::Subsampling(const SubsamplingOptions& given, Where where)
    : options(checked(given, where)),
      output({.input = options.filters * halved(halved(options.input / options.channels)),
              .output = options.width},
             where) {
    for (const std::size_t channels : {options.channels, options.filters})
        convolutions.emplace_back(nn::ConvolutionLayerOptions{.input = channels,
                                                              .output = options.filters,
                                                              .kernel = 3,
                                                              .stride = 2,
                                                              .padding = 1},
                                  where);
}

template <class T>
Frames<T> Subsampling<T>::operator()(const Variable<T>& x, std::span<const std::size_t> lengths,
                                     Where caller) const {
    const Scope scope(module_name, caller);
    if (x.dimension() != 3 || x.shape(2) != options.input)
        fail(name, "x has shape " + to_string(x.shape()) + ", expected [T, B, " +
                       std::to_string(options.input) + "]");
    const std::size_t batch = x.shape(1), channels = options.channels;
    Frames<T> frames{x, checked_lengths(Op::unplaced(name), x.shape(0), batch, lengths)};
    const Variable<T> apart =
        reshape(x, Shape{x.shape(0), batch, channels, options.input / channels});
    frames.x = transpose(apart, {1, 2, 0, 3}); // [B, channels, T, frequencies]
    const auto silence = [&] {
        const std::size_t steps = frames.x.shape(2);
        if (std::all_of(frames.lengths.begin(), frames.lengths.end(),
                        [&](std::size_t n) { return n == steps; }))
            return;
        const Mask inside = length_mask(frames.lengths, steps);
        frames.x = where(inside.expand_dims(1).expand_dims(-1), frames.x, 0);
    };
    silence();
    for (const auto& convolution : convolutions) {
        frames.x = relu(convolution(frames.x));
        for (auto& length : frames.lengths) length = halved(length);
        silence();
    }
    const std::size_t steps = frames.x.shape(2), width = frames.x.shape(1) * frames.x.shape(3);
    frames.x = output(reshape(transpose(frames.x, {2, 0, 1, 3}), Shape{steps, batch, width}));
    return frames;
}

template class Subsampling<float>;
template class Subsampling<double>;

} // namespace unroll::nn
