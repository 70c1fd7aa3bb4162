#include <unroll/core/autograd/inner_run.hpp>
#include <unroll/core/kernels/threads.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/convolution.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/ops/normalization.hpp>

#include <cmath>

namespace unroll::nn {

namespace {

struct WeightShape {
    Shape shape;
    std::size_t count; // of elements for each index of the first axis
};
// [first, second / groups, kernel height, kernel width], or without height.
template <class Options>
WeightShape weight_shape(const Op& op, const Options& o, std::size_t first, std::size_t second) {
    if (o.axes != 1 && o.axes != 2) fail(op, "axes must be 1 or 2, got " + std::to_string(o.axes));
    if (o.groups == 0 || o.input == 0 || o.output == 0 || o.input % o.groups != 0 ||
        o.output % o.groups != 0)
        fail(op, "input and output must be multiples of groups and at least 1, got " +
                     std::to_string(o.input) + ", " + std::to_string(o.output) + " and " +
                     std::to_string(o.groups));
    Shape shape{first, second / o.groups};
    if (o.axes == 2) shape.push_back(o.kernel.height);
    shape.push_back(o.kernel.width);
    const std::size_t count = element_count(shape) / first;
    if (count == 0) fail(op, "the kernel is empty: weight " + to_string(shape));
    return {shape, count};
}

// Uniform within 1 / sqrt(count).
template <class T>
void initialize(Parameter<T>& weight, Parameter<T>& bias, const WeightShape& w, bool has_bias,
                std::size_t output) {
    const double bound = 1 / std::sqrt(static_cast<double>(w.count));
    weight = Parameter<T>("weight", uniform<T>(w.shape, bound, next_stream()));
    if (has_bias) bias = Parameter<T>("bias", uniform<T>({output}, bound, next_stream()));
}

} // namespace

template <class T>
Convolution<T>::Convolution(const ConvolutionLayerOptions& options, Where where)
    : options(options) {
    const auto& o = options;
    initialize(weight, bias, weight_shape(Op("Convolution", where), o, o.output, o.input), o.bias,
               o.output);
}

template <class T>
Variable<T> Convolution<T>::operator()(const Variable<T>& x, Where caller) const {
    const Scope scope(module_name, caller);
    const auto& o = options;
    const unroll::ConvolutionOptions how{o.stride, o.padding, o.dilation, o.groups};
    return o.bias ? convolution(x, weight, bias, how) : convolution(x, weight, how);
}

template <class T>
void Convolution<T>::members(Members<T>& m) {
    m(module_name)("weight", weight);
    if (options.bias) m("bias", bias);
}

template <class T>
TransposedConvolution<T>::TransposedConvolution(const TransposedConvolutionLayerOptions& options,
                                                Where where)
    : options(options) {
    const auto& o = options;
    initialize(weight, bias, weight_shape(Op("TransposedConvolution", where), o, o.input, o.output),
               o.bias, o.output);
}

template <class T>
Variable<T> TransposedConvolution<T>::operator()(const Variable<T>& x, Where caller) const {
    const Scope scope(module_name, caller);
    const auto& o = options;
    const TransposedConvolutionOptions how{o.stride, o.padding, o.output_padding, o.dilation,
                                           o.groups};
    return o.bias ? transposed_convolution(x, weight, bias, how)
                  : transposed_convolution(x, weight, how);
}

template <class T>
void TransposedConvolution<T>::members(Members<T>& m) {
    m(module_name)("weight", weight);
    if (options.bias) m("bias", bias);
}

template <class T>
BatchNorm<T>::BatchNorm(const BatchNormOptions& options, Where where)
    : options(options), weight("weight", Tensor<T>::ones({options.channels})),
      bias("bias", Tensor<T>::zeros({options.channels})),
      running_mean("running_mean", Tensor<T>::zeros({options.channels})),
      running_var("running_var", Tensor<T>::ones({options.channels})) {
    const Op op("BatchNorm", where);
    require_sizes(op, {{"channels", options.channels}});
    require_fraction(op, "momentum", options.momentum);
    running_mean.set_trainable(false);
    running_var.set_trainable(false);
}

template <class T>
Variable<T> BatchNorm<T>::operator()(const Variable<T>& x, Where caller) const {
    const Scope scope(module_name, caller);
    if (training_tape(x) == nullptr)
        return batch_norm(x, running_mean, running_var, weight, bias, options.epsilon);
    const auto normal = batch_norm(x, weight, bias, options.epsilon);
    const std::size_t count = options.channels == 0 ? 0 : x.size() / options.channels;
    if (count == 1) fail("BatchNorm", "one value per channel has no variance to train on");
    if (count > 1 && threads::shard() == 0 && !unroll::detail::SecondRun::is_on())
        follow(normal.mean.value(), normal.variance.value(), count);
    return normal.y;
}

template <class T>
void BatchNorm<T>::follow(const Tensor<T>& mean, const Tensor<T>& variance,
                          std::size_t count) const {
    const auto n = static_cast<T>(count);
    const auto momentum = static_cast<T>(options.momentum);
    Tensor<T>&means = running_mean.change(), &variances = running_var.change();
    for (std::size_t c = 0; c < options.channels; ++c) {
        means.data()[c] += momentum * (mean.data()[c] - means.data()[c]);
        variances.data()[c] += momentum * (variance.data()[c] * n / (n - 1) - variances.data()[c]);
    }
}

template <class T>
void BatchNorm<T>::members(Members<T>& m) {
    m(module_name)("weight", weight)("bias", bias)("running_mean", running_mean)("running_var",
                                                                                 running_var);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template class Convolution<T>;                                                                 \
    template class TransposedConvolution<T>;                                                       \
    template class BatchNorm<T>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
