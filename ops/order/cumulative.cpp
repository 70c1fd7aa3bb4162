#include <unroll/ops/order/cumulative.hpp>
#include <unroll/ops/order/linear_scan.hpp>
#include <unroll/ops/order/weighted_sums.hpp>
#include <unroll/ops/views.hpp>

namespace unroll {

namespace {

// f of x with the axis first, moved back.
template <class T, class F>
Variable<T> along(const Op& op, const Variable<T>& x, std::ptrdiff_t axis, const F& f) {
    x.require_value(op);
    const std::size_t a = normal_axis(op, axis, x.dimension());
    const Composite composite(op);
    return a == 0 ? f(x) : swapaxes(f(swapaxes(x, 0, axis)), 0, axis);
}

// One step of the scan for each element of the first axis.
template <class T>
Variable<T> scan(const Op& op, const Variable<T>& a, const Variable<T>& b, T start) {
    return slice(detail::scan_states(op, a, b, Variable<T>(start), false, true), 0, 1,
                 a.shape(0) + 1);
}

template <class T>
Variable<T> same(const Variable<T>& x, T value) {
    return constant(Tensor<T>::scalar(value).broadcast_to(x.shape()));
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
                 [&](const Variable<T>& x) { return x.size() == 0 ? x : detail::log_sums(op, x); });
}

template <class T>
Variable<T> cumsum(const Variable<T>& x, Op op) {
    x.require_value(op);
    const Composite composite(op);
    return cumsum(flatten(x), 0, op);
}
template <class T>
Variable<T> cumprod(const Variable<T>& x, Op op) {
    x.require_value(op);
    const Composite composite(op);
    return cumprod(flatten(x), 0, op);
}
template <class T>
Variable<T> logcumsumexp(const Variable<T>& x, Op op) {
    x.require_value(op);
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
