#pragma once

#include <unroll/core/autograd/record.hpp>
#include <unroll/nn/module.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/ops/views.hpp>

#include <span>

namespace unroll::nn {

// Masks are true for elements that take part.

// [B, steps]: true for the steps of each sequence. Throws Error for a length above `steps`.
Mask length_mask(std::span<const std::size_t> lengths, std::size_t steps, Op op = "length_mask");
// [queries, keys]: the queries are the last steps of the keys, and each attends to the keys up to
// its own step. Throws Error for more queries than keys.
Mask causal_mask(std::size_t queries, std::size_t keys, Op op = "causal_mask");
// Logical and, with broadcasting. An empty mask is true everywhere.
Mask all_of(const Mask& a, const Mask& b, Op op = "all_of");
// [..., S]: true for keys that at least one query may attend to; mask [..., queries, S].
Mask seen_keys(const Mask& mask);

// Keys and values, projected once for all queries. Batch-first.
template <class T = float>
struct KeyValues {
    Variable<T> keys;   // [B, S, ...]
    Variable<T> values; // [B, S, ...]
    Mask mask;          // [B, S]; empty: all steps take part

    bool is_empty() const { return keys.dimension() < 3; } // default-constructed
    std::size_t steps() const { return keys.shape(1); }
    // Selects sequences of the batch: row i of the result is row parents[i].
    KeyValues reordered(const Indices& parents) const;
};

// The output of attention: the weighted mean of the values, and the weights.
template <class T = float>
struct AttentionOutput {
    Variable<T> context; // [T, B, M], or [B, M] for one step
    Variable<T> weights; // [T, B, S], or [B, S]
};

// A score says how well queries match keys. Attention<S> works with any struct that has
//   value_type, Options { query, memory, ... }, options, uses_previous, name, members(m),
//   keys: memory [S, B, M] -> [S, B, ...], the part that does not depend on the queries
//   operator(): queries [T, B, Q], keys [B, S, ...], previous [B, S] -> [B, T, S]
// and is constructed from Options. `previous`, the weights of the previous step, is only passed if
// uses_previous is true.

namespace detail {

template <class S>
inline constexpr bool has_score_types = requires {
    typename S::value_type;
    typename S::Options;
    { S::uses_previous } -> std::convertible_to<bool>;
    { S::name } -> std::convertible_to<const char*>;
};
template <class S>
inline constexpr bool has_score_options =
    std::constructible_from<S, const typename S::Options&>&& requires(const S& score) {
    { score.options.query } -> std::convertible_to<std::size_t>;
    { score.options.memory } -> std::convertible_to<std::size_t>;
};
template <class S, class V = Variable<typename S::value_type>>
inline constexpr bool has_keys = requires(const S& score, const V& memory) {
    { score.keys(memory) } -> std::convertible_to<V>;
};
template <class S, class V = Variable<typename S::value_type>>
inline constexpr bool has_scores = requires(const S& score, const V& queries, const V& keys,
                                            const V& previous) {
    { score(queries, keys, previous) } -> std::convertible_to<V>;
};

// Reports in one static_assert what a type lacks as a score.
template <class S>
consteval bool require_score() {
    static_assert(has_score_types<S>, "a score needs the types value_type and Options, and static "
                                      "constants `bool uses_previous` and `const char* name`");
    if constexpr (has_score_types<S>) {
        static_assert(has_score_options<S>,
                      "a score is constructed from its Options and keeps them as a public member "
                      "`options`, with the widths `query` and `memory`");
        static_assert(!has_score_options<S> || has_keys<S>,
                      "a score needs a public function Variable<T> keys(const Variable<T>& memory) "
                      "const");
        static_assert(!has_score_options<S> || !has_keys<S> || has_scores<S>,
                      "a score needs a public Variable<T> operator()(const Variable<T>& queries, "
                      "const Variable<T>& keys, const Variable<T>& previous) const");
        if constexpr (has_score_options<S> && has_keys<S> && has_scores<S>)
            can_be_member<S, typename S::value_type>();
    }
    return true;
}

} // namespace detail

template <class S>
concept Score = detail::has_score_types<S> && detail::has_score_options<S> && detail::has_keys<S> &&
    detail::has_scores<S> && detail::ListsMembers<S, typename S::value_type>;

// q . m, or q . m / sqrt(Q)  (Luong et al. 2015; Vaswani et al. 2017). Q = M.
struct DotScoreOptions {
    std::size_t query = 0, memory = 0;
    bool scaled = false;
};
template <class T = float>
struct DotScore {
    using value_type = T;
    using Options = DotScoreOptions;
    static constexpr bool uses_previous = false;
    static constexpr const char* name = "DotScore";

    explicit DotScore(const Options& options, Where where = Where::current());
    Variable<T> keys(const Variable<T>& memory) const { return memory; }
    Variable<T> operator()(const Variable<T>& queries, const Variable<T>& keys,
                           const Variable<T>& previous) const;
    void members(Members<T>&) {}

