#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/losses/losses.hpp>

#include <cmath>
#include <limits>
#include <numbers>

#include <fmt/format.h>

namespace unroll {

namespace {

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();

// f of x and y, reduced.
template <class T, class F>
Variable<T> loss(const Op& op, const Variable<T>& x, const Variable<T>& y, Reduction reduction,
                 const F& f) {
    if (x.shape() != y.shape())
        fail(op, "shapes differ: " + to_string(x.shape()) + " and " + to_string(y.shape()));
    const Composite composite(op);
    return detail::reduced(fuse(op, primitive(f), x, y), reduction);
}

} // namespace

template <class T>
Variable<T> l1_loss(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                    Reduction reduction, Op op) {
    return loss(op, x, y, reduction, [](auto x, auto y) { return abs(x - y); });
}

template <class T>
Variable<T> smooth_l1(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y, double beta,
                      Reduction reduction, Op op) {
    if (!(beta > 0)) fail(op, "beta must be positive, got " + fmt::to_string(beta));
    return loss(op, x, y, reduction, [beta](auto x, auto y) {
        const auto d = x - y;
        return where(abs(d) < beta, 0.5 * d * (d / beta), abs(d) - 0.5 * beta);
    });
}

template <class T>
Variable<T> kl_divergence(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                          const KlDivergenceOptions& options, Op op) {
    if (options.log_target)
        return loss(op, x, y, options.reduction,
                    [](auto x, auto y) { return where(y == -infinity<T>, 0, exp(y) * (y - x)); });
    return loss(op, x, y, options.reduction,
                [](auto x, auto y) { return where(y == 0, 0, y * (log(y) - x)); });
}

template <class T>
Variable<T> gaussian_nll(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                         const std::type_identity_t<Variable<T>>& variance,
                         const GaussianNllOptions& options, Op op) {
    if (x.shape() != y.shape() || !broadcasts_to(variance.shape(), x.shape()))
        fail(op, "x " + to_string(x.shape()) + ", y " + to_string(y.shape()) + ", variance " +
                     to_string(variance.shape()) +
                     "; expected x and y of one shape, to which the "
                     "variance broadcasts");
    if (!(options.epsilon > 0))
        fail(op, "epsilon must be positive, got " + fmt::to_string(options.epsilon));
    const Tensor<T> variances = variance.value().contiguous();
    for (std::size_t i = 0; i < variances.size(); ++i)
        if (variances.data()[i] < 0)
            fail(op, "variance " + fmt::to_string(variances.data()[i]) + " at position " +
                         std::to_string(i) + " is negative");
    const double added = options.full ? 0.5 * std::log(2 * std::numbers::pi) : 0;
    const Composite composite(op);
    const auto f = [added, least = static_cast<T>(options.epsilon)](auto x, auto y, auto v) {
        const auto d = x - y;
        const auto bounded = where(v < least, least, v);
        return 0.5 * (log(bounded) + d * (d / bounded)) + added;
    };
    return detail::reduced(fuse(op, primitive(f), x, y, variance), options.reduction);
}

template <class T>
Variable<T> poisson_nll(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                        const PoissonNllOptions& options, Op op) {
    const auto with = [&](const auto& f) {
        if (!options.full) return loss(op, x, y, options.reduction, f);
        return loss(op, x, y, options.reduction, [f](auto x, auto y) {
            const auto log_factorial = y * log(y) - y + 0.5 * log(2 * std::numbers::pi * y);
            return f(x, y) + where(y > 1, log_factorial, 0);
        });
    };
    if (options.log_input) return with([](auto x, auto y) { return exp(x) - y * x; });
    return with([epsilon = options.epsilon](auto x, auto y) { return x - y * log(x + epsilon); });
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> l1_loss(const Variable<T>&, const Variable<T>&, Reduction, Op);           \
    template Variable<T> smooth_l1(const Variable<T>&, const Variable<T>&, double, Reduction, Op); \
    template Variable<T> kl_divergence(const Variable<T>&, const Variable<T>&,                     \
                                       const KlDivergenceOptions&, Op);                            \
    template Variable<T> gaussian_nll(const Variable<T>&, const Variable<T>&, const Variable<T>&,  \
                                      const GaussianNllOptions&, Op);                              \
    template Variable<T> poisson_nll(const Variable<T>&, const Variable<T>&,                       \
                                     const PoissonNllOptions&, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
