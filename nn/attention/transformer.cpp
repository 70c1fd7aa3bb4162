#include <unroll/nn/attention/seq2seq.hpp>
#include <unroll/nn/attention/transformer.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <algorithm>
#include <string>

namespace unroll::nn {

namespace {

TransformerOptions completed(const Op& op, TransformerOptions options) {
    if (options.hidden == 0) options.hidden = 4 * options.width;
    require_sizes(op,
                  {{"width", options.width}, {"heads", options.heads}, {"layers", options.layers}});
    require_fraction(op, "dropout", options.dropout);
    return options;
}

MultiHeadOptions attention_options(const TransformerOptions& options) {
    return {.width = options.width,
            .heads = options.heads,
            .dropout = options.dropout,
            .rotary = options.positions == Positions::rotary};
}

TransformerModelOptions completed(TransformerModelOptions options, Where where) {
    if (options.decoder.width == 0) options.decoder.width = options.encoder.width;
    options.decoder.memory = options.encoder.width;
    options.decoder.is_causal = true;
    detail::check_decoder(Op("Transformer", where), options.vocabulary, options.decoder.width,
                          options.decoder.layers, options.decoder.dropout, options.start);
    return options;
}

} // namespace

template <class T>
TransformerLayer<T>::TransformerLayer(const TransformerOptions& given, Where where)
    : options(completed(Op("TransformerLayer", where), given)),
      self_attn(attention_options(options), where),
      linear1({.input = options.width, .output = options.hidden}, where),
      linear2({.input = options.hidden, .output = options.width}, where) {
    if (options.memory > 0) {
        MultiHeadOptions other = attention_options(options);
        other.memory = options.memory;
        multihead_attn.emplace(other, where);
    }
    for (int part = options.memory > 0 ? 3 : 2; part > 0; --part) norms.emplace_back(options.width);
}

template <class T>
void TransformerLayer<T>::members(Members<T>& m) {
    m(module_name)("self_attn", self_attn);
    if (multihead_attn) m("multihead_attn", *multihead_attn);
    m("linear1", linear1)("linear2", linear2);
    for (std::size_t i = 0; i < norms.size(); ++i) m("norm" + std::to_string(i + 1), norms[i]);
}

template <class T>
template <class Part>
Variable<T> TransformerLayer<T>::residual(const Variable<T>& x, std::size_t number,
                                          const Part& part) const {
    const LayerNorm<T>& norm = norms[number];
    if (options.norm_first) return x + dropout(part(norm(x)), options.dropout);
    return norm(x + dropout(part(x), options.dropout));
}

template <class T>
AttentionOutput<T> TransformerLayer<T>::operator()(const Variable<T>& x, KeyValues<T>& past,
                                                   const KeyValues<T>& memory,
                                                   const AttentionMask& attention_mask,
                                                   Where caller) const {
    const Scope scope(module_name, caller);
    if (multihead_attn.has_value() == memory.is_empty())
        fail("TransformerLayer", multihead_attn
                                     ? "the layer has cross-attention, but no memory was given"
                                     : "a memory was given, but the layer has no cross-attention");
    std::size_t part = 0;
    Variable<T> y =
        residual(detail::without_hidden(x, attention_mask.key_padding_mask), part++,
                 [&](const Variable<T>& x) { return self_attn(x, past, attention_mask).context; });
    Variable<T> weights;
    if (multihead_attn)
        y = residual(y, part++, [&](const Variable<T>& x) {
            AttentionOutput<T> found = (*multihead_attn)(x, memory);
            weights = found.weights;
            return found.context;
        });
    y = residual(y, part, [&](const Variable<T>& x) {
        const Variable<T> inner = linear1(x);
        const bool is_relu = options.activation == Activation::relu;
        return linear2(dropout(is_relu ? relu(inner) : gelu(inner), options.dropout));
    });
    return {y, weights};
}

template <class T>
Variable<T> TransformerLayer<T>::operator()(const Variable<T>& x,
                                            const AttentionMask& attention_mask,
                                            Where caller) const {
    KeyValues<T> past;
    return (*this)(x, past, {}, attention_mask, caller).context;
}

template <class T>
TransformerState<T> TransformerState<T>::reordered(const Indices& parents) const {
    TransformerState next{reorder(past, parents), memory, sources};
    if (!memory.empty() && detail::reorder_sources(next.sources, parents))
        next.memory = reorder(memory, parents);
    return next;
}

template <class T>
TransformerStack<T>::TransformerStack(const TransformerOptions& given, Where where)
    : options(completed(Op("TransformerStack", where), given)),
      positions({.kind = options.positions, .width = options.width, .steps = options.steps},
                where) {
    for (std::size_t i = 0; i < options.layers; ++i) layers.emplace_back(options, where);
    if (options.final_norm) norm.emplace(options.width);
}

template <class T>
void TransformerStack<T>::members(Members<T>& m) {
    m(module_name)("positions", positions)("layers", layers);
    if (norm) m("norm", *norm);
}

template <class T>
Variable<T> TransformerStack<T>::operator()(const Variable<T>& x,
                                            const AttentionMask& attention_mask,
                                            Where caller) const {
    State state = start();
    return (*this)(x, state, attention_mask, caller).context;
}

template <class T>
AttentionOutput<T> TransformerStack<T>::operator()(const Variable<T>& x, State& state,
                                                   const AttentionMask& attention_mask,
                                                   Where caller) const {
    const Scope scope(module_name, caller);
    if (state.past.size() != layers.size() ||
        (!state.memory.empty() && state.memory.size() != layers.size()))
        fail("TransformerStack", "the state has " + std::to_string(state.past.size()) +
                                     " layers, expected " + std::to_string(layers.size()));
    AttentionMask mask = attention_mask;
    mask.is_causal = mask.is_causal || options.is_causal;
    Variable<T> y = dropout(
        positions(detail::without_hidden(x, attention_mask.key_padding_mask), state.steps()),
        options.dropout);
    std::vector<Variable<T>> weights;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const Scope layer_scope("layer", static_cast<std::int64_t>(i));
        const AttentionOutput<T> out = layers[i](
            y, state.past[i], state.memory.empty() ? KeyValues<T>() : state.memory[i], mask);
        y = out.context;
        if (!state.memory.empty()) weights.push_back(mean(out.weights, {1})); // [B, T, S]
    }
    if (norm) y = (*norm)(y);
    y = detail::without_hidden(y, attention_mask.key_padding_mask);
    if (weights.empty()) return {y, {}};
    return {y, swapaxes(mean(stack(weights), {0}), 0, 1)};
}

