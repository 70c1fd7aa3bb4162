#include <unroll/nn/initialize.hpp>
#include <unroll/nn/multi_head.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>

#include <cmath>

namespace unroll::nn {

template <class T>
Attended<T> scaled_dot_product_attention(const Variable<T>& q, const Variable<T>& k,
                                         const Variable<T>& v, const Mask& mask, double dropout) {
    const char* const name = "scaled_dot_product_attention";
    if (q.dimension() < 2 || k.dimension() < 2 || v.dimension() < 2 ||
        q.shape().back() != k.shape().back() ||
        k.shape(k.dimension() - 2) != v.shape(v.dimension() - 2))
        fail(name, "q " + to_string(q.shape()) + ", k " + to_string(k.shape()) + ", v " +
                       to_string(v.shape()) + "; expected [..., T, d], [..., S, d], [..., S, e]");
    const double scale = 1 / std::sqrt(static_cast<double>(q.shape().back()));
    const Variable<T> scores = matmul(q * scale, swapaxes(k, -1, -2));
    if (mask.storage() && !broadcasts_to(mask.shape(), scores.shape()))
        fail(name, "the mask " + to_string(mask.shape()) +
                       " does not broadcast to [..., T, S] = " + to_string(scores.shape()));
    const Variable<T> weights = mask.storage() ? softmax(scores, mask) : softmax(scores);
    return {matmul(unroll::dropout(weights, dropout), v), weights};
}

template <class T>
MultiHeadAttention<T>::MultiHeadAttention(const MultiHeadOptions& options)
    : options(options),
      out_proj({.input = options.width, .output = options.width, .bias = options.bias}) {
    const std::size_t width = options.width;
    if (options.heads == 0 || width % options.heads != 0)
        fail("MultiHeadAttention", "a width of " + std::to_string(width) + " has no " +
                                       std::to_string(options.heads) + " equal heads");
    in_proj_weight = Parameter<T>("in_proj_weight", xavier<T>({3 * width, width}, next_stream()));
    if (!options.bias) return;
    in_proj_bias = Parameter<T>("in_proj_bias", Tensor<T>::zeros({3 * width}));
    out_proj.bias.change().fill(T(0));
}

template <class T>
void MultiHeadAttention<T>::members(Members<T>& m) {
    m("in_proj_weight", in_proj_weight);
    if (options.bias) m("in_proj_bias", in_proj_bias);
    m("out_proj", out_proj);
}

template <class T>
void MultiHeadAttention<T>::check(const char* what, const Shape& x, std::size_t batch) const {
    if (x.size() != 3 || x[1] != batch || x[2] != options.width)
        fail("MultiHeadAttention", std::string(what) + " has shape " + to_string(x) +
                                       ", expected [T, " + std::to_string(batch) + ", " +
                                       std::to_string(options.width) + "]");
}

// Blocks first, first + 1, ... of queries, keys and values, side by side.
template <class T>
Variable<T> MultiHeadAttention<T>::project(const Variable<T>& x, std::size_t first,
                                           std::size_t count) const {
    const std::size_t begin = first * options.width, end = begin + count * options.width;
    const Variable<T> weight = slice(with_tape_of(x, in_proj_weight), 0, begin, end);
    return options.bias ? linear(x, weight, slice(with_tape_of(x, in_proj_bias), 0, begin, end))
                        : linear(x, weight);
}

// [T, B, E] -> [B, heads, T, E / heads]
template <class T>
Variable<T> MultiHeadAttention<T>::heads(const Variable<T>& x) const {
    const Shape shape{x.shape(0), x.shape(1), options.heads, options.width / options.heads};
    return transpose(reshape(x, shape), {1, 2, 0, 3});
}

template <class T>
Memory<T> MultiHeadAttention<T>::prepare(const Variable<T>& key, const Variable<T>& value,
                                         const Mask& keys) const {
    const Scope scope("MultiHeadAttention");
    const std::size_t batch = key.dimension() == 3 ? key.shape(1) : 0;
    check("key", key.shape(), batch);
    check("value", value.shape(), batch);
    if (key.shape(0) != value.shape(0))
        fail("MultiHeadAttention", std::to_string(key.shape(0)) + " keys and " +
                                       std::to_string(value.shape(0)) + " values");
    detail::check_memory("MultiHeadAttention", key.shape(), options.width, keys);
    const auto filled = [&](const Variable<T>& x) {
        return keys.storage() ? where(keys.transpose().expand_dims(2), x, 0) : x;
    };
    return {heads(project(filled(key), 1, 1)), heads(project(filled(value), 2, 1)), keys};
}

template <class T>
Attended<T> MultiHeadAttention<T>::attend(const Variable<T>& queries, const Memory<T>& memory,
                                          const Visibility& visible) const {
    const std::size_t batch = memory.keys.shape(0), steps = memory.keys.shape(2),
                      count = queries.shape(0);
    const Shape all{batch, options.heads, count, steps};
    if (visible.pairs.storage() && !broadcasts_to(visible.pairs.shape(), all))
        fail("MultiHeadAttention",
             "the mask " + to_string(visible.pairs.shape()) +
                 " does not broadcast to [B, heads, T, S] = " + to_string(all));
    Mask mask = visible.pairs;
    if (visible.causal) mask = all_of(mask, causal_mask(count, steps));
    for (const Mask& keys : {memory.mask, visible.keys}) {
        if (!keys.storage()) continue;
        detail::check_memory("MultiHeadAttention", {steps, batch, options.width}, options.width,
                             keys);
        mask = all_of(mask, keys.expand_dims(1).expand_dims(1));
    }
    const Attended<T> found = scaled_dot_product_attention(heads(queries), memory.keys,
                                                           memory.values, mask, options.dropout);
    const Variable<T> joined =
        reshape(transpose(found.context, {2, 0, 1, 3}), Shape{count, batch, options.width});
    return {out_proj(joined), found.weights};
}

template <class T>
Attended<T> MultiHeadAttention<T>::operator()(const Variable<T>& query, const Memory<T>& memory,
                                              const Visibility& visible) const {
    const Scope scope("MultiHeadAttention");
    check("query", query.shape(), memory.keys.shape(0));
    return attend(project(query, 0, 1), memory, visible);
}

template <class T>
Attended<T> MultiHeadAttention<T>::operator()(const Variable<T>& query, const Variable<T>& key,
                                              const Variable<T>& value,
                                              const Visibility& visible) const {
    return (*this)(query, prepare(key, value, visible.keys),
                   {.pairs = visible.pairs, .causal = visible.causal});
}

template <class T>
Attended<T> MultiHeadAttention<T>::operator()(const Variable<T>& x,
                                              const Visibility& visible) const {
    const Scope scope("MultiHeadAttention");
    check("x", x.shape(), x.dimension() == 3 ? x.shape(1) : 0);
    const Variable<T> all = project(x, 0, 3);
    return attend(block(all, 0, 3), {heads(block(all, 1, 3)), heads(block(all, 2, 3)), {}},
                  visible);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Attended<T> scaled_dot_product_attention(const Variable<T>&, const Variable<T>&,      \
                                                      const Variable<T>&, const Mask&, double);    \
    template class MultiHeadAttention<T>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