    Options options;
};

// q . W m  (Luong et al. 2015)
struct GeneralScoreOptions {
    std::size_t query = 0, memory = 0;
};
template <class T = float>
struct GeneralScore {
    using value_type = T;
    using Options = GeneralScoreOptions;
    static constexpr bool uses_previous = false;
    static constexpr const char* name = "GeneralScore";

    explicit GeneralScore(const Options& options, Where where = Where::current());
    Variable<T> keys(const Variable<T>& memory) const;
    Variable<T> operator()(const Variable<T>& queries, const Variable<T>& keys,
                           const Variable<T>& previous) const;
    void members(Members<T>& m) { m("weight", weight); }

    Options options;
    Parameter<T> weight; // [Q, M]
};

// v . tanh(W [q; m])  (Luong et al. 2015)
struct ConcatScoreOptions {
    std::size_t query = 0, memory = 0, width = 0;
};
template <class T = float>
struct ConcatScore {
    using value_type = T;
    using Options = ConcatScoreOptions;
    static constexpr bool uses_previous = false;
    static constexpr const char* name = "ConcatScore";

    explicit ConcatScore(const Options& options, Where where = Where::current());
    Variable<T> keys(const Variable<T>& memory) const;
    Variable<T> operator()(const Variable<T>& queries, const Variable<T>& keys,
                           const Variable<T>& previous) const;
    void members(Members<T>& m) { m("weight", weight)("v", v); }

    Options options;
    Parameter<T> weight; // [width, Q + M]
    Parameter<T> v;      // [width]
};

// v . tanh(W q + U m + b); the paper has no b  (Bahdanau, Cho, Bengio 2015)
struct AdditiveScoreOptions {
    std::size_t query = 0, memory = 0, width = 0;
    bool bias = true;
};
template <class T = float>
struct AdditiveScore {
    using value_type = T;
    using Options = AdditiveScoreOptions;
    static constexpr bool uses_previous = false;
    static constexpr const char* name = "AdditiveScore";

    explicit AdditiveScore(const Options& options, Where where = Where::current());
    Variable<T> keys(const Variable<T>& memory) const;
    Variable<T> operator()(const Variable<T>& queries, const Variable<T>& keys,
                           const Variable<T>& previous) const;
    void members(Members<T>& m);

    Options options;
    Parameter<T> query_weight;  // W [width, Q]
    Parameter<T> memory_weight; // U [width, M]
    Parameter<T> bias;          // b [width], or empty
    Parameter<T> v;             // [width]
};

// v . tanh(W q + U m + L f + b), f_s = sum over j of F_j previous_(s + j - (window - 1) / 2): the
// weights of the previous step, convolved with `filters` filters  (Chorowski et al. 2015)
struct LocationScoreOptions {
    std::size_t query = 0, memory = 0, width = 0;
    std::size_t filters = 10, window = 31;
};
template <class T = float>
struct LocationScore {
    using value_type = T;
    using Options = LocationScoreOptions;
    static constexpr bool uses_previous = true;
    static constexpr const char* name = "LocationScore";

    explicit LocationScore(const Options& options, Where where = Where::current());
    Variable<T> keys(const Variable<T>& memory) const { return content.keys(memory); }
    // One query, [1, B, Q], as the next one needs its weights.
    Variable<T> operator()(const Variable<T>& queries, const Variable<T>& keys,
                           const Variable<T>& previous) const;
    void members(Members<T>& m) {
        m("", content)("location_weight", location_weight)("filters", filters);
    }

    Options options;
    AdditiveScore<T> content;     // W, U, b, v
    Parameter<T> location_weight; // L [width, filters]
    Parameter<T> filters;         // F [filters, window]
};

template <class S>
class Attention;

// weights = softmax over the memory's steps of score(query, memory); context = weights . memory.
// Masked steps get weight 0 and no gradient, whatever values they hold. If all steps are masked, or
// there are none, weights and context are 0.
template <Score S>
class Attention<S> {
public:
    using value_type = typename S::value_type;
    using T = value_type;
    using Options = typename S::Options;

    explicit Attention(const Options& options, Where where = Where::current())
        : score(detail::construct<S>(where, options)) {}
    std::size_t context_width() const { return score.options.memory; }

    // memory [S, B, M], mask [B, S] or none: once per sequence. Throws Error if shapes do not
    // match.
    KeyValues<T> prepare(const Variable<T>& memory, const Mask& mask = {},
                         Where caller = Where::current()) const;
    // queries [T, B, Q], all at once unless the score reads the weights of the previous step, which
    // are initially 0. Throws Error if they do not match the memory.
    static constexpr bool answers_all = true;
    AttentionOutput<T> operator()(const Variable<T>& queries, const KeyValues<T>& memory,
                                  Where caller = Where::current()) const;
    // One query [B, Q]; `previous` are the weights of the previous step, [B, S], 0 if not given.
    AttentionOutput<T> step(const Variable<T>& query, const KeyValues<T>& memory,
                            const Variable<T>& previous = {},
                            Where caller = Where::current()) const;
    void members(Members<T>& m) { m(module_name)("", score); }

