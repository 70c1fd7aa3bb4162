#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/fuse/rows.hpp>
#include <unroll/ops/order/cumulative.hpp>
#include <unroll/ops/order/linear_scan.hpp>
#include <unroll/ops/views.hpp>

#include <limits>

namespace unroll {

namespace {

// f of x with the axis first, moved back.
template <class T, class F>
Variable<T> along(const Op& op, const Variable<T>& x, std::ptrdiff_t axis, const F& f) {
    const std::size_t a = normal_axis(op, axis, x.dimension());
    const Composite composite(op);
    return a == 0 ? f(x) : swapaxes(f(swapaxes(x, 0, axis)), 0, axis);
}

// One step of the scan for each element of the first axis.
template <class T>
Variable<T> scan(const Op& op, const Variable<T>& a, const Variable<T>& b, T start) {
    return slice(detail::scan_states(op, a, b, Variable<T>(start), false), 0, 1, a.shape(0) + 1);
}

template <class T>
Variable<T> same(const Variable<T>& x, T value) {
    return constant(Tensor<T>::scalar(value).broadcast_to(x.shape()));
}

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();

// Over the first axis of x [n, ...], n > 0. With y the result, the weight of x[i] in y[j] is
// e^(x[i] - y[j]) = e^(x[i] - y[i]) e^(y[i] - y[i + 1]) ... e^(y[j - 1] - y[j]), factors of at
// most 1.
template <class T>
Variable<T> log_sums(const Op& op, const Variable<T>& x) {
    const Tensor<T> in = x.value().contiguous();
    Tensor<T> y(x.shape());
    const std::size_t width = in.size() / x.shape(0);
    std::copy_n(in.data(), width, y.data());
    const auto add = [](auto sum, auto x) {
        const auto top = maximum(sum, x);
        return where(abs(top) == infinity<T>, top, top + log1p(exp(-abs(sum - x))));
    };
    for (std::size_t i = width; i < in.size(); i += width)
        detail::row_map(width, y.data() + i, add, y.data() + i - width, in.data() + i);
    return record<T>(
        op, {&x}, std::move(y), save_for_backward(x, result),
        [](const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& x,
           const Variable<T>& y) {
            const std::size_t last = x.shape(0) - 1;
            const Op op = to[0].operation();
            const Variable<T> kept =
                fuse(op, primitive([](auto y, auto next) {
                         return where(abs(y) == infinity<T>, where(y > 0, 1, 0), exp(y - next));
                     }),
                     slice(y, 0, 0, last), slice(y, 0, 1, last + 1));
            const Variable<T> gradients =
                detail::scan_states(op, kept, slice(g, 0, 0, last), select(g, 0, last), true);
            add_fused(
                to[0],
                [](auto g, auto x, auto y) {
                    return g *
                           where(abs(y) == infinity<T>, where(x == y && x > 0, 1, 0), exp(x - y));
                },
                gradients, x, y);
        });
}

} // namespace

template <class T>
Variable<T> cumsum(const Variable<T>& x, std::ptrdiff_t axis, Op op) {
    return along(op, x, axis,
                 [&](const Variable<T>& x) { return scan(op, same(x, T(1)), x, T(0)); });
}
template <class T>
Variable<T> cumprod(const Variable<T>& x, std::ptrdiff_t axis, Op op) {
    return along(op, x, axis,
                 [&](const Variable<T>& x) { return scan(op, x, same(x, T(0)), T(1)); });
}
template <class T>
Variable<T> logcumsumexp(const Variable<T>& x, std::ptrdiff_t axis, Op op) {
    return along(op, x, axis,
                 [&](const Variable<T>& x) { return x.size() == 0 ? x : log_sums(op, x); });
}

template <class T>
Variable<T> cumsum(const Variable<T>& x, Op op) {
    const Composite composite(op);
    return cumsum(flatten(x), 0, op);
}
template <class T>
Variable<T> cumprod(const Variable<T>& x, Op op) {
    const Composite composite(op);
    return cumprod(flatten(x), 0, op);
}
template <class T>
Variable<T> logcumsumexp(const Variable<T>& x, Op op) {
    const Composite composite(op);
    return logcumsumexp(flatten(x), 0, op);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> cumsum(const Variable<T>&, Op);                                           \
    template Variable<T> cumsum(const Variable<T>&, std::ptrdiff_t, Op);                           \
    template Variable<T> cumprod(const Variable<T>&, Op);                                          \
    template Variable<T> cumprod(const Variable<T>&, std::ptrdiff_t, Op);                          \
    template Variable<T> logcumsumexp(const Variable<T>&, Op);                                     \
    template Variable<T> logcumsumexp(const Variable<T>&, std::ptrdiff_t, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
