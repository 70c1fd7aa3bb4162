#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/fuse/rows.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace unroll {

namespace {

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();

template <class T>
void same_shape(const Op& op, const Variable<T>& x, const Variable<T>& y) {
    if (x.shape() != y.shape())
        fail(op, "shapes differ: " + to_string(x.shape()) + " and " + to_string(y.shape()));
}

template <class T>
void require_probabilities(const Op& op, const Tensor<T>& targets) {
    const Tensor<T> y = targets.contiguous();
    const T outside = detail::row_sum<T>(
        y.size(), [](auto y) { return where(y >= 0 && y <= 1, 0, 1); }, y.data());
    for (std::size_t i = 0; outside > 0 && i < y.size(); ++i)
        if (const T target = y.data()[i]; !(target >= 0 && target <= 1))
            fail(op, "target " + fmt::to_string(target) + " at position " + std::to_string(i) +
                         " is outside [0, 1]");
}

// Each loss, or weighted: from log_softmax, with the rows of ignored targets replaced by zeros.
template <class T>
Variable<T> composed_cross_entropy(const Op& op, const Variable<T>& logits, const Indices& targets,
                                   const CrossEntropyOptions& options) {
    const std::size_t classes = logits.shape().back();
    const auto numbers = [](const std::vector<double>& all, const Shape& shape) {
        Tensor<T> x(shape);
        std::copy(all.begin(), all.end(), x.data());
        return x;
    };
    std::vector<double> weights = options.weights;
    if (weights.empty()) weights.assign(classes, 1);
    Indices chosen = targets.copy();
    Mask counts(targets.shape());
    std::vector<double> of_targets(targets.size(), 0);
    double total = 0;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        std::int64_t& target = chosen.data()[i];
        counts.data()[i] = target != options.ignored;
        if (target == options.ignored) target = 0;
        if (counts.data()[i]) of_targets[i] = weights[static_cast<std::size_t>(target)];
        total += of_targets[i];
    }
    const Variable<T> log_p = log_softmax(where(counts.expand_dims(-1), logits, 0));
    // 0 times an infinite logarithm is 0.
    const auto term =
        primitive([](auto log_p, auto weight) { return where(weight == 0, 0, -weight * log_p); });
    const double own = 1 - options.smoothing,
                 even = options.smoothing / static_cast<double>(classes);
    for (double& weight : of_targets) weight *= own;
    Variable<T> losses =
        fuse(op, term, pick(log_p, chosen), constant(numbers(of_targets, targets.shape())));
    if (even > 0) {
        for (double& weight : weights) weight *= even;
        const Variable<T> spread =
            sum(fuse(op, term, log_p, constant(numbers(weights, Shape{classes}))), {-1});
        losses = losses + where(counts, spread, 0);
    }
    if (options.reduction == Reduction::none) return losses;
    const Variable<T> all = sum(losses);
    if (options.reduction == Reduction::sum) return all;
    return total > 0 ? all / static_cast<T>(total) : all * T(0);
}

} // namespace

