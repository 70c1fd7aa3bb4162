#include <unroll/core/kernels/sums.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/fuse/rows.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>

namespace unroll {

namespace {

// With n = (x - mean) scale and h = g gain, the gradient of x is scale (h - mean(h) - n mean(h n)).
// Not centred: the mean is 0, and mean(h) is omitted.
template <class T>
struct NormRule {
    Tensor<T> rests; // of the means: a constant, since the exact mean is mean + rest
    bool is_centred;

    void operator()(const Adjoints<T>& to, std::span<const Variable<T>> gradients,
                    const Variable<T>& x, const Variable<T>& gain, const Variable<T>& means,
                    const Variable<T>& scales) const {
        const auto size = static_cast<T>(x.shape().back());
        if (is_centred && gradients[1].has_value()) to[0].add(gradients[1], T(1) / size);
        if (gradients[2].has_value())
            add_fused(
                to[0],
                [size](auto g, auto x, auto mean, auto rest, auto scale) {
                    return -(g * scale) * ((x - mean - rest) * scale / size) * scale;
                },
                gradients[2], x, means, constant(rests), scales);
        const Variable<T>& g = gradients[0];
        if (!g.has_value()) return;
        if (!to.is_recording()) return by_rows(to, g, x, gain, means, scales);
        const auto normal = [](auto x, auto mean, auto rest, auto scale) {
            return (x - mean - rest) * scale;
        };
        const Variable<T> n = fuse(to[0].operation(), primitive(normal), x, means, constant(rests),
                                   scales),
                          h = g * gain;
        const Variable<T> centred = is_centred ? h - mean(h, {-1}, true) : h;
        to[0].add(scales * (centred - n * mean(h * n, {-1}, true)));
        to[1].add(g * n);
        to[2].add(g);
    }

