#include <unroll/ops/fuse.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/reduce.hpp>

namespace unroll {

template <class T>
Variable<T> layer_norm(const Variable<T>& x, const std::type_identity_t<Variable<T>>& gain,
                       const std::type_identity_t<Variable<T>>& bias, double epsilon, Op op) {
    const Shape width = x.dimension() == 0 ? Shape{} : Shape{x.shape().back()};
    if (x.dimension() == 0 || gain.shape() != width || bias.shape() != width)
        fail(op, "x " + to_string(x.shape()) + ", gain " + to_string(gain.shape()) + ", bias " +
                     to_string(bias.shape()) + "; expected [..., n], [n], [n]");
    const Variable<T> centred = fuse(
        op, [](auto x, auto mean) { return x - mean; }, x, mean(x, {-1}, true));
    const Variable<T> variance = mean(fuse(
                                          op, [](auto d) { return d * d; }, centred),
                                      {-1}, true);
    return fuse(
        op,
        [epsilon](auto d, auto variance, auto gain, auto bias) {
            return d / sqrt(variance + epsilon) * gain + bias;
        },
        centred, variance, gain, bias);
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
    template Variable<T> dropout(const Variable<T>&, double, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