template <class T>
TransformerState<T> TransformerStack<T>::start(const Variable<T>& memory, const Mask& mask,
                                               Where caller) const {
    const Scope scope(module_name, caller);
    State state = start();
    for (const auto& layer : layers) {
        if (!layer.multihead_attn)
            fail("TransformerStack", "a memory was given, but the layers have no cross-attention");
        state.memory.push_back(layer.multihead_attn->prepare(memory, mask));
    }
    state.sources = Indices(Shape{memory.shape(1)});
    for (std::size_t b = 0; b < memory.shape(1); ++b)
        state.sources.data()[b] = static_cast<std::int64_t>(b);
    return state;
}

template <class T>
std::vector<Variable<T>> TransformerStack<T>::carry(const State& state, std::size_t steps) const {
    const std::size_t all = state.steps(), kept = std::min(all, steps);
    std::vector<Variable<T>> carried;
    if (kept == 0) return carried;
    for (const auto& past : state.past)
        for (const Variable<T>* x : {&past.keys, &past.values}) { // [B, S, heads, E / heads]
            const Variable<T> last = x->value().slice(1, all - kept, all);
            carried.push_back(
                reshape(swapaxes(last, 0, 1), Shape{kept, last.shape(0), options.width}));
        }
    return carried;
}

template <class T>
TransformerState<T> TransformerStack<T>::resume(const std::vector<Variable<T>>& carried) const {
    State state = start();
    if (carried.empty()) return state;
    if (carried.size() != 2 * layers.size())
        fail("TransformerStack", "expected keys and values of " + std::to_string(layers.size()) +
                                     " layers, got " + std::to_string(carried.size()) +
                                     " variables");
    const auto by_head = [&](const Variable<T>& x) {
        if (x.dimension() != 3 || x.shape(2) != options.width || x.shape() != carried[0].shape())
            fail("TransformerStack", "a carried tensor has shape " + to_string(x.shape()) +
                                         ", expected [S, B, " + std::to_string(options.width) +
                                         "] for all of them");
        const Shape heads{x.shape(0), x.shape(1), options.heads, options.width / options.heads};
        return swapaxes(reshape(x, heads), 0, 1);
    };
    for (std::size_t i = 0; i < layers.size(); ++i)
        state.past[i] = {by_head(carried[2 * i]), by_head(carried[2 * i + 1]), {}};
    return state;
}

template <class T>
Transformer<T>::Transformer(const TransformerModelOptions& given, Where where)
    : options(completed(given, where)), encoder(options.encoder, where),
      decoder(options.decoder, where),
      embedding({.vocabulary = options.vocabulary, .width = options.decoder.width}, where),
      output({.input = options.decoder.width, .output = options.vocabulary}, where) {}

template <class T>
void Transformer<T>::members(Members<T>& m) {
    m(module_name)("encoder", encoder)("decoder", decoder)("embedding", embedding)("output",
                                                                                   output);
}

template <class T>
TransformerState<T> Transformer<T>::start(const Variable<T>& x,
                                          std::span<const std::size_t> lengths,
                                          Where caller) const {
    const Called here(caller);
    x.require_value(Op::unplaced("Transformer"));
    const Mask mask = lengths.empty() ? Mask() : length_mask(lengths, x.shape(0));
    return decoder.start(encoder(x, {.key_padding_mask = mask}, caller), mask, caller);
}

template <class T>
typename Transformer<T>::Sequence Transformer<T>::write(DecoderState& state, const Indices& tokens,
                                                        const Indices& shown, Where caller) const {
    const Scope scope(module_name, caller);
    const Variable<T> rows = detail::embedded(embedding.weight, tokens, shown);
    const AttentionOutput<T> found = decoder(rows, state);
    return {output(found.context), found.weights};
}

template <class T>
typename Transformer<T>::Sequence
Transformer<T>::operator()(const Variable<T>& x, const Indices& targets,
                           std::span<const std::size_t> lengths, Where caller) const {
    const Called here(caller);
    DecoderState state = start(x, lengths, caller);
    const detail::DecoderInputs<T> inputs(targets, x.shape(1), options.start, {});
    Indices tokens(targets.shape());
    for (std::size_t t = 0; t < targets.shape(0); ++t) tokens.select(0, t).assign(inputs(t));
    return write(state, tokens, targets, caller);
}

template <class T>
Prediction<TransformerState<T>, T>
Transformer<T>::predict(const DecoderState& state, const Indices& tokens, Where caller) const {
    DecoderState next = state;
    const Indices step = tokens.expand_dims(0);
    const Sequence written = write(next, step, step, caller);
    return {std::move(next), log_softmax(select(written.logits, 0, 0)),
            select(written.weights, 0, 0)};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template class TransformerLayer<T>;                                                            \
    template struct TransformerState<T>;                                                           \
    template class TransformerStack<T>;                                                            \
    template class Transformer<T>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