    // The same for one row.
    void by_rows(const Adjoints<T>& to, const Variable<T>& gradient, const Variable<T>& x,
                 const Variable<T>& gain, const Variable<T>& means,
                 const Variable<T>& scales) const {
        const Tensor<T> g = gradient.value().contiguous(), in = x.value().contiguous(),
                        weight = gain.value().contiguous();
        const std::size_t n = x.shape().back();
        Tensor<T> dx(x.shape()), gains = Tensor<T>::zeros({n}), biases = Tensor<T>::zeros({n});
        const T part = T(1) / static_cast<T>(n);
        for (std::size_t i = 0; i < means.size() && n > 0; ++i) {
            const T *const gs = g.data() + i * n, *const xs = in.data() + i * n;
            const T scale = scales.value().data()[i];
            const auto normal = [mean = means.value().data()[i], rest = rests.data()[i],
                                 scale](auto x) { return (x - mean - rest) * scale; };
            const T mean_h = is_centred ? part * detail::row_sum<T>(
                                                     n, [](auto g, auto gain) { return g * gain; },
                                                     gs, weight.data())
                                        : T(0);
            const T mean_hn =
                part * detail::row_sum<T>(
                           n, [normal](auto g, auto gain, auto x) { return g * gain * normal(x); },
                           gs, weight.data(), xs);
            detail::row_map(
                n, dx.data() + i * n,
                [=](auto g, auto gain, auto x) {
                    return scale * (g * gain - mean_h - normal(x) * mean_hn);
                },
                gs, weight.data(), xs);
            if (to[1].needs_grad())
                detail::row_map(
                    n, gains.data(),
                    [normal](auto sum, auto g, auto x) { return sum + g * normal(x); },
                    gains.data(), gs, xs);
            if (to[2].needs_grad())
                detail::row_map(
                    n, biases.data(), [](auto sum, auto g) { return sum + g; }, biases.data(), gs);
        }
        to[0].add(Variable<T>(std::move(dx)));
        to[1].add(Variable<T>(std::move(gains)));
        to[2].add(Variable<T>(std::move(biases)));
    }
};

// Each row of x divided by its root mean square, after the mean was subtracted if centred, times
// `gain` plus `bias`.
template <class T>
Variable<T> row_norm(const Op& op, const Variable<T>& x, const Variable<T>& gain,
                     const Variable<T>& bias, double epsilon, bool is_centred) {
    const std::size_t n = x.shape().back();
    Shape column = x.shape();
    column.back() = 1;
    Tensor<T> value(x.shape()), means(column), rests(column), scales(column);
    const Tensor<T> in = x.value().contiguous(), weight = gain.value().contiguous(),
                    shift = bias.value().contiguous();
    for (std::size_t i = 0; i < means.size() && n > 0; ++i) {
        const T* const row = in.data() + i * n;
        const detail::RowMoments<T> moments(row, n, static_cast<T>(epsilon), is_centred);
        detail::row_map(
            n, value.data() + i * n,
            [moments](auto x, auto gain, auto bias) {
                return (x - moments.mean - moments.rest) * moments.scale * gain + bias;
            },
            row, weight.data(), shift.data());
        means.data()[i] = moments.mean;
        rests.data()[i] = moments.rest;
        scales.data()[i] = moments.scale;
    }
    const Composite composite(op);
    // Means and scales are separate results, so that the gradient can be differentiated.
    const std::array<const Variable<T>*, 3> inputs{&x, &gain, &bias};
    return record<T>(op, std::span(inputs),
                     std::array{std::move(value), std::move(means), std::move(scales)},
                     save_for_backward(x, gain, Result<1>(), Result<2>()),
                     NormRule<T>{std::move(rests), is_centred})[0];
}

void require_epsilon(const Op& op, double epsilon) {
    if (!(epsilon >= 0 && std::isfinite(epsilon)))
        fail(op, "epsilon must be at least 0 and finite, got " + fmt::to_string(epsilon));
}

// d / sqrt(variance + epsilon) * gain + bias, where `variance` is that of `unit` * d; units are
// powers of 2, or none.
template <class T>
Variable<T> scaled(const Op& op, const Variable<T>& distance, const Variable<T>& variance,
                   const Variable<T>& gain, const Variable<T>& bias, double epsilon) {
    return fuse(op, primitive([epsilon](auto d, auto variance, auto gain, auto bias) {
                    return d / sqrt(variance + epsilon) * gain + bias;
                }),
                distance, variance, gain, bias);
}
template <class T>
Variable<T> scaled(const Op& op, const Variable<T>& distance, const Variable<T>& variance,
                   const Variable<T>& gain, const Variable<T>& bias, double epsilon,
                   const Variable<T>& unit) {
    return fuse(op, primitive([epsilon](auto d, auto variance, auto gain, auto bias, auto unit) {
                    return d * unit / sqrt(variance + epsilon * unit * unit) * gain + bias;
                }),
                distance, variance, gain, bias, unit);
}

// x as [batch, channels, rest], to which per-channel values [channels, 1] broadcast.
template <class T>
Variable<T> by_channel(const Op& op, const Variable<T>& x,
                       std::initializer_list<const Variable<T>*> each) {
    bool fits = x.dimension() >= 2;
    std::string shapes;
    for (const Variable<T>* v : each) {
        fits = fits && v->shape() == Shape{x.shape(1)};
        shapes += (shapes.empty() ? "" : ", ") + to_string(v->shape());
    }
    if (!fits)
        fail(op, "x " + to_string(x.shape()) + " and " + shapes +
                     "; expected [batch, channels, ...] and [channels] for each");
    return reshape(x, Shape{x.shape(0), x.shape(1),
                            element_count(Shape(x.shape().begin() + 2, x.shape().end()))});
}

// Powers of 2, one per variance, by which deviations are multiplied so that their squares neither
// overflow nor underflow; empty if that is not necessary.
template <class T>
std::optional<Tensor<T>> square_units(const Tensor<T>& distance, const Tensor<T>& variances,
                                      double epsilon) {
    bool is_safe = true;
    for (std::size_t i = 0; i < variances.size(); ++i) {
        const T v = variances.data()[i];
        is_safe = is_safe && std::isfinite(v) &&
                  (epsilon > 0 || v > std::sqrt(std::numeric_limits<T>::min()));
    }
    if (is_safe) return {};
    Tensor<T> units = Tensor<T>::ones(variances.shape());
    const SquareSums<T> squares = square_sums_along(distance, variances.shape());
    constexpr int limit = std::numeric_limits<T>::max_exponent / 2;
    for (std::size_t i = 0; i < squares.exponents.size(); ++i) {
        const int power = std::clamp(squares.exponents[i], -limit, limit);
        units.data()[i] = std::ldexp(T(1), -(epsilon > 0 ? std::max(power, 0) : power));
    }
    return units;
}

template <class T>
Variable<T> as_column(const Variable<T>& each) {
    return expand_dims(each, 1);
}

} // namespace

template <class T>
Variable<T> layer_norm(const Variable<T>& x, const std::type_identity_t<Variable<T>>& gain,
                       const std::type_identity_t<Variable<T>>& bias, double epsilon, Op op) {
    require_epsilon(op, epsilon);
    const Shape width = x.dimension() == 0 ? Shape{} : Shape{x.shape().back()};
    if (x.dimension() == 0 || gain.shape() != width || bias.shape() != width)
        fail(op, "x " + to_string(x.shape()) + ", gain " + to_string(gain.shape()) + ", bias " +
                     to_string(bias.shape()) + "; expected [..., n], [n], [n]");
    return row_norm(op, x, gain, bias, epsilon, true);
}

template <class T>
Variable<T> rms_norm(const Variable<T>& x, const std::type_identity_t<Variable<T>>& gain,
                     double epsilon, Op op) {
    require_epsilon(op, epsilon);
    if (x.dimension() == 0 || gain.shape() != Shape{x.shape().back()})
        fail(op, "x " + to_string(x.shape()) + ", gain " + to_string(gain.shape()) +
                     "; expected [..., n], [n]");
    const Composite composite(op);
    return row_norm(op, x, gain, Variable<T>(Tensor<T>::zeros(gain.shape())), epsilon, false);
}

template <class T>
Variable<T> group_norm(const Variable<T>& x, std::size_t groups,
                       const std::type_identity_t<Variable<T>>& gain,
                       const std::type_identity_t<Variable<T>>& bias, double epsilon, Op op) {
    require_epsilon(op, epsilon);
    const Composite composite(op);
    const Variable<T> channels = by_channel(op, x, {&gain, &bias});
    if (groups == 0 || x.shape(1) % groups != 0)
        fail(op, std::to_string(groups) + " groups for x " + to_string(x.shape()) +
                     "; expected a divisor of the number of channels, " +
                     std::to_string(x.shape(1)));
    const Shape width{x.shape(1) / groups * channels.shape(2)};
    const Variable<T> rows = reshape(channels, Shape{x.shape(0) * groups, width[0]});
    const Variable<T> normal = row_norm(op, rows, Variable<T>(Tensor<T>::ones(width)),
                                        Variable<T>(Tensor<T>::zeros(width)), epsilon, true);
    return reshape(fuse(op, primitive([](auto n, auto gain, auto bias) { return n * gain + bias; }),
                        reshape(normal, channels.shape()), as_column(gain), as_column(bias)),
                   x.shape());
}

template <class T>
Variable<T> batch_norm(const Variable<T>& x, const std::type_identity_t<Variable<T>>& mean,
                       const std::type_identity_t<Variable<T>>& variance,
                       const std::type_identity_t<Variable<T>>& gain,
                       const std::type_identity_t<Variable<T>>& bias, double epsilon, Op op) {
    require_epsilon(op, epsilon);
    const Composite composite(op);
    const Variable<T> rows = by_channel(op, x, {&mean, &variance, &gain, &bias});
    const Variable<T> distance = fuse(
        op, [](auto x, auto mean) { return x - mean; }, rows, as_column(mean));
    return reshape(
        scaled(op, distance, as_column(variance), as_column(gain), as_column(bias), epsilon),
        x.shape());
}

template <class T>
BatchNormalized<T> batch_norm(const Variable<T>& x, const std::type_identity_t<Variable<T>>& gain,
                              const std::type_identity_t<Variable<T>>& bias, double epsilon,
                              Op op) {
    require_epsilon(op, epsilon);
    const Composite composite(op);
    const Variable<T> rows = by_channel(op, x, {&gain, &bias});
    const Variable<T> means = mean(rows, {0, 2}, true);
    const Variable<T> distance = fuse(
        op, [](auto x, auto mean, auto rest) { return x - mean - rest; }, rows, means,
        constant(mean_rest(rows.value(), means.value())));
    const Variable<T> variances = mean(fuse(
                                           op, [](auto d) { return d * d; }, distance),
                                       {0, 2}, true);
    const Variable<T> gains = as_column(gain), biases = as_column(bias);
    if (const auto units = square_units(distance.value(), variances.value(), epsilon)) {
        const Variable<T> unit = constant(*units);
        const Variable<T> small =
            mean(fuse(
                     op, [](auto d, auto unit) { return square(d * unit); }, distance, unit),
                 {0, 2}, true);
        const Variable<T> y = scaled(op, distance, small, gains, biases, epsilon, unit);
        const Variable<T> variance = fuse(
            op, [](auto v, auto unit) { return v / unit / unit; }, small, unit);
        return {reshape(y, x.shape()), flatten(means), flatten(variance)};
    }
    const Variable<T> y = scaled(op, distance, variances, gains, biases, epsilon);
    return {reshape(y, x.shape()), flatten(means), flatten(variances)};
}

template <class T>
Variable<T> dropout(const Variable<T>& x, double p, Op op) {
    x.require_value(op);
    if (!(p >= 0 && p <= 1))
        fail(op, "the probability must be in [0, 1], got " + fmt::to_string(p));
    Tape<T>* const tape = training_tape(x);
    if (p == 0 || tape == nullptr) return x;
    const Composite composite(op); // the draws are its own
    Tensor<T> draws(x.shape());
    tape->random().fill_uniform(draws.data(), draws.size(), T(0), T(1));
    const double scale = p < 1 ? 1 / (1 - p) : 0;
    const auto thinned =
        fuse(op, primitive([p, scale](auto x, auto draw) { return where(draw < p, 0, x * scale); }),
             x, draws);
    return detail::with_literals(thinned, 1, {p}, &composite);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> layer_norm(const Variable<T>&, const Variable<T>&, const Variable<T>&,    \
                                    double, Op);                                                   \
    template Variable<T> rms_norm(const Variable<T>&, const Variable<T>&, double, Op);             \
    template Variable<T> group_norm(const Variable<T>&, std::size_t, const Variable<T>&,           \
                                    const Variable<T>&, double, Op);                               \
    template Variable<T> batch_norm(const Variable<T>&, const Variable<T>&, const Variable<T>&,    \
                                    const Variable<T>&, const Variable<T>&, double, Op);           \
    template BatchNormalized<T> batch_norm(const Variable<T>&, const Variable<T>&,                 \
                                           const Variable<T>&, double, Op);                        \
    template Variable<T> dropout(const Variable<T>&, double, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