    S score;
    ModuleName module_name{S::name};
};

template <class T = float>
using DotAttention = Attention<DotScore<T>>;
template <class T = float>
using GeneralAttention = Attention<GeneralScore<T>>;
template <class T = float>
using ConcatAttention = Attention<ConcatScore<T>>;
template <class T = float>
using AdditiveAttention = Attention<AdditiveScore<T>>;
template <class T = float>
using LocationAttention = Attention<LocationScore<T>>;

// ---- implementation ----

// For a type that is not a score: only reports what it lacks.
template <class S>
class Attention {
    static_assert(detail::require_score<S>());

public:
    explicit Attention(const typename detail::OptionsOf<S>::type&, Where = Where()) {}
    template <class... X>
    KeyValues<float> prepare(const X&...) const {
        return {};
    }
    template <class... X>
    AttentionOutput<float> operator()(const X&...) const {
        return {};
    }
    template <class... X>
    AttentionOutput<float> step(const X&...) const {
        return {};
    }
    void members(Members<float>&) {}
};

namespace detail {

void check_memory(const char* name, const Shape& memory, std::size_t width, const Mask& mask);
void check_queries(const char* name, const Shape& queries, std::size_t width, const Shape& keys);
void check_previous(const char* name, const Shape& previous, const Shape& keys);

// x [T, B, ...], whose steps are the last of the S, with masked steps set to 0. Unchanged without a
// mask or if shapes do not match.
template <class T>
Variable<T> without_hidden(const Variable<T>& x, const Mask& keys);
// x [S, B, M] as [B, S, M], with zeros where the mask [B, S] is false.
template <class T>
Variable<T> batch_first(const Variable<T>& x, const Mask& mask);
// Weights and context from scores [B, T, S].
template <class T>
AttentionOutput<T> attend(const Variable<T>& scores, const KeyValues<T>& memory);

} // namespace detail

template <Score S>
KeyValues<typename S::value_type> Attention<S>::prepare(const Variable<T>& memory, const Mask& mask,
                                                        Where caller) const {
    const Scope scope(module_name, caller);
    detail::check_memory(S::name, memory.shape(), score.options.memory, mask);
    const Variable<T> values = detail::batch_first(memory, mask);
    return {swapaxes(score.keys(swapaxes(values, 0, 1)), 0, 1), values, mask};
}

template <Score S>
AttentionOutput<typename S::value_type> Attention<S>::operator()(const Variable<T>& queries,
                                                                 const KeyValues<T>& memory,
                                                                 Where caller) const {
    const Scope scope(module_name, caller);
    detail::check_queries(S::name, queries.shape(), score.options.query, memory.keys.shape());
    if constexpr (!S::uses_previous) {
        return detail::attend(score(queries, memory.keys, Variable<T>()), memory);
    } else {
        std::vector<Variable<T>> contexts, weights;
        AttentionOutput<T> last;
        for (std::size_t t = 0; t < queries.shape(0); ++t) {
            const Scope step_scope("t", static_cast<std::int64_t>(t));
            last = step(select(queries, 0, t), memory, last.weights);
            contexts.push_back(last.context);
            weights.push_back(last.weights);
        }
        const std::size_t batch = queries.shape(1);
        if (contexts.empty())
            return {Tensor<T>::zeros({0, batch, context_width()}),
                    Tensor<T>::zeros({0, batch, memory.steps()})};
        return {stack(contexts), stack(weights)};
    }
}

template <Score S>
AttentionOutput<typename S::value_type>
Attention<S>::step(const Variable<T>& query, const KeyValues<T>& memory,
                   const Variable<T>& previous, Where caller) const {
    const Scope scope(module_name, caller);
    const Variable<T> queries = query.dimension() == 2 ? expand_dims(query, 0) : query;
    detail::check_queries(S::name, queries.shape(), score.options.query, memory.keys.shape());
    Variable<T> before = previous;
    if (S::uses_previous && !before.has_value())
        before = Tensor<T>::zeros({query.shape(0), memory.steps()});
    if (S::uses_previous) detail::check_previous(S::name, before.shape(), memory.keys.shape());
    const AttentionOutput<T> found = detail::attend(score(queries, memory.keys, before), memory);
    return {squeeze(found.context, 0), squeeze(found.weights, 0)};
}

#define UNROLL_DECLARE(T)                                                                          \
    extern template class Attention<DotScore<T>>;                                                  \
    extern template class Attention<GeneralScore<T>>;                                              \
    extern template class Attention<ConcatScore<T>>;                                               \
    extern template class Attention<AdditiveScore<T>>;                                             \
    extern template class Attention<LocationScore<T>>;

UNROLL_DECLARE(float)
UNROLL_DECLARE(double)
#undef UNROLL_DECLARE

} // namespace unroll::nn
