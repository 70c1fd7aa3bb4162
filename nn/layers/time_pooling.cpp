#include <unroll/nn/layers/padding.hpp>
#include <unroll/nn/layers/time_pooling.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/text/batches.hpp>
#include <unroll/ops/join.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <limits>

namespace unroll::nn {

namespace {

template <class T>
void check(const Op& op, const Variable<T>& h) {
    if (h.dimension() != 3)
        fail(op, "h has shape " + to_string(h.shape()) + ", expected [T, B, n]");
}

// Whether a step is before the end of its sequence, [T, B, 1].
template <class T>
Mask counted(const Op& op, const Variable<T>& h, std::span<const std::size_t> lengths) {
    check(op, h);
    return active_steps(op, h.shape(0), h.shape(1), lengths).expand_dims(-1);
}

} // namespace

template <class T>
Variable<T> mean_over_time(const Variable<T>& h, std::span<const std::size_t> lengths, Op op) {
    const Scope scope(op.name);
    check(op, h);
    const auto steps = checked_lengths(op, h.shape(0), h.shape(1), lengths);
    Tensor<T> counts({steps.size(), 1});
    for (std::size_t b = 0; b < steps.size(); ++b)
        counts.data()[b] = static_cast<T>(std::max<std::size_t>(steps[b], 1));
    return sum(without_padding(h, lengths, op), {0}) / counts;
}

template <class T>
Variable<T> max_over_time(const Variable<T>& h, std::span<const std::size_t> lengths, Op op) {
    const Scope scope(op.name);
    const Mask active = counted(op, h, lengths);
    if (h.shape(0) == 0) return sum(h, {0});
    const auto steps = checked_lengths(op, h.shape(0), h.shape(1), lengths);
    Mask some({steps.size(), 1});
    for (std::size_t b = 0; b < steps.size(); ++b) some.data()[b] = steps[b] > 0;
    constexpr T lowest = std::numeric_limits<T>::lowest();
    return where(some, amax(where(active, h, lowest), {0}), 0);
}

template <class T>
Variable<T> last_layer(const Variable<T>& state, bool bidirectional, Op op) {
    const std::size_t n = state.dimension() == 3 ? state.shape(0) : 0;
    if (n < (bidirectional ? 2 : 1))
        fail(op, "the state has shape " + to_string(state.shape()) + ", expected [" +
                     (bidirectional ? "layers * 2" : "layers") + ", B, H]");
    if (!bidirectional) return select(state, 0, n - 1);
    return concatenate({select(state, 0, n - 2), select(state, 0, n - 1)}, -1);
}

namespace {

LinearOptions attend_options(const AttentionPoolingOptions& o, Where where) {
    require_sizes(Op("AttentionPooling", where), {{"input", o.input}, {"hidden", o.hidden}});
    return {.input = o.input, .output = o.hidden};
}

} // namespace

template <class T>
AttentionPooling<T>::AttentionPooling(const AttentionPoolingOptions& options, Where where)
    : attend(attend_options(options, where), where),
      weigh({.input = options.hidden, .output = 1, .bias = false}, where) {}

template <class T>
typename AttentionPooling<T>::Pooled
AttentionPooling<T>::operator()(const Variable<T>& h, std::span<const std::size_t> lengths,
                                Where caller) const {
    const Op op = Op::unplaced("AttentionPooling");
    const Scope scope(module_name, caller);
    const Mask active = counted(op, h, lengths);
    const Variable<T> inside = without_padding(h, lengths, op);
    const Variable<T> weights = softmax(weigh(tanh(attend(inside))), active, 0);
    return {sum(weights * inside, {0}), select(weights, 2, 0)};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> mean_over_time(const Variable<T>&, std::span<const std::size_t>, Op);     \
    template Variable<T> max_over_time(const Variable<T>&, std::span<const std::size_t>, Op);      \
    template Variable<T> last_layer(const Variable<T>&, bool, Op);                                 \
    template class AttentionPooling<T>;
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
