#include <unroll/nn/attention/attention.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/pointwise.hpp>

#include <cmath>

namespace unroll::nn {

Mask length_mask(std::span<const std::size_t> lengths, std::size_t steps, Op op) {
    Mask mask(Shape{lengths.size(), steps});
    for (std::size_t b = 0; b < lengths.size(); ++b) {
        if (lengths[b] > steps)
            fail(op, "length " + std::to_string(static_cast<std::ptrdiff_t>(lengths[b])) +
                         " of sequence " + std::to_string(b) + " is more than the " +
                         std::to_string(steps) + " steps");
        for (std::size_t t = 0; t < steps; ++t) mask.data()[b * steps + t] = t < lengths[b];
    }
    return mask;
}

Mask causal_mask(std::size_t queries, std::size_t keys, Op op) {
    if (queries > keys)
        fail(op, std::to_string(queries) + " queries and " + std::to_string(keys) +
                     " keys: the queries must be the last of the keys' steps");
    Mask mask(Shape{queries, keys});
    for (std::size_t i = 0; i < queries; ++i)
        for (std::size_t j = 0; j < keys; ++j)
            mask.data()[i * keys + j] = j <= i + (keys - queries);
    return mask;
}

Mask all_of(const Mask& a, const Mask& b, Op op) {
    if (!a.storage()) return b;
    if (!b.storage()) return a;
    const Shape shape = broadcast(op, a.shape(), b.shape());
    Mask both = a.broadcast_to(shape).copy();
    const Mask other = b.broadcast_to(shape).contiguous();
    for (std::size_t i = 0; i < both.size(); ++i) both.data()[i] &= other.data()[i];
    return both;
}

Mask seen_keys(const Mask& mask) {
    if (mask.dimension() < 2) return mask;
    const Mask dense = mask.contiguous();
    const std::size_t S = mask.shape().back(), queries = mask.shape(mask.dimension() - 2);
    Shape shape(mask.shape().begin(), mask.shape().end() - 1);
    shape.back() = S;
    Mask attended = Mask::full(shape, false);
    const std::size_t groups = S > 0 ? attended.size() / S : 0;
    for (std::size_t i = 0; i < groups * queries; ++i)
        for (std::size_t s = 0; s < S; ++s)
            attended.data()[i / queries * S + s] |= dense.data()[i * S + s];
    return attended;
}

template <class T>
KeyValues<T> KeyValues<T>::reordered(const Indices& parents) const {
    KeyValues next{take(keys, parents), take(values, parents), {}};
    if (!mask.storage()) return next;
    next.mask = Mask({parents.size(), mask.shape(1)});
    for (std::size_t i = 0; i < parents.size(); ++i)
        next.mask.select(0, i).assign(mask.select(0, static_cast<std::size_t>(parents(i))));
    return next;
}

namespace {

template <class T>
Parameter<T> fresh(const char* name, const Shape& shape) {
    const double bound = 1 / std::sqrt(static_cast<double>(shape.back()));
    return Parameter<T>(name, uniform<T>(shape, bound, next_stream()));
}

template <class Options>
void require_widths(const Op& op, const Options& o) {
    require_sizes(op, {{"query", o.query}, {"memory", o.memory}, {"width", o.width}});
}

LocationScoreOptions checked(const Op& op, const LocationScoreOptions& o) {
    require_widths(op, o);
    require_sizes(op, {{"filters", o.filters}, {"window", o.window}});
    return o;
}

// queries [T, B, A], keys [B, S, A] -> q . k, [B, T, S]
template <class T>
Variable<T> products(const Variable<T>& queries, const Variable<T>& keys) {
    return matmul(swapaxes(queries, 0, 1), swapaxes(keys, 1, 2));
}

// v . tanh(q + k + more...), where `more` has the shape of the keys.
template <class T, class... More>
Variable<T> energies(const Variable<T>& queries, const Variable<T>& keys, const Parameter<T>& v,
                     const More&... more) {
    const Variable<T> hidden = fuse(
        "energy", [](auto q, auto... k) { return tanh((q + ... + k)); },
        expand_dims(swapaxes(queries, 0, 1), 2), expand_dims(keys, 1), expand_dims(more, 1)...);
    return matmul(hidden, v);
}

} // namespace

template <class T>
DotScore<T>::DotScore(const Options& options, Where where) : options(options) {
    require_sizes(Op(name, where), {{"query", options.query}, {"memory", options.memory}});
    if (options.query != options.memory)
        fail(Op(name, where), "queries of width " + std::to_string(options.query) +
                                  " and a memory of width " + std::to_string(options.memory) +
                                  ": their product needs equal widths");
}

template <class T>
Variable<T> DotScore<T>::operator()(const Variable<T>& queries, const Variable<T>& keys,
                                    const Variable<T>&) const {
    if (!options.scaled) return products(queries, keys);
    return products(queries * (1 / std::sqrt(static_cast<double>(options.query))), keys);
}

template <class T>
GeneralScore<T>::GeneralScore(const Options& options, Where where) : options(options) {
    require_sizes(Op(name, where), {{"query", options.query}, {"memory", options.memory}});
    weight = fresh<T>("weight", {options.query, options.memory});
}

template <class T>
Variable<T> GeneralScore<T>::keys(const Variable<T>& memory) const {
    return linear(memory, weight);
}

template <class T>
Variable<T> GeneralScore<T>::operator()(const Variable<T>& queries, const Variable<T>& keys,
                                        const Variable<T>&) const {
    return products(queries, keys);
}

template <class T>
ConcatScore<T>::ConcatScore(const Options& options, Where where) : options(options) {
    require_widths(Op(name, where), options);
    weight = fresh<T>("weight", {options.width, options.query + options.memory});
    v = fresh<T>("v", {options.width});
}

template <class T>
Variable<T> ConcatScore<T>::keys(const Variable<T>& memory) const {
    return linear(memory, slice(weight, 1, options.query, weight.shape()[1]));
}

template <class T>
Variable<T> ConcatScore<T>::operator()(const Variable<T>& queries, const Variable<T>& keys,
                                       const Variable<T>&) const {
    return energies(linear(queries, slice(weight, 1, 0, options.query)), keys, v);
}

template <class T>
AdditiveScore<T>::AdditiveScore(const Options& options, Where where) : options(options) {
    require_widths(Op(name, where), options);
    query_weight = fresh<T>("query_weight", {options.width, options.query});
    memory_weight = fresh<T>("memory_weight", {options.width, options.memory});
    if (options.bias) bias = Parameter<T>("bias", Tensor<T>::zeros({options.width}));
    v = fresh<T>("v", {options.width});
}

template <class T>
Variable<T> AdditiveScore<T>::keys(const Variable<T>& memory) const {
    return options.bias ? linear(memory, memory_weight, bias) : linear(memory, memory_weight);
}

template <class T>
Variable<T> AdditiveScore<T>::operator()(const Variable<T>& queries, const Variable<T>& keys,
                                         const Variable<T>&) const {
    return energies(linear(queries, query_weight), keys, v);
}

template <class T>
void AdditiveScore<T>::members(Members<T>& m) {
    m("query_weight", query_weight)("memory_weight", memory_weight);
    if (options.bias) m("bias", bias);
    m("v", v);
}

template <class T>
LocationScore<T>::LocationScore(const Options& options, Where where)
    : options(checked(Op(name, where), options)),
      content({options.query, options.memory, options.width}, where) {
    location_weight = fresh<T>("location_weight", {options.width, options.filters});
    filters = fresh<T>("filters", {options.filters, options.window});
}

template <class T>
Variable<T> LocationScore<T>::operator()(const Variable<T>& queries, const Variable<T>& keys,
                                         const Variable<T>& previous) const {
    if (queries.shape(0) != 1)
        fail(name, "expected one query at a time, got " + std::to_string(queries.shape(0)));
    const std::size_t steps = keys.shape(1), window = options.window;
    // Index (s, j): the step of the padded weights that filter element j reads at step s.
    Indices positions(Shape{steps, window});
    for (std::size_t s = 0; s < steps; ++s)
        for (std::size_t j = 0; j < window; ++j)
            positions.data()[s * window + j] = static_cast<std::int64_t>(s + j);
    const Variable<T> padded = pad(transpose(previous), 0, (window - 1) / 2, window / 2);
    const Variable<T> windows = transpose(take(padded, positions), {2, 0, 1}); // [B, S, window]
    const Variable<T> location = linear(linear(windows, filters), location_weight);
    return energies(linear(queries, content.query_weight), keys, content.v, location);
}

namespace detail {

void check_memory(const char* name, const Shape& memory, std::size_t width, const Mask& mask) {
    if (memory.size() != 3 || memory[2] != width)
        fail(name, "the memory has shape " + to_string(memory) + ", expected [S, B, " +
                       std::to_string(width) + "]");
    const Shape expected{memory[1], memory[0]};
    mask.require_not_moved(Op::unplaced(name));
    if (mask.storage() && mask.shape() != expected)
        fail(name, "the mask has shape " + to_string(mask.shape()) +
                       ", expected [B, S] = " + to_string(expected));
}

void check_queries(const char* name, const Shape& queries, std::size_t width, const Shape& keys) {
    if (queries.size() != 3 || queries[1] != keys[0] || queries[2] != width)
        fail(name, "queries have shape " + to_string(queries) + ", expected [T, " +
                       std::to_string(keys[0]) + ", " + std::to_string(width) + "]");
}

void check_previous(const char* name, const Shape& previous, const Shape& keys) {
    const Shape expected{keys[0], keys[1]};
    if (previous != expected)
        fail(name, "the weights of the previous step have shape " + to_string(previous) +
                       ", expected " + to_string(expected));
}

template <class T>
Variable<T> without_hidden(const Variable<T>& x, const Mask& keys) {
    keys.require_not_moved(Op::unplaced("key_padding_mask"));
    if (!keys.storage() || keys.dimension() != 2 || x.dimension() < 2 ||
        keys.shape(0) != x.shape(1) || keys.shape(1) < x.shape(0))
        return x;
    const std::size_t all = keys.shape(1);
    Mask own = keys.slice(1, all - x.shape(0), all).transpose();
    while (own.dimension() < x.dimension()) own = own.expand_dims(-1);
    return where(own, x, 0);
}

template <class T>
Variable<T> batch_first(const Variable<T>& x, const Mask& mask) {
    return swapaxes(without_hidden(x, mask), 0, 1);
}

template <class T>
AttentionOutput<T> attend(const Variable<T>& scores, const KeyValues<T>& memory) {
    const Variable<T> weights =
        memory.mask.storage() ? softmax(scores, memory.mask.expand_dims(1)) : softmax(scores);
    return {swapaxes(matmul(weights, memory.values), 0, 1), swapaxes(weights, 0, 1)};
}

} // namespace detail

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct KeyValues<T>;                                                                  \
    template struct DotScore<T>;                                                                   \
    template struct GeneralScore<T>;                                                               \
    template struct ConcatScore<T>;                                                                \
    template struct AdditiveScore<T>;                                                              \
    template struct LocationScore<T>;                                                              \
    template Variable<T> detail::without_hidden(const Variable<T>&, const Mask&);                  \
    template Variable<T> detail::batch_first(const Variable<T>&, const Mask&);                     \
    template AttentionOutput<T> detail::attend(const Variable<T>&, const KeyValues<T>&);           \
    template class Attention<DotScore<T>>;                                                         \
    template class Attention<GeneralScore<T>>;                                                     \
    template class Attention<ConcatScore<T>>;                                                      \
    template class Attention<AdditiveScore<T>>;                                                    \
    template class Attention<LocationScore<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
