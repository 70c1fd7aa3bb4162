#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/fuse/rows.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

namespace unroll {

namespace {

// The mean over all elements; 0 if there are none.
template <class T>
Variable<T> mean_or_zero(const Variable<T>& losses) {
    return losses.size() == 0 ? sum(losses) : mean(losses);
}

template <class T>
void same_shape(const Op& op, const Variable<T>& x, const Variable<T>& y) {
    if (x.shape() != y.shape())
        fail(op, "shapes differ: " + to_string(x.shape()) + " and " + to_string(y.shape()));
}

} // namespace

template <class T>
Variable<T> cross_entropy(const Variable<T>& logits, const Indices& targets,
                          CrossEntropyOptions options, Op op) {
    if (logits.dimension() == 0 || logits.shape().back() == 0 ||
        targets.shape() != Shape(logits.shape().begin(), logits.shape().end() - 1))
        fail(op, "logits " + to_string(logits.shape()) + " and targets " +
                     to_string(targets.shape()) + "; expected [..., C] and [...]");
    if (!(options.smoothing >= 0 && options.smoothing < 1))
        fail(op, "smoothing must be in [0, 1), got " + std::to_string(options.smoothing));
    const std::size_t classes = logits.shape().back();
    const Indices target = targets.contiguous();
    const std::size_t rows = target.size();
    std::size_t counted = 0;
    for (std::size_t i = 0; i < rows; ++i) {
        const std::int64_t t = target.data()[i];
        if (t == options.ignored) continue;
        if (t < 0 || static_cast<std::uint64_t>(t) >= classes)
            fail(op, "target " + std::to_string(t) + " at position " + std::to_string(i) +
                         " is outside [0, " + std::to_string(classes) + ")");
        ++counted;
    }

    const auto even = static_cast<T>(options.smoothing / static_cast<double>(classes));
    const auto own = static_cast<T>(1 - options.smoothing);
    const T share = counted == 0 ? T(0) : T(1) / static_cast<T>(counted);
    const Tensor<T> x = logits.value().contiguous();
    Shape column = logits.shape();
    column.back() = 1;
    Tensor<T> log_sums(column), weights(column);
    double total = 0;
    for (std::size_t i = 0; i < rows; ++i) {
        const T* row = x.data() + i * classes;
        const std::int64_t t = target.data()[i];
        const bool counts = t != options.ignored;
        weights.data()[i] = counts ? share : T(0);
        log_sums.data()[i] = 0; // an ignored row may hold any values; its sum is not used
        if (!counts) continue;
        const T top = detail::row_max(row, classes);
        const T log_sum = top + std::log(detail::row_exp<T>(row, classes, top, nullptr));
        log_sums.data()[i] = log_sum;
        T loss = own * (log_sum - row[t]);
        if (even > 0)
            for (std::size_t j = 0; j < classes; ++j) loss += even * (log_sum - row[j]);
        total += static_cast<double>(loss);
    }
    Tensor<T> value = Tensor<T>::scalar(static_cast<T>(total * static_cast<double>(share)));
    // The sums are a separate result, so that the gradient can be differentiated.
    const std::array<const Variable<T>*, 1> inputs{&logits};
    return record<T>(
        op, std::span(inputs), std::array{std::move(value), std::move(log_sums)},
        keep(logits, Result<1>(), targets),
        [weights, even, own, ignored = options.ignored](
            const Adjoints<T>& to, std::span<const Variable<T>> g, const Variable<T>& logits,
            const Variable<T>& log_sums, const Indices& targets) {
            if (g[1].value().storage())
                add_fused(
                    to[0],
                    [](auto x, auto log_sum, auto weight, auto g) {
                        return where(weight > 0, g * exp(x - log_sum), 0);
                    },
                    logits, log_sums, constant(weights), g[1]);
            if (!g[0].value().storage()) return;
            add_fused(
                to[0],
                [even](auto x, auto log_sum, auto weight, auto g) {
                    return where(weight > 0, g * weight * (exp(x - log_sum) - even), 0);
                },
                logits, log_sums, constant(weights), g[0]);
            const std::size_t classes = logits.shape().back();
            const Indices target = targets.contiguous();
            Tensor<T> picked(Shape{target.size()});
            Indices flat(Shape{target.size()});
            for (std::size_t i = 0; i < target.size(); ++i) {
                const bool counts = target.data()[i] != ignored;
                picked.data()[i] = counts ? -own * weights.data()[i] : T(0);
                flat.data()[i] =
                    static_cast<std::int64_t>(i * classes) + (counts ? target.data()[i] : 0);
            }
            to[0].scatter_elements(flat, fuse(
                                             "cross_entropy", [](auto p, auto g) { return p * g; },
                                             constant(std::move(picked)), g[0]));
        })[0];
}

template <class T>
Variable<T> binary_cross_entropy(const Variable<T>& logits,
                                 const std::type_identity_t<Variable<T>>& y, Op op) {
    same_shape(op, logits, y);
    return mean_or_zero(fuse(
        op, [](auto x, auto y) { return softplus(x) - x * y; }, logits, y));
}

template <class T>
Variable<T> mean_squared_error(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                               Op op) {
    same_shape(op, x, y);
    return mean_or_zero(fuse(
        op, [](auto x, auto y) { return square(x - y); }, x, y));
}

template <class T>
Variable<T> huber(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y, double delta,
                  Op op) {
    same_shape(op, x, y);
    if (!(delta > 0)) fail(op, "delta must be positive, got " + std::to_string(delta));
    return mean_or_zero(fuse(
        op,
        [delta](auto x, auto y) {
            const auto d = abs(x - y);
            return where(d < delta, 0.5 * d * d, delta * (d - 0.5 * delta));
        },
        x, y));
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> cross_entropy(const Variable<T>&, const Indices&, CrossEntropyOptions,    \
                                       Op);                                                        \
    template Variable<T> binary_cross_entropy(const Variable<T>&, const Variable<T>&, Op);         \
    template Variable<T> mean_squared_error(const Variable<T>&, const Variable<T>&, Op);           \
    template Variable<T> huber(const Variable<T>&, const Variable<T>&, double, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
