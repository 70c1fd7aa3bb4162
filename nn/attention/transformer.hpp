#pragma once

#include <unroll/nn/attention/multi_head.hpp>
#include <unroll/nn/decoding/decode.hpp>
#include <unroll/nn/layers/positions.hpp>

#include <optional>

namespace unroll::nn {

enum class Activation { relu, gelu };

// Options of one layer or of a stack.
struct TransformerOptions {
    std::size_t width = 0; // E
    std::size_t heads = 1;
    std::size_t layers = 1;
    std::size_t hidden = 0; // of the feed-forward part; 0: 4 E
    std::size_t memory = 0; // width of a memory that every layer attends to; 0: none
    double dropout = 0;     // of the input, attention weights, hidden values and sublayer outputs
    Activation activation = Activation::relu;
    bool norm_first = false; // x + sublayer(norm(x)), otherwise norm(x + sublayer(x))
    bool final_norm = true;  // after the last layer
    bool is_causal = false;  // a step attends to itself and earlier steps
    Positions positions = Positions::none;
    std::size_t steps = 0; // number of learned positions
};

// Self-attention, cross-attention if there is a memory, and a feed-forward network, each with a
// residual connection and normalisation. Parameters have the names and shapes of PyTorch's
// TransformerEncoderLayer, or with a memory TransformerDecoderLayer.  (Vaswani et al. 2017)
template <class T = float>
class TransformerLayer {
public:
    using value_type = T;
    using Options = TransformerOptions;
    // Throws Error for invalid widths.
    explicit TransformerLayer(const TransformerOptions& options, Where where = Where::current());

    // x [T, B, E] -> [T, B, E] as the context; the weights are those of the cross-attention, [B,
    // heads, T, S]. x follows the steps in `past` and is appended to it. Throws Error if shapes do
    // not match, and if `memory` is empty although the layer has cross-attention, or the reverse.
    AttentionOutput<T> operator()(const Variable<T>& x, KeyValues<T>& past,
                                  const KeyValues<T>& memory,
                                  const AttentionMask& attention_mask = {},
                                  Where caller = Where::current()) const;
    // Without a past and a memory.
    Variable<T> operator()(const Variable<T>& x, const AttentionMask& attention_mask = {},
                           Where caller = Where::current()) const;
    void members(Members<T>& m);

    TransformerOptions options;
    MultiHeadAttention<T> self_attn;
    std::optional<MultiHeadAttention<T>> multihead_attn;
    Linear<T> linear1, linear2;
    List<LayerNorm<T>> norms; // norm1, norm2, ... in the order of the parts
    ModuleName module_name{"TransformerLayer"};

private:
    template <class Part>
    Variable<T> residual(const Variable<T>& x, std::size_t number, const Part& part) const;
};

// The state of a stack between steps.
template <class T = float>
struct TransformerState {
    std::vector<KeyValues<T>> past;   // keys and values of the steps so far, for each layer
    std::vector<KeyValues<T>> memory; // the memory, prepared for each layer; or empty
    Indices sources;                  // index of the original sequence that each row attends to

    std::size_t steps() const { return past.empty() || past[0].is_empty() ? 0 : past[0].steps(); }
    TransformerState reordered(const Indices& parents) const;
};

// A stack of layers, with positions before the first and a normalisation after the last: an
// encoder; if causal, a language model; if causal with a memory, a decoder.
template <class T = float>
class TransformerStack {
public:
    using value_type = T;
    using Options = TransformerOptions;
    using State = TransformerState<T>;
    explicit TransformerStack(const TransformerOptions& options, Where where = Where::current());

    // x [T, B, E] -> [T, B, E]. What attention_mask.key_padding_mask hides has no influence, and is
    // 0 in the result.
    Variable<T> operator()(const Variable<T>& x, const AttentionMask& attention_mask = {},
                           Where caller = Where::current()) const;
    // x contains the steps after those of the state, and is appended to it. For a causal stack the
    // result equals that of processing all steps at once. Also returns [T, B, S], the mean of the
    // memory's weights over heads and layers; without a memory no steps S.
    AttentionOutput<T> operator()(const Variable<T>& x, State& state,
                                  const AttentionMask& attention_mask = {},
                                  Where caller = Where::current()) const;
    // Before the first step, with a memory [S, B, M], mask [B, S], or without one.
    State start(const Variable<T>& memory, const Mask& mask = {},
                Where caller = Where::current()) const;
    State start(Where caller = Where::current()) const {
        module_name.require_not_moved(caller);
        return {std::vector<KeyValues<T>>(layers.size()), {}, {}};
    }
    // Segment-level recurrence: keys and values of each layer, [S, B, E], for the last `steps`
    // steps, without history; empty if there are none. Does not include the memory.  (Dai et al.
    // 2019)
    std::vector<Variable<T>> carry(const State& state, std::size_t steps) const;
    // The state after the carried steps. Throws Error if shapes do not match.
    State resume(const std::vector<Variable<T>>& carried) const;
    void members(Members<T>& m);

    TransformerOptions options;
    PositionEncoding<T> positions;
    List<TransformerLayer<T>> layers;
    std::optional<LayerNorm<T>> norm;
    ModuleName module_name{"TransformerStack"};
};

struct TransformerModelOptions {
    TransformerOptions encoder;
    TransformerOptions decoder; // causal; its memory is the output of the encoder
    std::size_t vocabulary = 0; // of the output
    std::int64_t start = 0;     // the token before the first
};

// An encoder stack and a decoder stack that generates tokens; used like an EncoderDecoder:
//   model(x, targets, lengths).logits          to train
//   beam_search(model.step(), model.start(x, lengths), model.starts(B), {...})
template <class T = float>
class Transformer {
public:
    using value_type = T;
    using Options = TransformerModelOptions;
    using DecoderState = TransformerState<T>;
    struct Sequence {
        Variable<T> logits;  // [T, B, V]
        Variable<T> weights; // [T, B, S]: a mean over heads and layers
    };
    explicit Transformer(const TransformerModelOptions& options, Where where = Where::current());

    // x [S, B, E], targets [T, B], of which those below 0 are ignored. Step t receives target t -
    // 1. Throws Error if shapes or lengths do not match.
    Sequence operator()(const Variable<T>& x, const Indices& targets,
                        std::span<const std::size_t> lengths = {},
                        Where caller = Where::current()) const;
    // The encoder's part: the decoder's state before its first step.
    DecoderState start(const Variable<T>& x, std::span<const std::size_t> lengths = {},
                       Where caller = Where::current()) const;
    // The decoder's part, as a step function and its first tokens.
    Prediction<DecoderState, T> predict(const DecoderState& state, const Indices& tokens,
                                        Where caller = Where::current()) const;
    auto step() const {
        return [this](const DecoderState& state, const Indices& tokens) {
            return predict(state, tokens);
        };
    }
    Indices starts(std::size_t batch) const { return Indices::full({batch}, options.start); }
    void members(Members<T>& m);

    TransformerModelOptions options;
    TransformerStack<T> encoder, decoder;
    Embedding<T> embedding;
    Linear<T> output;
    ModuleName module_name{"Transformer"};

private:
    // `shown`: what pictures show as the tokens.
    Sequence write(DecoderState& state, const Indices& tokens, const Indices& shown,
                   Where caller) const;
};

} // namespace unroll::nn
