#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/random/random.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/ops/views.hpp>

#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace unroll {

namespace {

template <class T>
Random& generator(Tape<T>* tape) {
    return tape != nullptr ? tape->random() : thread_random();
}

template <class T>
Variable<T> normal(const Op& op, Random& random, const Shape& shape, double mean,
                   double deviation) {
    if (!std::isfinite(mean) || !(deviation >= 0 && std::isfinite(deviation)))
        fail(op, "mean " + fmt::to_string(mean) + " and deviation " + fmt::to_string(deviation) +
                     "; expected finite numbers, the deviation at least 0");
    Tensor<T> drawn(shape);
    random.fill_normal(drawn.data(), drawn.size(), static_cast<T>(mean), static_cast<T>(deviation));
    return Variable<T>(std::move(drawn));
}

template <class T>
Variable<T> uniform(const Op& op, Random& random, const Shape& shape, double low, double high) {
    if (!(low <= high && std::isfinite(low) && std::isfinite(high)))
        fail(op, "low " + fmt::to_string(low) + " and high " + fmt::to_string(high) +
                     "; expected finite numbers, low at most high");
    Tensor<T> drawn(shape);
    random.fill_uniform(drawn.data(), drawn.size(), static_cast<T>(low), static_cast<T>(high));
    return Variable<T>(std::move(drawn));
}

template <class T>
Variable<T> zeros_and_ones(const Op& op, Random& random, const Shape& shape, double probability) {
    if (!(probability >= 0 && probability <= 1))
        fail(op, "the probability must be in [0, 1], got " + fmt::to_string(probability));
    Tensor<T> drawn(shape);
    random.fill_bernoulli(drawn.data(), drawn.size(), probability, T(1));
    return Variable<T>(std::move(drawn));
}

// -log(-log u) for u strictly between 0 and 1: in the middle of the step that was drawn.
template <class T>
Tensor<T> gumbel(Random& random, const Shape& shape) {
    constexpr double half = std::same_as<T, float> ? 0x1p-25 : 0x1p-53;
    Tensor<T> drawn(shape);
    random.fill_uniform(drawn.data(), drawn.size(), T(0), T(1));
    for (std::size_t i = 0; i < drawn.size(); ++i)
        drawn.data()[i] =
            static_cast<T>(-std::log(-std::log(static_cast<double>(drawn.data()[i]) + half)));
    return drawn;
}

// 1 for the largest element along an axis and 0 for the others, with the gradient of y; NaN where y
// is.
template <class T>
Variable<T> straight_through(const Op& op, const Variable<T>& y, std::ptrdiff_t axis) {
    const Variable<T> last = swapaxes(stop_gradient(y), axis, -1);
    const Variable<T> chosen = one_hot<T>(argmax(last, -1, op), last.shape().back());
    const Variable<T> hard = fuse(
        op, [](auto chosen, auto y) { return chosen + 0 * y; }, swapaxes(chosen, axis, -1),
        stop_gradient(y));
    return record<T>(op, {&y}, hard.value(), save_for_backward(),
                     [](const Adjoints<T>& to, const Variable<T>& g) { to[0].add(g); });
}

} // namespace

template <class T>
Variable<T> random_normal(const Shape& shape, double mean, double deviation, Op op) {
    return normal<T>(op, generator(Tape<T>::current()), shape, mean, deviation);
}
template <class T>
Variable<T> random_uniform(const Shape& shape, double low, double high, Op op) {
    return uniform<T>(op, generator(Tape<T>::current()), shape, low, high);
}
template <class T>
Variable<T> bernoulli(const Shape& shape, double probability, Op op) {
    return zeros_and_ones<T>(op, generator(Tape<T>::current()), shape, probability);
}

template <class T>
Variable<T> random_normal_like(const Variable<T>& x, double mean, double deviation, Op op) {
    return normal<T>(op, generator(Tape<T>::recording(x)), x.shape(), mean, deviation);
}
template <class T>
Variable<T> random_uniform_like(const Variable<T>& x, double low, double high, Op op) {
    return uniform<T>(op, generator(Tape<T>::recording(x)), x.shape(), low, high);
}
template <class T>
Variable<T> bernoulli_like(const Variable<T>& x, double probability, Op op) {
    return zeros_and_ones<T>(op, generator(Tape<T>::recording(x)), x.shape(), probability);
}

template <class T>
Variable<T> gumbel_softmax(const Variable<T>& x, const GumbelSoftmaxOptions& options, Op op) {
    const double temperature = options.temperature;
    if (!(temperature > 0 && std::isfinite(temperature)))
        fail(op, "the temperature must be positive and finite, got " + fmt::to_string(temperature));
    const Composite composite(op); // the draws are its own
    const Variable<T> drawn = gumbel<T>(generator(Tape<T>::recording(x)), x.shape());
    const Variable<T> y = softmax(
        fuse(
            op, [temperature](auto x, auto drawn) { return (x + drawn) / temperature; }, x, drawn),
        options.axis, op);
    return options.hard ? straight_through(op, y, options.axis) : y;
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> random_normal(const Shape&, double, double, Op);                          \
    template Variable<T> random_uniform(const Shape&, double, double, Op);                         \
    template Variable<T> bernoulli(const Shape&, double, Op);                                      \
    template Variable<T> random_normal_like(const Variable<T>&, double, double, Op);               \
    template Variable<T> random_uniform_like(const Variable<T>&, double, double, Op);              \
    template Variable<T> bernoulli_like(const Variable<T>&, double, Op);                           \
    template Variable<T> gumbel_softmax(const Variable<T>&, const GumbelSoftmaxOptions&, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
