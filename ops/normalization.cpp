#include <unroll/ops/fuse.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

namespace unroll {

namespace {

template <class T>
Variable<T> centred(const Op& op, const Variable<T>& x, const Variable<T>& mean) {
    return fuse(
        op, [](auto x, auto mean) { return x - mean; }, x, mean);
}

template <class T>
Variable<T> squared(const Op& op, const Variable<T>& x) {
    return fuse(
        op, [](auto x) { return x * x; }, x);
}

// distance / sqrt(variance + epsilon) * gain + bias
template <class T>
Variable<T> scaled(const Op& op, const Variable<T>& distance, const Variable<T>& variance,
                   const Variable<T>& gain, const Variable<T>& bias, double epsilon) {
    return fuse(
        op,
        [epsilon](auto d, auto variance, auto gain, auto bias) {
            return d / sqrt(variance + epsilon) * gain + bias;
        },
        distance, variance, gain, bias);
}

// x [batch, channels, all else], with which what each channel has agrees as [channels, 1].
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

template <class T>
Variable<T> as_column(const Variable<T>& x, const Variable<T>& each) {
    return expand_dims(with_tape_of(x, each), 1);
}

} // namespace

template <class T>
Variable<T> layer_norm(const Variable<T>& x, const std::type_identity_t<Variable<T>>& gain,
                       const std::type_identity_t<Variable<T>>& bias, double epsilon, Op op) {
    const Shape width = x.dimension() == 0 ? Shape{} : Shape{x.shape().back()};
    if (x.dimension() == 0 || gain.shape() != width || bias.shape() != width)
        fail(op, "x " + to_string(x.shape()) + ", gain " + to_string(gain.shape()) + ", bias " +
                     to_string(bias.shape()) + "; expected [..., n], [n], [n]");
    const Variable<T> distance = centred(op, x, mean(x, {-1}, true));
    const Variable<T> variance = mean(squared(op, distance), {-1}, true);
    return scaled<T>(op, distance, variance, gain, bias, epsilon);
}

template <class T>
Variable<T> batch_norm(const Variable<T>& x, const std::type_identity_t<Variable<T>>& mean,
                       const std::type_identity_t<Variable<T>>& variance,
                       const std::type_identity_t<Variable<T>>& gain,
                       const std::type_identity_t<Variable<T>>& bias, double epsilon, Op op) {
    const Variable<T> rows = by_channel(op, x, {&mean, &variance, &gain, &bias});
    const Variable<T> distance = centred(op, rows, as_column(x, mean));
    return reshape(scaled(op, distance, as_column(x, variance), as_column(x, gain),
                          as_column(x, bias), epsilon),
                   x.shape());
}

template <class T>
BatchNormalized<T> batch_norm(const Variable<T>& x, const std::type_identity_t<Variable<T>>& gain,
                              const std::type_identity_t<Variable<T>>& bias, double epsilon,
                              Op op) {
    const Variable<T> rows = by_channel(op, x, {&gain, &bias});
    const Variable<T> means = mean(rows, {0, 2}, true);
    const Variable<T> distance = centred(op, rows, means);
    const Variable<T> variances = mean(squared(op, distance), {0, 2}, true);
    const Variable<T> y =
        scaled(op, distance, variances, as_column(x, gain), as_column(x, bias), epsilon);
    return {reshape(y, x.shape()), flatten(means), flatten(variances)};
}

template <class T>
Variable<T> dropout(const Variable<T>& x, double p, Op op) {
    if (!(p >= 0 && p <= 1))
        fail(op, "the probability must be in [0, 1], got " + std::to_string(p));
    Tape<T>* tape = x.tape();
    if (p == 0 || tape == nullptr || !tape->is_recording() || tape->is_evaluating()) return x;
    Tensor<T> draws(x.shape());
    tape->random().fill_uniform(draws.data(), draws.size(), T(0), T(1));
    const double scale = p < 1 ? 1 / (1 - p) : 0;
    return fuse(
        op, [p, scale](auto x, auto draw) { return where(draw < p, 0, x * scale); }, x, draws);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> layer_norm(const Variable<T>&, const Variable<T>&, const Variable<T>&,    \
                                    double, Op);                                                   \
    template Variable<T> batch_norm(const Variable<T>&, const Variable<T>&, const Variable<T>&,    \
                                    const Variable<T>&, const Variable<T>&, double, Op);           \
    template BatchNormalized<T> batch_norm(const Variable<T>&, const Variable<T>&,                 \
                                           const Variable<T>&, double, Op);                        \
    template Variable<T> dropout(const Variable<T>&, double, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
