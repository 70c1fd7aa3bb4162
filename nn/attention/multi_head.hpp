#pragma once

#include <unroll/nn/attention/attention.hpp>
#include <unroll/nn/layers/layers.hpp>

namespace unroll::nn {

// softmax(q k^T / sqrt(d)) v: q [..., T, d], k [..., S, d], v [..., S, e] -> context [..., T, e]
// and weights [..., T, S]; leading axes and the mask broadcast; dropout applies to the weights. A
// fully masked query, or one without keys, gets zeros and passes no gradient. Throws Error if
// shapes do not match.  (Vaswani et al. 2017)
template <class T>
AttentionOutput<T> scaled_dot_product_attention(const Variable<T>& q, const Variable<T>& k,
                                                const Variable<T>& v, const Mask& mask = {},
                                                double dropout = 0);

struct MultiHeadOptions {
    std::size_t width = 0; // E, a multiple of the number of heads
    std::size_t heads = 1;
    double dropout = 0; // of weights
    bool bias = true;
    std::size_t query = 0;  // E, or the only width given; 0: E
    std::size_t memory = 0; // M, the width of keys and values; 0: E
    bool rotary = false;    // for self-attention, see rotate()
};

// Which keys a query may attend to; all given masks apply. Steps that no query may attend to are
// not read, NaN included. In self-attention masked steps count as zeros, also as queries.
struct AttentionMask {
    Mask key_padding_mask = {}; // [B, S]: for example length_mask()
    Mask attn_mask = {};        // broadcasts to [B, heads, T, S]; [T, S]: the same for all
    bool is_causal = false;
};

// Attention with several heads, each over its own block of projected features. Weights have
// PyTorch's names and shapes: in_proj_weight [3 E, E] of queries, keys and values, or if M is not
// E q_proj_weight [E, E], k_proj_weight and v_proj_weight [E, M]; in_proj_bias [3 E],
// out_proj.weight [E, E], out_proj.bias [E]. A fully masked query gets out_proj.bias. (Vaswani et
// al. 2017)
template <class T = float>
class MultiHeadAttention {
public:
    using value_type = T;
    using Options = MultiHeadOptions;
    // Throws Error for invalid widths.
    explicit MultiHeadAttention(const MultiHeadOptions& options, Where where = Where::current());

    // query [T, B, E], key and value [S, B, M] -> context [T, B, E], weights [B, heads, T, S].
    // Throws Error if shapes or masks do not match, and for more causal queries than keys; fewer
    // causal queries are the last steps.
    AttentionOutput<T> operator()(const Variable<T>& query, const Variable<T>& key,
                                  const Variable<T>& value,
                                  const AttentionMask& attention_mask = {},
                                  Where caller = Where::current()) const;
    // x attends to itself. Steps masked by attention_mask.key_padding_mask are padding and are read
    // as 0, also as queries (PyTorch reads them).
    AttentionOutput<T> operator()(const Variable<T>& x, const AttentionMask& attention_mask = {},
                                  Where caller = Where::current()) const;
    // x attends to the past steps and to itself. `past` holds the keys and values of the past
    // steps, or is empty; those of x are appended. Rotary positions count from the first step of
    // `past`.
    AttentionOutput<T> operator()(const Variable<T>& x, KeyValues<T>& past,
                                  const AttentionMask& attention_mask = {},
                                  Where caller = Where::current()) const;

    // In two parts, for keys and values [B, S, heads, E / heads] that are used for many queries.
    KeyValues<T> prepare(const Variable<T>& key, const Variable<T>& value, const Mask& keys = {},
                         Where caller = Where::current()) const;
    AttentionOutput<T> operator()(const Variable<T>& query, const KeyValues<T>& memory,
                                  const AttentionMask& attention_mask = {},
                                  Where caller = Where::current()) const;

    // The interface that Decoder requires: one query [B, E]; weights [B, S] are the mean over
    // heads.
    std::size_t context_width() const { return options.width; }
    KeyValues<T> prepare(const Variable<T>& memory, const Mask& mask = {},
                         Where caller = Where::current()) const {
        return prepare(memory, memory, mask, caller);
    }
    AttentionOutput<T> step(const Variable<T>& query, const KeyValues<T>& memory,
                            const Variable<T>& previous = {},
                            Where caller = Where::current()) const;
    void members(Members<T>& m);

    MultiHeadOptions options;
    Parameter<T> in_proj_weight;                              // if M = E, otherwise
    Parameter<T> q_proj_weight, k_proj_weight, v_proj_weight; // these
    Parameter<T> in_proj_bias;                                // or empty
    ModuleName module_name{"MultiHeadAttention"};
    Linear<T> out_proj;

private:
    bool is_joint() const { return options.memory == options.width; }
    Variable<T> project(const Variable<T>& x, std::size_t first, std::size_t count) const;
    Variable<T> heads(const Variable<T>& x) const;
    // Queries [B, T, heads, E / heads].
    AttentionOutput<T> attend(const Variable<T>& queries, const KeyValues<T>& memory,
                              const AttentionMask& attention_mask) const;
};

} // namespace unroll::nn