template <class T>
Variable<T> cross_entropy(const Variable<T>& logits, const Indices& targets,
                          const CrossEntropyOptions& options, Op op) {
    if (logits.dimension() == 0 || logits.shape().back() == 0 ||
        targets.shape() != Shape(logits.shape().begin(), logits.shape().end() - 1))
        fail(op, "logits " + to_string(logits.shape()) + " and targets " +
                     to_string(targets.shape()) + "; expected [..., C] and [...]");
    if (!(options.smoothing >= 0 && options.smoothing < 1))
        fail(op, "smoothing must be in [0, 1), got " + fmt::to_string(options.smoothing));
    const std::size_t classes = logits.shape().back();
    if (!options.weights.empty() && options.weights.size() != classes)
        fail(op, std::to_string(options.weights.size()) + " class weights for " +
                     std::to_string(classes) + " classes of logits " + to_string(logits.shape()));
    for (const double weight : options.weights)
        if (!(weight >= 0))
            fail(op, "a class weight is " + fmt::to_string(weight) + "; expected 0 or more");
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
    if (options.reduction == Reduction::none || !options.weights.empty()) {
        const Composite composite(op);
        return detail::with_operand(composed_cross_entropy(op, logits, targets, options), "targets",
                                    targets, &composite);
    }
    // What the sum of the losses is divided by.
    const std::size_t divisor = options.reduction == Reduction::sum ? 1 : counted;

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
        weights.data()[i] = T(1) / static_cast<T>(divisor);
        total += static_cast<double>(own) * static_cast<double>(log_sum - (row[t] - top));
        if (even > 0)
            total += static_cast<double>(even) *
                     static_cast<double>(detail::row_sum<T>(
                         classes, [=](auto x) { return log_sum - (x - top); }, row));
    }
    const double reduced = counted == 0 ? 0 : total / static_cast<double>(divisor);
    auto loss = record<T>(
        op, {&logits}, Tensor<T>::scalar(static_cast<T>(reduced)),
        save_for_backward(logits, targets),
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
                                 const std::type_identity_t<Variable<T>>& y,
                                 const BinaryCrossEntropyOptions& options, Op op) {
    same_shape(op, logits, y);
    require_probabilities(op, y.value());
    const Composite composite(op);
    // A correct prediction with an infinite logit has loss 0.
    const auto no = [](auto x, auto y) {
        return (1 - y) * where(x == infinity<T> && y == 1, 0, softplus(x));
    };
    const auto yes = [](auto x, auto y) {
        return y * where(x == -infinity<T> && y == 0, 0, softplus(-x));
    };
    const std::vector<double>& weights = options.pos_weight;
    if (weights.empty())
        return detail::reduced(
            fuse(op, primitive([=](auto x, auto y) { return no(x, y) + yes(x, y); }), logits, y),
            options.reduction);
    if (weights.size() != 1 && (y.dimension() == 0 || weights.size() != y.shape().back()))
        fail(op, std::to_string(weights.size()) + " numbers in pos_weight for logits " +
                     to_string(logits.shape()) +
                     "; expected one, or one for each of the last axis");
    Tensor<T> weight(weights.size() == 1 ? Shape{} : Shape{weights.size()});
    for (std::size_t i = 0; i < weights.size(); ++i) {
        if (!(weights[i] > 0))
            fail(op, "a number in pos_weight is " + fmt::to_string(weights[i]) +
                         "; expected more than 0");
        weight.data()[i] = static_cast<T>(weights[i]);
    }
    return detail::reduced(
        fuse(op, primitive([=](auto x, auto y, auto w) { return no(x, y) + w * yes(x, y); }),
             logits, y, constant(std::move(weight))),
        options.reduction);
}

template <class T>
Variable<T> mean_squared_error(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                               Reduction reduction, Op op) {
    same_shape(op, x, y);
    const Composite composite(op);
    const auto loss = detail::reduced(
        fuse(op, primitive([](auto x, auto y) { return square(x - y); }), x, y), reduction);
    return detail::with_notation(loss, Notation::symmetric, &composite);
}

template <class T>
Variable<T> huber(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y, double delta,
                  Reduction reduction, Op op) {
    same_shape(op, x, y);
    if (!(delta > 0)) fail(op, "delta must be positive, got " + fmt::to_string(delta));
    const Composite composite(op);
    const auto loss = detail::reduced(fuse(op, primitive([delta](auto x, auto y) {
                                               const auto d = x - y;
                                               return where(abs(d) < delta, 0.5 * d * d,
                                                            delta * (abs(d) - 0.5 * delta));
                                           }),
                                           x, y),
                                      reduction);
    return detail::with_literals(loss, 2, {delta}, &composite);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> cross_entropy(const Variable<T>&, const Indices&,                         \
                                       const CrossEntropyOptions&, Op);                            \
    template Variable<T> binary_cross_entropy(const Variable<T>&, const Variable<T>&,              \
                                              const BinaryCrossEntropyOptions&, Op);               \
    template Variable<T> mean_squared_error(const Variable<T>&, const Variable<T>&, Reduction,     \
                                            Op);                                                   \
    template Variable<T> huber(const Variable<T>&, const Variable<T>&, double, Reduction, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
