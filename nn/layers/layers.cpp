#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>

#include <cmath>

namespace unroll::nn {

template <class T>
Linear<T>::Linear(const LinearOptions& options) : options(options) {
    if (options.input == 0 || options.output == 0)
        fail("Linear", "input and output must be at least 1, got " + std::to_string(options.input) +
                           " and " + std::to_string(options.output));
    const double bound = 1 / std::sqrt(static_cast<double>(options.input));
    weight =
        Parameter<T>("weight", uniform<T>({options.output, options.input}, bound, next_stream()));
    if (options.bias)
        bias = Parameter<T>("bias", uniform<T>({options.output}, bound, next_stream()));
}

template <class T>
Variable<T> Linear<T>::operator()(const Variable<T>& x, Where caller) const {
    const Scope scope(module_name, caller);
    return options.bias ? linear(x, weight, bias) : linear(x, weight);
}

template <class T>
void Linear<T>::members(Members<T>& m) {
    m(module_name)("weight", weight);
    if (options.bias) m("bias", bias);
}

template <class T>
Embedding<T>::Embedding(const EmbeddingOptions& options)
    : Embedding(normal<T>({options.vocabulary, options.width}, 1.0, next_stream()),
                options.padding) {}

template <class T>
Embedding<T>::Embedding(Tensor<T> rows, std::int64_t padding) {
    if (rows.dimension() != 2 || rows.size() == 0)
        fail("Embedding", "expected rows [vocabulary, width], got " + to_string(rows.shape()));
    options = {rows.shape(0), rows.shape(1), padding};
    if (padding >= static_cast<std::int64_t>(options.vocabulary))
        fail("Embedding", "padding row " + std::to_string(padding) + " of " +
                              std::to_string(options.vocabulary));
    if (padding >= 0) rows.select(0, static_cast<std::size_t>(padding)).fill(T(0));
    weight = Parameter<T>("weight", std::move(rows));
}

template <class T>
Variable<T> Embedding<T>::operator()(const Indices& indices, Where caller) const {
    const Scope scope(module_name, caller);
    const Variable<T> rows = take(weight, indices);
    if (options.padding < 0) return rows;
    Mask padded(indices.shape());
    const Indices dense = indices.contiguous();
    for (std::size_t i = 0; i < dense.size(); ++i)
        padded.data()[i] = dense.data()[i] == options.padding;
    return masked_fill(rows, padded.expand_dims(-1), 0);
}

template <class T>
void Embedding<T>::members(Members<T>& m) {
    m(module_name)("weight", weight);
}

template <class T>
Variable<T> Dropout<T>::operator()(const Variable<T>& x, Where caller) const {
    const Scope scope(module_name, caller);
    return dropout(x, p);
}

template <class T>
LayerNorm<T>::LayerNorm(std::size_t width, double epsilon)
    : epsilon(epsilon), weight("weight", Tensor<T>::ones({width})),
      bias("bias", Tensor<T>::zeros({width})) {}

template <class T>
Variable<T> LayerNorm<T>::operator()(const Variable<T>& x, Where caller) const {
    const Scope scope(module_name, caller);
    return layer_norm(x, weight, bias, epsilon);
}

template <class T>
void LayerNorm<T>::members(Members<T>& m) {
    m(module_name)("weight", weight)("bias", bias);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template class Linear<T>;                                                                      \
    template class Embedding<T>;                                                                   \
    template class Dropout<T>;                                                                     \
    template class LayerNorm<T>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
