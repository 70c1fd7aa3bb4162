#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/fuse/rows.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>

#include <cmath>
#include <limits>

namespace unroll {

namespace {

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
    const Tensor<T> x = logits.value().contiguous();
    Shape column = logits.shape();
    column.back() = 1;
    Tensor<T> tops = Tensor<T>::zeros(column), log_sums = Tensor<T>::zeros(column),
              weights = Tensor<T>::zeros(column);
    double total = 0;
    for (std::size_t i = 0; i < rows; ++i) {
        const std::int64_t t = target.data()[i];
        if (t == options.ignored) continue; // the row may contain any values; it is not read
        const T* row = x.data() + i * classes;
        const T top = detail::row_max(row, classes);
        const T log_sum = detail::row_log_sum_exp(row, classes, top);
        tops.data()[i] = top;
        log_sums.data()[i] = log_sum;
        weights.data()[i] = T(1) / static_cast<T>(counted);
        total += static_cast<double>(own) * static_cast<double>(log_sum - (row[t] - top));
        if (even > 0)
            total += static_cast<double>(even) *
                     static_cast<double>(detail::row_sum<T>(
                         classes, [=](auto x) { return log_sum - (x - top); }, row));
    }
    const double mean = counted == 0 ? 0 : total / static_cast<double>(counted);
    auto loss = record<T>(
        op, {&logits}, Tensor<T>::scalar(static_cast<T>(mean)), save_for_backward(logits, targets),
        [=, ignored = options.ignored, smoothing = static_cast<T>(options.smoothing)](
            const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& logits,
            const Indices& targets) {
            const std::size_t classes = logits.shape().back();
            const Indices target = targets.contiguous();
            // p - 1 for the target is computed as expm1(log p), to avoid cancellation.
            const auto others = [even](auto y) { return exp(y) - even; };
            const auto chosen = [rest = smoothing - even](auto y) { return expm1(y) + rest; };
            if (to.is_recording()) {
                Tensor<T> one_hot = Tensor<T>::zeros(logits.shape());
                for (std::size_t i = 0; i < target.size(); ++i)
                    if (target.data()[i] != ignored)
                        one_hot.data()[static_cast<std::int64_t>(i * classes) + target.data()[i]] =
                            1;
                const auto counts = [](auto x, auto weight) { return where(weight > 0, x, 0); };
                const Variable<T> y =
                    log_softmax(fuse("cross_entropy", counts, logits, constant(weights)));
                return to[0].add(fuse(
                    "cross_entropy",
                    [=](auto y, auto weight, auto is_target, auto g) {
                        return g * weight * where(is_target > 0, chosen(y), others(y));
                    },
                    y, constant(weights), constant(one_hot), g));
            }
            const Tensor<T> x = logits.value().contiguous();
            Tensor<T> gradient = Tensor<T>::zeros(logits.shape());
            for (std::size_t i = 0; i < target.size(); ++i) {
                if (target.data()[i] == ignored) continue;
                const T weight = g.item() * weights.data()[i], top = tops.data()[i],
                        log_sum = log_sums.data()[i];
                const auto log_p = [=](auto x) { return x - top - log_sum; };
                const T* const row = x.data() + i * classes;
                T* const out = gradient.data() + i * classes;
                detail::row_map(
                    classes, out, [=](auto x) { return weight * others(log_p(x)); }, row);
                out[target.data()[i]] = weight * chosen(log_p(row[target.data()[i]]));
            }
            to[0].add(Variable<T>(std::move(gradient)));
        });
    loss = detail::with_operand(std::move(loss), "targets", targets, nullptr, 1);
    if (options.smoothing == 0) return loss;
    return detail::with_literals(std::move(loss), 2, {options.smoothing});
}

template <class T>
Variable<T> binary_cross_entropy(const Variable<T>& logits,
                                 const std::type_identity_t<Variable<T>>& y, Op op) {
    same_shape(op, logits, y);
    const Composite composite(op);
    return mean_or_zero(fuse(op, primitive([](auto x, auto y) {
                                 constexpr T infinity = std::numeric_limits<T>::infinity();
                                 // A correct prediction with an infinite logit has loss 0.
                                 const auto no = where(x == infinity && y == 1, 0, softplus(x));
                                 const auto yes = where(x == -infinity && y == 0, 0, softplus(-x));
                                 return (1 - y) * no + y * yes;
                             }),
                             logits, y));
}

template <class T>
Variable<T> mean_squared_error(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                               Op op) {
    same_shape(op, x, y);
    const Composite composite(op);
    const auto loss =
        mean_or_zero(fuse(op, primitive([](auto x, auto y) { return square(x - y); }), x, y));
    return detail::with_notation(loss, Notation::symmetric, &composite);
}

template <class T>
Variable<T> huber(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y, double delta,
                  Op op) {
    same_shape(op, x, y);
    if (!(delta > 0)) fail(op, "delta must be positive, got " + std::to_string(delta));
    const Composite composite(op);
    const auto loss = mean_or_zero(fuse(op, primitive([delta](auto x, auto y) {
                                            const auto d = x - y;
                                            return where(abs(d) < delta, 0.5 * d * d,
                                                         delta * (abs(d) - 0.5 * delta));
                                        }),
                                        x, y));
    return detail::with_literals(loss, 2, {delta}, &composite);
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
