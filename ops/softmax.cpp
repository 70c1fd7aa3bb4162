#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/fuse/rows.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <limits>
#include <optional>

namespace unroll {

namespace {

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();

// The rows of a mask broadcast to the given shape, in order; as numbers, for comparison in vectors.
template <class T>
class MaskRows {
public:
    MaskRows(const Mask& mask, const Shape& shape) {
        Shape own = mask.shape();
        if (own.empty()) own.push_back(1);
        own.back() = shape.back();
        const Mask dense = mask.broadcast_to(own).contiguous();
        rows_ = Tensor<T>(own);
        for (std::size_t i = 0; i < dense.size(); ++i) rows_.data()[i] = dense.data()[i] ? 1 : 0;
        rows_ = rows_.broadcast_to(shape);
    }

    // Copies a row of n elements with -inf where the mask is false; returns the largest.
    T apply(const T* in, T* out, std::size_t n) {
        detail::row_map(
            n, out, [](auto x, auto mask) { return where(mask > 0, x, -infinity<T>); }, in,
            rows_.data() + at_);
        for (std::size_t a = rows_.dimension() - 1; a-- > 0;) {
            at_ += rows_.strides()[a];
            if (++index_[a] < rows_.shape(a)) break;
            at_ -= rows_.strides()[a] * static_cast<std::ptrdiff_t>(index_[a]);
            index_[a] = 0;
        }
        return detail::row_max(out, n);
    }

private:
    Tensor<T> rows_;
    std::array<std::size_t, max_rank> index_{};
    std::ptrdiff_t at_ = 0;
};

// Calls f(row of x, row of the result, length, largest element) for every row along the last axis,
// masked if a mask is given.
template <class T, class F>
Tensor<T> by_rows(const Tensor<T>& x, const Mask* mask, const F& f) {
    const Tensor<T> in = x.contiguous();
    Tensor<T> out(x.shape());
    const std::size_t n = x.shape().back();
    std::optional<MaskRows<T>> masked;
    if (mask != nullptr) masked.emplace(*mask, x.shape());
    for (std::size_t i = 0; n > 0 && i < in.size(); i += n) {
        const T* row = in.data() + i;
        T* const to = out.data() + i;
        T top;
        if (masked) {
            top = masked->apply(row, to, n);
            row = to;
        } else {
            top = detail::row_max(row, n);
        }
        f(row, to, n, top);
    }
    return out;
}

template <class T>
void softmax_row(const T* in, T* out, std::size_t n, T top) {
    if (top == -infinity<T>) { // fully masked
        std::fill_n(out, n, T(0));
        return;
    }
    const T scale = T(1) / detail::row_exp(in, n, top, out);
    detail::row_map(
        n, out, [scale](auto e) { return e * scale; }, out);
}

// The gradient of x is y (g - sum(g y)), with g relative to its value at the largest y, to avoid
// cancellation if one y is nearly 1. Elements with y = 0 may be masked and get no gradient,
// whatever their g.
template <class T>
void softmax_rule(const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& y) {
    const auto product = [](auto g, auto y, auto shift) {
        return where(y == 0, 0, (g - shift) * y);
    };
    const auto gradient = [](auto g, auto y, auto shift, auto mean) {
        return where(y == 0, 0, y * (g - shift - mean));
    };
    const Tensor<T> weights = y.value().contiguous(), incoming = g.value().contiguous();
    const std::size_t n = y.shape().back();
    const auto largest = [&](std::size_t i) {
        const T* const row = weights.data() + i;
        return static_cast<std::size_t>(std::max_element(row, row + n) - row);
    };
    if (to[0].is_recording()) {
        Tensor<T> top = Tensor<T>::zeros(y.shape());
        for (std::size_t i = 0; n > 0 && i < weights.size(); i += n)
            if (weights.data()[i + largest(i)] > 0) top.data()[i + largest(i)] = 1;
        const auto selected = [](auto g, auto top) { return where(top == 0, 0, g); };
        const Variable<T> shift =
            sum(fuse("softmax", primitive(selected), g, constant(top)), {-1}, true);
        return add_fused(to[0], gradient, g, y, shift,
                         sum(fuse("softmax", primitive(product), g, y, shift), {-1}, true));
    }
    Tensor<T> gradients(y.shape());
    for (std::size_t i = 0; n > 0 && i < weights.size(); i += n) {
        const T *const gs = incoming.data() + i, *const ys = weights.data() + i;
        const std::size_t top = largest(i);
        const Lanes<T> shift(ys[top] == 0 ? T(0) : gs[top]);
        const Lanes<T> mean(detail::row_sum<T>(
            n, [&](auto g, auto y) { return product(g, y, shift); }, gs, ys));
        detail::row_map(
            n, gradients.data() + i, [&](auto g, auto y) { return gradient(g, y, shift, mean); },
            gs, ys);
    }
    to[0].add(Variable<T>(std::move(gradients)));
}

// (x - top) - log(sum), which is accurate for logits of any magnitude.
template <class T>
void log_softmax_row(const T* in, T* out, std::size_t n, T top) {
    if (top == -infinity<T>) {
        std::copy_n(in, n, out);
        return;
    }
    const T log_sum = detail::row_log_sum_exp(in, n, top);
    detail::row_map(
        n, out, [top, log_sum](auto x) { return x - top - log_sum; }, in);
}

// g - e^y sum(g), computed as g (1 - e^y) minus the other elements' e^y g, to avoid cancellation if
// one y is nearly 0.
template <class T>
void log_softmax_rule(const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& y) {
    // Masked elements get no gradient, whatever their g.
    const auto alive = [](auto g, auto y) { return where(y == -infinity<T>, 0, g); };
    const Variable<T> total = sum(fuse("log_softmax", primitive(alive), g, y), {-1}, true);
    add_fused(
        to[0],
        [](auto g, auto y, auto total) {
            const auto gradient = -g * expm1(y) - exp(y) * (total - g);
            // A NaN in y propagates only to elements with a gradient; padding has none.
            return where(y == -infinity<T>, 0,
                         where(y >= -infinity<T>, gradient, where(g == 0, 0, y)));
        },
        g, y, total);
}

void check_mask(const Op& op, const Mask& mask, const Shape& shape) {
    if (!broadcasts_to(mask.shape(), shape))
        fail(op,
             "the mask " + to_string(mask.shape()) + " does not broadcast to " + to_string(shape));
}

// An operation on rows along an axis.
template <class T, class Row, class RowRule>
Variable<T> along(const Op& op, const Variable<T>& x, const Mask* mask, std::ptrdiff_t axis,
                  const Row& row, const RowRule& rule) {
    const std::size_t a = normal_axis(op, axis, x.dimension());
    if (a + 1 == x.dimension())
        return record<T>(op, {&x}, by_rows(x.value(), mask, row), save_for_backward(result), rule);
    if (mask == nullptr)
        return swapaxes(along(op, swapaxes(x, axis, -1), mask, -1, row, rule), axis, -1);
    // With all leading axes, so that the same two axes can be swapped.
    Shape shape = mask->shape();
    while (shape.size() < x.dimension()) shape.insert(0, 1);
    Shape order;
    for (std::size_t i = 0; i < shape.size(); ++i) order.push_back(i);
    std::swap(order[a], order.back());
    const Mask swapped = mask->reshape(shape).transpose({order.begin(), order.size()});
    return swapaxes(along(op, swapaxes(x, axis, -1), &swapped, -1, row, rule), axis, -1);
}

} // namespace

template <class T>
Variable<T> softmax(const Variable<T>& x, std::ptrdiff_t axis, Op op) {
    x.require_value(op);
    const Composite composite(op);
    return along(op, x, nullptr, axis, softmax_row<T>, softmax_rule<T>);
}

template <class T>
Variable<T> log_softmax(const Variable<T>& x, std::ptrdiff_t axis, Op op) {
    x.require_value(op);
    const Composite composite(op);
    return along(op, x, nullptr, axis, log_softmax_row<T>, log_softmax_rule<T>);
}

template <class T>
Variable<T> softmax(const Variable<T>& x, const Mask& mask, std::ptrdiff_t axis, Op op) {
    x.require_value(op);
    check_mask(op, mask, x.shape());
    const Composite composite(op);
    return detail::with_operand(along(op, x, &mask, axis, softmax_row<T>, softmax_rule<T>), "mask",
                                mask, &composite);
}

template <class T>
Variable<T> log_softmax(const Variable<T>& x, const Mask& mask, std::ptrdiff_t axis, Op op) {
    x.require_value(op);
    check_mask(op, mask, x.shape());
    const Composite composite(op);
    return detail::with_operand(log_softmax(where(mask, x, -infinity<T>, op), axis, op), "mask",
                                mask, &composite);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> softmax(const Variable<T>&, std::ptrdiff_t, Op);                          \
    template Variable<T> softmax(const Variable<T>&, const Mask&, std::ptrdiff_t, Op);             \
    template Variable<T> log_softmax(const Variable<T>&, std::ptrdiff_t, Op);                      \
    template Variable<T> log_softmax(const Variable<T>&, const Mask&, std::ptrdiff_t, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
