#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/fuse/rows.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/statistics/norms.hpp>
#include <unroll/ops/statistics/reduced_rows.hpp>

#include <cmath>

#include <fmt/format.h>

namespace unroll {

namespace {

using detail::ReducedRows;

template <class T>
T row_norm(const T* row, std::size_t n, double p) {
    T top = 0;
    for (std::size_t i = 0; i < n; ++i) top = maximum(top, std::abs(row[i]));
    if (top == 0 || !std::isfinite(top)) return top;
    const auto power = static_cast<T>(p);
    const T sum = detail::row_sum<T>(
        n, [top, power](auto x) { return pow(abs(x) / top, power); }, row);
    return top * std::pow(sum, 1 / power);
}

// The derivative is sign(x) (|x| / norm)^(p - 1).
template <class T>
Variable<T> norm_lp_of(const Op& op, const ReducedRows<T>& x, double p, bool keep_dims) {
    const Tensor<T> rows = x.rows.value().contiguous();
    Tensor<T> norms(Shape{rows.shape(0), 1});
    for (std::size_t i = 0; i < norms.size(); ++i)
        norms.data()[i] = row_norm(rows.data() + i * x.count(), x.count(), p);
    const auto rule = [p](const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& x,
                          const Variable<T>& norm) {
        add_fused(
            to[0],
            [p](auto g, auto x, auto norm) {
                const auto part = abs(x) / where(norm == 0, 1, norm);
                return where(norm == 0, 0, g * sign(x) * pow(part, p - 1));
            },
            g, x, norm);
    };
    return x.shaped(
        record<T>(op, {&x.rows}, std::move(norms), save_for_backward(x.rows, result), rule),
        keep_dims);
}

void check_order(const Op& op, double p) {
    if (!(p >= 1)) fail(op, "the order p is " + fmt::to_string(p) + "; expected 1 or more");
}

// x / norm_l2(x), or 0.
template <class T>
Variable<T> unit(const Op& op, const Variable<T>& x, std::ptrdiff_t axis) {
    return fuse(
        op, [](auto x, auto norm) { return where(norm == 0, 0, x / where(norm == 0, 1, norm)); }, x,
        norm_l2(x, {axis}, true, op));
}

} // namespace

template <class T>
Variable<T> norm_l1(const Variable<T>& x, Op op) {
    const Composite composite(op);
    return sum(abs(x, op), op);
}
template <class T>
Variable<T> norm_l1(const Variable<T>& x, Axes axes, bool keep_dims, Op op) {
    const Composite composite(op);
    return sum(abs(x, op), axes, keep_dims, op);
}

template <class T>
Variable<T> norm_linf(const Variable<T>& x, Op op) {
    const Composite composite(op);
    return amax(abs(x, op), op);
}
template <class T>
Variable<T> norm_linf(const Variable<T>& x, Axes axes, bool keep_dims, Op op) {
    const Composite composite(op);
    return amax(abs(x, op), axes, keep_dims, op);
}

template <class T>
Variable<T> norm_sq(const Variable<T>& x, Op op) {
    const Composite composite(op);
    return sum(square(x, op), op);
}
template <class T>
Variable<T> norm_sq(const Variable<T>& x, Axes axes, bool keep_dims, Op op) {
    const Composite composite(op);
    return sum(square(x, op), axes, keep_dims, op);
}

template <class T>
Variable<T> norm_lp(const Variable<T>& x, double p, Op op) {
    check_order(op, p);
    if (p == 1) return norm_l1(x, op);
    if (p == 2) return norm_l2(x, op);
    if (std::isinf(p)) return norm_linf(x, op);
    const Composite composite(op);
    return norm_lp_of(op, ReducedRows<T>::all(op, x), p, false);
}
template <class T>
Variable<T> norm_lp(const Variable<T>& x, double p, Axes axes, bool keep_dims, Op op) {
    check_order(op, p);
    if (p == 1) return norm_l1(x, axes, keep_dims, op);
    if (p == 2) return norm_l2(x, axes, keep_dims, op);
    if (std::isinf(p)) return norm_linf(x, axes, keep_dims, op);
    const Composite composite(op);
    return norm_lp_of(op, ReducedRows<T>::over(op, x, axes), p, keep_dims);
}

template <class T>
Variable<T> cosine_similarity(const Variable<T>& x, const std::type_identity_t<Variable<T>>& y,
                              std::ptrdiff_t axis, Op op) {
    x.require_value(op);
    const Shape shape = broadcast(op, x.shape(), y.shape());
    normal_axis(op, axis, shape.size());
    const Composite composite(op);
    const auto whole = [&](const Variable<T>& v) {
        return v.shape() == shape ? v : broadcast_to(v, shape);
    };
    return sum(unit(op, whole(x), axis) * unit(op, whole(y), axis), {axis}, false, op);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> norm_l1(const Variable<T>&, Op);                                          \
    template Variable<T> norm_l1(const Variable<T>&, Axes, bool, Op);                              \
    template Variable<T> norm_linf(const Variable<T>&, Op);                                        \
    template Variable<T> norm_linf(const Variable<T>&, Axes, bool, Op);                            \
    template Variable<T> norm_sq(const Variable<T>&, Op);                                          \
    template Variable<T> norm_sq(const Variable<T>&, Axes, bool, Op);                              \
    template Variable<T> norm_lp(const Variable<T>&, double, Op);                                  \
    template Variable<T> norm_lp(const Variable<T>&, double, Axes, bool, Op);                      \
    template Variable<T> cosine_similarity(const Variable<T>&, const Variable<T>&, std::ptrdiff_t, \
                                           Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
