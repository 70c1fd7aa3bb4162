#include <unroll/ops/fuse.hpp>
#include <unroll/ops/index.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/rows.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/ops/views.hpp>

#include <cmath>
#include <limits>

namespace unroll {

namespace {

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();

// Runs `along_last` with the axis in the last place.
template <class T, class F>
Variable<T> with_axis_last(const Op& op, const Variable<T>& x, std::ptrdiff_t axis, F along_last) {
    const std::size_t a = normal_axis(op, axis, x.dimension());
    if (a + 1 == x.dimension()) return along_last(x);
    return swapaxes(along_last(swapaxes(x, axis, -1)), axis, -1);
}

template <class T>
Variable<T> masked(const Op& op, const Variable<T>& x, const Mask& mask) {
    if (!broadcasts_to(mask.shape(), x.shape()))
        fail(op, "the mask " + to_string(mask.shape()) + " does not broadcast to " +
                     to_string(x.shape()));
    Mask others(mask.shape());
    const Mask dense = mask.contiguous();
    for (std::size_t i = 0; i < others.size(); ++i) others.data()[i] = !dense.data()[i];
    return masked_fill(x, others, -infinity<T>, op);
}

// f(row of x, row of the result, its length, its largest element) for every row along the last
// axis.
template <class T, class F>
Tensor<T> by_rows(const Tensor<T>& x, const F& f) {
    const Tensor<T> in = x.contiguous();
    Tensor<T> out(x.shape());
    const std::size_t n = x.shape().back();
    for (std::size_t i = 0; n > 0 && i < in.size(); i += n)
        f(in.data() + i, out.data() + i, n, detail::row_max(in.data() + i, n));
    return out;
}

} // namespace

template <class T>
Variable<T> softmax(const Variable<T>& x, std::ptrdiff_t axis, Op op) {
    return with_axis_last(op, x, axis, [&](const Variable<T>& x) {
        const auto row = [](const T* in, T* out, std::size_t n, T top) {
            if (top == -infinity<T>) { // masked altogether: zeros, but for what is no number
                for (std::size_t j = 0; j < n; ++j) out[j] = std::isnan(in[j]) ? in[j] : T(0);
                return;
            }
            const T scale = T(1) / detail::row_exp(in, n, top, out);
            for (std::size_t j = 0; j < n; ++j) out[j] *= scale;
        };
        Tensor<T> value = by_rows(x.value(), row);
        return record<T>(op, {&x}, std::move(value), keep(result),
                         [](const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& y) {
                             const Variable<T> mean =
                                 sum(fuse(
                                         "softmax", [](auto g, auto y) { return g * y; }, g, y),
                                     {-1}, true);
                             add_fused(
                                 to[0], [](auto g, auto y, auto mean) { return y * (g - mean); }, g,
                                 y, mean);
                         });
    });
}

template <class T>
Variable<T> log_softmax(const Variable<T>& x, std::ptrdiff_t axis, Op op) {
    return with_axis_last(op, x, axis, [&](const Variable<T>& x) {
        const auto row = [](const T* in, T* out, std::size_t n, T top) {
            const T log_sum = top == -infinity<T>
                                  ? T(0)
                                  : top + std::log(detail::row_exp<T>(in, n, top, nullptr));
            for (std::size_t j = 0; j < n; ++j) out[j] = in[j] - log_sum;
        };
        Tensor<T> value = by_rows(x.value(), row);
        return record<T>(
            op, {&x}, std::move(value), keep(result),
            [](const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& y) {
                // What is masked has no share, whatever arrives for it.
                const auto alive = [](auto g, auto y) { return where(y > -infinity<T>, g, 0); };
                const Variable<T> total = sum(fuse("log_softmax", alive, g, y), {-1}, true);
                add_fused(
                    to[0],
                    [](auto g, auto y, auto total) {
                        return where(y > -infinity<T>, g - exp(y) * total, 0);
                    },
                    g, y, total);
            });
    });
}

template <class T>
Variable<T> softmax(const Variable<T>& x, const Mask& mask, std::ptrdiff_t axis, Op op) {
    return softmax(masked(op, x, mask), axis, op);
}

template <class T>
Variable<T> log_softmax(const Variable<T>& x, const Mask& mask, std::ptrdiff_t axis, Op op) {
    return log_softmax(masked(op, x, mask), axis, op);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> softmax(const Variable<T>&, std::ptrdiff_t, Op);                          \
    template Variable<T> softmax(const Variable<T>&, const Mask&, std::ptrdiff_t, Op);             \
    template Variable<T> log_softmax(const Variable<T>&, std::ptrdiff_t, Op);                      \
    template Variable<T> log_softmax(const Variable<T>&, const Mask&, std::ptrdiff_t, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
