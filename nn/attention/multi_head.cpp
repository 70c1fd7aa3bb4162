#include <unroll/nn/attention/multi_head.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/layers/positions.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <algorithm>
#include <cmath>
#include <string>

namespace unroll::nn {

template <class T>
AttentionOutput<T> scaled_dot_product_attention(const Variable<T>& q, const Variable<T>& k,
                                                const Variable<T>& v, const Mask& mask,
                                                double dropout) {
    const char* const name = "scaled_dot_product_attention";
    if (q.dimension() < 2 || k.dimension() < 2 || v.dimension() < 2 ||
        q.shape().back() != k.shape().back() ||
        k.shape(k.dimension() - 2) != v.shape(v.dimension() - 2))
        fail(name, "q " + to_string(q.shape()) + ", k " + to_string(k.shape()) + ", v " +
                       to_string(v.shape()) + "; expected [..., T, d], [..., S, d], [..., S, e]");
    const double scale = 1 / std::sqrt(static_cast<double>(q.shape().back()));
    const auto scores_of = [&](const Variable<T>& k) {
        return scaled_matmul(q, swapaxes(k, -1, -2), scale);
    };
    const auto weigh = [&](const Variable<T>& weights, const Variable<T>& v) {
        return AttentionOutput<T>{matmul(unroll::dropout(weights, dropout), v), weights};
    };
    mask.require_not_moved(Op::unplaced(name));
    if (!mask.storage()) return weigh(softmax(scores_of(k)), v);
    // A weight of 0 times a NaN would be NaN.
    const auto without_masked = [keys = seen_keys(mask).expand_dims(-1)](const Variable<T>& x) {
        const bool* const all = keys.data();
        const bool hides = std::find(all, all + keys.size(), false) != all + keys.size();
        return hides ? where(keys, x, 0) : x;
    };
    Shape expected = broadcast(Op(name), Shape(q.shape().begin(), q.shape().end() - 2),
                               Shape(k.shape().begin(), k.shape().end() - 2));
    expected.push_back(q.shape(q.dimension() - 2));
    expected.push_back(k.shape(k.dimension() - 2));
    if (!broadcasts_to(mask.shape(), expected))
        fail(name, "the mask " + to_string(mask.shape()) +
                       " does not broadcast to [..., T, S] = " + to_string(expected));
    return weigh(softmax(scores_of(without_masked(k)), mask), without_masked(v));
}

namespace {

constexpr const char* module = "MultiHeadAttention";

void check(const char* what, const Shape& x, std::size_t batch, std::size_t width) {
    if (x.size() != 3 || x[1] != batch || x[2] != width)
        fail(module, std::string(what) + " has shape " + to_string(x) + ", expected [steps, " +
                         std::to_string(batch) + ", " + std::to_string(width) + "]");
}

// The second extent, B, or the expected one if it is missing.
std::size_t batch_of(const Shape& x) { return x.size() > 1 ? x[1] : 1; }

MultiHeadOptions completed(MultiHeadOptions options, Where where) {
    const Op op(module, where);
    if (options.width == 0) options.width = options.query;
    if (options.memory == 0) options.memory = options.width;
    if (options.query != 0 && options.query != options.width)
        fail(op, "queries of width " + std::to_string(options.query) + " for a width of " +
                     std::to_string(options.width));
    options.query = options.width;
    if (options.heads == 0 || options.width == 0 || options.width % options.heads != 0)
        fail(op, "a width of " + std::to_string(options.width) + " cannot be divided into " +
                     std::to_string(options.heads) + " equal heads");
    if (options.rotary && options.width / options.heads % 2 != 0)
        fail(op, "rotary positions need heads of an even width, got " +
                     std::to_string(options.width / options.heads));
    require_fraction(op, "dropout", options.dropout);
    return options;
}

} // namespace

template <class T>
MultiHeadAttention<T>::MultiHeadAttention(const MultiHeadOptions& given, Where where)
    : options(completed(given, where)),
      out_proj({.input = options.width, .output = options.width, .bias = options.bias}, where) {
    const std::size_t width = options.width;
    const auto fresh = [](const char* name, const Shape& shape) {
        return Parameter<T>(name, xavier<T>(shape, next_stream()));
    };
    if (is_joint()) {
        in_proj_weight = fresh("in_proj_weight", {3 * width, width});
    } else {
        q_proj_weight = fresh("q_proj_weight", {width, width});
        k_proj_weight = fresh("k_proj_weight", {width, options.memory});
        v_proj_weight = fresh("v_proj_weight", {width, options.memory});
    }
    if (!options.bias) return;
    in_proj_bias = Parameter<T>("in_proj_bias", Tensor<T>::zeros({3 * width}));
    out_proj.bias.change().fill(T(0));
}

template <class T>
void MultiHeadAttention<T>::members(Members<T>& m) {
    m(module_name);
    if (is_joint())
        m("in_proj_weight", in_proj_weight);
    else
        m("q_proj_weight", q_proj_weight)("k_proj_weight", k_proj_weight)("v_proj_weight",
                                                                          v_proj_weight);
    if (options.bias) m("in_proj_bias", in_proj_bias);
    m("out_proj", out_proj);
}

// Projections first, first + 1, ... to queries, keys and values, side by side.
template <class T>
Variable<T> MultiHeadAttention<T>::project(const Variable<T>& x, std::size_t first,
                                           std::size_t count) const {
    const std::size_t begin = first * options.width, end = begin + count * options.width;
    const Parameter<T>* const apart[] = {&q_proj_weight, &k_proj_weight, &v_proj_weight};
    const Variable<T> weight =
        is_joint() ? slice(in_proj_weight, 0, begin, end) : Variable<T>(*apart[first]);
    return options.bias ? linear(x, weight, slice(in_proj_bias, 0, begin, end)) : linear(x, weight);
}

// [T, B, E] -> [B, T, heads, E / heads]
template <class T>
Variable<T> MultiHeadAttention<T>::heads(const Variable<T>& x) const {
    const Shape shape{x.shape(0), x.shape(1), options.heads, options.width / options.heads};
    return swapaxes(reshape(x, shape), 0, 1);
}

template <class T>
KeyValues<T> MultiHeadAttention<T>::prepare(const Variable<T>& key, const Variable<T>& value,
                                            const Mask& keys, Where caller) const {
    const Scope scope(module_name, caller);
    const std::size_t batch = batch_of(key.shape());
    check("key", key.shape(), batch, options.memory);
    check("value", value.shape(), batch, options.memory);
    if (key.shape(0) != value.shape(0))
        fail(module, std::to_string(key.shape(0)) + " keys and " + std::to_string(value.shape(0)) +
                         " values");
    detail::check_memory(module, key.shape(), options.memory, keys);
    const auto read = [&](const Variable<T>& x, std::size_t part) {
        return heads(project(detail::without_hidden(x, keys), part, 1));
    };
    return {read(key, 1), read(value, 2), keys};
}

template <class T>
AttentionOutput<T> MultiHeadAttention<T>::attend(const Variable<T>& queries,
                                                 const KeyValues<T>& memory,
                                                 const AttentionMask& attention_mask) const {
    const std::size_t batch = memory.keys.shape(0), steps = memory.steps(),
                      count = queries.shape(1);
    const Shape all{batch, options.heads, count, steps};
    attention_mask.attn_mask.require_not_moved(Op::unplaced(module));
    if (attention_mask.attn_mask.storage() && !broadcasts_to(attention_mask.attn_mask.shape(), all))
        fail(module, "the mask " + to_string(attention_mask.attn_mask.shape()) +
                         " does not broadcast to [B, heads, T, S] = " + to_string(all));
    Mask mask = attention_mask.attn_mask;
    if (attention_mask.is_causal) mask = all_of(mask, causal_mask(count, steps));
    for (const Mask& keys : {memory.mask, attention_mask.key_padding_mask}) {
        if (!keys.storage()) continue;
        detail::check_memory(module, {steps, batch, options.memory}, options.memory, keys);
        mask = all_of(mask, keys.expand_dims(1).expand_dims(1));
    }
    const auto by_head = [](const Variable<T>& x) { return swapaxes(x, 1, 2); };
    const AttentionOutput<T> found = scaled_dot_product_attention(
        by_head(queries), by_head(memory.keys), by_head(memory.values), mask, options.dropout);
    const Variable<T> joined =
        reshape(transpose(found.context, {2, 0, 1, 3}), Shape{count, batch, options.width});
    return {out_proj(joined), found.weights};
}

template <class T>
AttentionOutput<T>
MultiHeadAttention<T>::operator()(const Variable<T>& query, const KeyValues<T>& memory,
                                  const AttentionMask& attention_mask, Where caller) const {
    const Scope scope(module_name, caller);
    check("query", query.shape(), memory.keys.shape(0), options.width);
    return attend(heads(project(query, 0, 1)), memory, attention_mask);
}

template <class T>
AttentionOutput<T>
MultiHeadAttention<T>::operator()(const Variable<T>& query, const Variable<T>& key,
                                  const Variable<T>& value, const AttentionMask& attention_mask,
                                  Where caller) const {
    return (*this)(query, prepare(key, value, attention_mask.key_padding_mask, caller),
                   {.attn_mask = attention_mask.attn_mask, .is_causal = attention_mask.is_causal},
                   caller);
}

template <class T>
AttentionOutput<T> MultiHeadAttention<T>::operator()(const Variable<T>& x,
                                                     const AttentionMask& attention_mask,
                                                     Where caller) const {
    KeyValues<T> nothing;
    return (*this)(x, nothing, attention_mask, caller);
}

template <class T>
AttentionOutput<T> MultiHeadAttention<T>::operator()(const Variable<T>& x, KeyValues<T>& past,
                                                     const AttentionMask& attention_mask,
                                                     Where caller) const {
    const Scope scope(module_name, caller);
    check("x", x.shape(), batch_of(x.shape()), options.width);
    if (!is_joint())
        fail(module, "x cannot attend to itself: queries have width " +
                         std::to_string(options.width) + ", keys " +
                         std::to_string(options.memory));
    const Variable<T> all =
        project(detail::without_hidden(x, attention_mask.key_padding_mask), 0, 3);
    Variable<T> queries = heads(block(all, 0, 3));
    KeyValues<T> memory{heads(block(all, 1, 3)), heads(block(all, 2, 3)), {}};
    const std::size_t before = past.is_empty() ? 0 : past.steps();
    if (before > 0) {
        const Shape expected{x.shape(1), before, options.heads, options.width / options.heads};
        if (past.keys.shape() != expected || past.values.shape() != expected)
            fail(module, "the past has keys " + to_string(past.keys.shape()) + " and values " +
                             to_string(past.values.shape()) + ", expected " + to_string(expected));
        memory = {concatenate({past.keys, memory.keys}, 1),
                  concatenate({past.values, memory.values}, 1),
                  {}};
    }
    past = memory;
    if (options.rotary) {
        queries = rotate(queries, before);
        memory.keys = rotate(memory.keys);
    }
    return attend(queries, memory, attention_mask);
}

template <class T>
AttentionOutput<T> MultiHeadAttention<T>::step(const Variable<T>& query, const KeyValues<T>& memory,
                                               const Variable<T>&, Where caller) const {
    const AttentionOutput<T> found = (*this)(expand_dims(query, 0), memory, {}, caller);
    return {squeeze(found.context, 0), squeeze(mean(found.weights, {1}), 1)};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template AttentionOutput<T> scaled_dot_product_attention(                                      \
        const Variable<T>&, const Variable<T>&, const Variable<T>&, const Mask&, double);          \
    template class MultiHeadAttention<T>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
