#pragma once

#include <unroll/nn/attention/attention.hpp>
#include <unroll/nn/layers/layers.hpp>

namespace unroll::nn {

// softmax(q k^T / sqrt(d)) v: q [..., T, d], k [..., S, d], v [..., S, e] -> context [..., T, e]
// and weights [..., T, S]; leading axes and the mask broadcast; dropout applies to the weights. A
// fully masked query, or one without keys, gets zeros and passes no gradient. Throws Error if
// shapes do not match.  (Vaswani et al. 2017)
template <class T>
Attended<T> scaled_dot_product_attention(const Variable<T>& q, const Variable<T>& k,
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
struct Visibility {
    Mask keys = {};  // [B, S]: for example length_mask()
    Mask pairs = {}; // broadcasts to [B, heads, T, S]; [T, S]: the same for all
    bool causal = false;
};

// Attention with several heads, each over its own block of projected features. Weights have
// PyTorch's names and shapes: in_proj_weight [3 E, E] of queries, keys and values, or where M is
// not E q_proj_weight [E, E], k_proj_weight and v_proj_weight [E, M]; in_proj_bias [3 E],
// out_proj.weight [E, E], out_proj.bias [E]. A fully masked query gets out_proj.bias. (Vaswani et
// al. 2017)
template <class T>
class MultiHeadAttention {
public:
    using value_type = T;
    using Options = MultiHeadOptions;
    // Throws Error for invalid widths.
    explicit MultiHeadAttention(const MultiHeadOptions& options);

    // query [T, B, E], key and value [S, B, M] -> context [T, B, E], weights [B, heads, T, S].
    // Throws Error if shapes or masks do not match, and for more causal queries than keys; fewer
    // causal queries are the last steps.
    Attended<T> operator()(const Variable<T>& query, const Variable<T>& key,
                           const Variable<T>& value, const Visibility& visible = {}) const;
    // Self-attention. Steps that visible.keys masks are padding and read as 0, also as queries
    // (PyTorch reads them).
    Attended<T> operator()(const Variable<T>& x, const Visibility& visible = {}) const;
    // Self-attention with a KV cache: x attends to `past` and to itself, and its keys and values
    // are appended to `past`, which may be empty. Rotary positions count from the first step of
    // `past`.
    Attended<T> operator()(const Variable<T>& x, Memory<T>& past,
                           const Visibility& visible = {}) const;

    // In two parts, for keys and values [B, S, heads, E / heads] used by many queries.
    Memory<T> prepare(const Variable<T>& key, const Variable<T>& value,
                      const Mask& keys = {}) const;
    Attended<T> operator()(const Variable<T>& query, const Memory<T>& memory,
                           const Visibility& visible = {}) const;

    // The interface that Decoder requires: one query [B, E]; weights [B, S] are the mean over
    // heads.
    std::size_t context_width() const { return options.width; }
    Memory<T> prepare(const Variable<T>& memory, const Mask& mask = {}) const {
        return prepare(memory, memory, mask);
    }
    Attended<T> step(const Variable<T>& query, const Memory<T>& memory,
                     const Variable<T>& previous = {}) const;
    void members(Members<T>& m);

    MultiHeadOptions options;
    Parameter<T> in_proj_weight;                              // if M = E, otherwise
    Parameter<T> q_proj_weight, k_proj_weight, v_proj_weight; // these
    Parameter<T> in_proj_bias;                                // or empty
    Linear<T> out_proj;

private:
    bool is_joint() const { return options.memory == options.width; }
    Variable<T> project(const Variable<T>& x, std::size_t first, std::size_t count) const;
    Variable<T> heads(const Variable<T>& x) const;
    // Queries [B, T, heads, E / heads].
    Attended<T> attend(const Variable<T>& queries, const Memory<T>& memory,
                       const Visibility& visible) const;
};

} // namespace unroll::nn
