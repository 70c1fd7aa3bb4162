#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>

#include <cmath>

namespace unroll::nn {

template <class T>
Linear<T>::Linear(const LinearOptions& options, Where where) : options(options) {
    require_sizes(Op("Linear", where), {{"input", options.input}, {"output", options.output}});
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
Embedding<T>::Embedding(const EmbeddingOptions& options, Where where)
    : Embedding(normal<T>({options.vocabulary, options.width}, 1.0, next_stream()), options.padding,
                where) {}

template <class T>
Embedding<T>::Embedding(Tensor<T> rows, std::int64_t padding, Where where) {
    const Op op("Embedding", where);
    if (rows.dimension() != 2)
        fail(op, "expected rows [vocabulary, width], got " + to_string(rows.shape()));
    options = {rows.shape(0), rows.shape(1), padding};
    require_sizes(op, {{"vocabulary", options.vocabulary}, {"width", options.width}});
    if (padding >= static_cast<std::int64_t>(options.vocabulary))
        fail(op, "the padding row is " + std::to_string(padding) + " of a vocabulary of " +
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
Dropout<T>::Dropout(double p, Where where) : p(p) {
    require_fraction(Op("Dropout", where), "the probability", p);
}

template <class T>
Variable<T> Dropout<T>::operator()(const Variable<T>& x, Where caller) const {
    const Scope scope(module_name, caller);
    return dropout(x, p);
}

template <class T>
LayerNorm<T>::LayerNorm(std::size_t width, double epsilon, Where where)
    : epsilon(epsilon), weight("weight", Tensor<T>::ones({width})),
      bias("bias", Tensor<T>::zeros({width})) {
    require_sizes(Op("LayerNorm", where), {{"width", width}});
}

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
