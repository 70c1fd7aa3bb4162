#include <unroll/core/autograd/backward/linear_maps.hpp>
#include <unroll/core/kernels/sums.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/fuse/rows.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace unroll {

namespace {

// The reduced axes and the resulting shapes.
struct Reduction {
    Shape kept;    // with extent 1 on the reduced axes
    Shape dropped; // without them
    Shape order;   // the axes, reduced ones last
    std::size_t count = 1;

    template <class T>
    Reduction(const Op& op, const Variable<T>& x, Axes axes, bool all) : kept(x.shape()) {
        x.require_value(op);
        const Shape& shape = x.shape();
        std::array<bool, max_rank> reduced{};
        for (const std::ptrdiff_t axis : axes) {
            const std::size_t a = normal_axis(op, axis, shape.size());
            if (reduced[a]) fail(op, "axis " + std::to_string(axis) + " is listed twice");
            reduced[a] = true;
        }
        for (std::size_t a = 0; a < shape.size(); ++a) {
            if (all || reduced[a]) {
                count *= shape[a];
                kept[a] = 1;
            } else {
                dropped.push_back(shape[a]);
                order.push_back(a);
            }
        }
        for (std::size_t a = 0; a < shape.size(); ++a)
            if (all || reduced[a]) order.push_back(a);
    }
};

template <class T>
Variable<T> shaped(const Variable<T>& kept, const Reduction& r, bool keep_dims) {
    return keep_dims ? kept : reshape(kept, r.dropped);
}

template <class T>
Variable<T> sum_over(const Op& op, const Variable<T>& x, const Reduction& r, bool keep_dims) {
    const Composite composite(op);
    return shaped(sum_to(op, x, r.kept), r, keep_dims);
}

template <class T>
Variable<T> mean_over(const Op& op, const Variable<T>& x, const Reduction& r, bool keep_dims) {
    const T part = T(1) / static_cast<T>(std::max<std::size_t>(r.count, 1));
    const auto rule = [part](const Adjoints<T>& to, const Variable<T>& g) { to[0].add(g, part); };
    const Composite composite(op);
    return shaped(record<T>(op, {&x}, mean_along(x.value(), r.kept), save_for_backward(), rule), r,
                  keep_dims);
}

// x minus its mean and minus the rounding error of the mean, which is a constant.
template <class T>
Variable<T> centred(const Op& op, const Variable<T>& x, const Reduction& r) {
    const Variable<T> mean = mean_over(op, x, r, true);
    return fuse(
        op, [](auto x, auto mean, auto rest) { return x - mean - rest; }, x, mean,
        constant(mean_rest(x.value(), mean.value())));
}

template <class T>
Variable<T> variance_over(const Op& op, const Variable<T>& x, const Reduction& r, std::size_t ddof,
                          bool keep_dims) {
    const Composite composite(op);
    const Variable<T> distance = centred(op, x, r);
    const SquareSums<T> squares = square_sums_along(distance.value(), r.kept);
    const auto n = static_cast<T>(r.count - ddof);
    Tensor<T> value(r.kept);
    for (std::size_t i = 0; i < value.size(); ++i) {
        const T mean = squares.sums.data()[i] / n;
        value.data()[i] =
            squares.exponents.empty() ? mean : std::ldexp(mean, 2 * squares.exponents[i]);
    }
    return shaped(record<T>(op, {&distance}, std::move(value), save_for_backward(distance),
                            [n](const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& d) {
                                add_fused(
                                    to[0], [n](auto g, auto d) { return 2 * g * d / n; }, g, d);
                            }),
                  r, keep_dims);
}

template <class T>
Variable<T> norm_over(const Op& op, const Variable<T>& x, const Reduction& r, bool keep_dims) {
    const Composite composite(op);
    const SquareSums<T> squares = square_sums_along(x.value(), r.kept);
    Tensor<T> value(r.kept);
    for (std::size_t i = 0; i < value.size(); ++i) {
        const T norm = std::sqrt(squares.sums.data()[i]);
        value.data()[i] = squares.exponents.empty() ? norm : std::ldexp(norm, squares.exponents[i]);
    }
    return shaped(record<T>(op, {&x}, std::move(value), save_for_backward(x, result),
                            [](const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& x,
                               const Variable<T>& y) {
                                add_fused(
                                    to[0],
                                    [](auto g, auto x, auto y) {
                                        return where(y == 0, 0, g * (x / where(y == 0, 1, y)));
                                    },
                                    g, x, y);
                            }),
                  r, keep_dims);
}

// x as a matrix whose rows are reduced.
template <class T>
Tensor<T> rows(const Tensor<T>& x, const Reduction& r) {
    const std::size_t outer = element_count(r.dropped);
    return x.transpose({r.order.begin(), r.order.size()}).contiguous().reshape({outer, r.count});
}

// The first element of each row that no other precedes in the order; the first NaN if there is one.
template <class T, class Before>
Indices first_by(const Tensor<T>& rows, Before before) {
    Indices best(Shape{rows.shape(0)});
    for (std::size_t i = 0; i < rows.shape(0); ++i) {
        const T* row = rows.data() + i * rows.shape(1);
        std::size_t at = 0;
        for (std::size_t j = 1; j < rows.shape(1); ++j)
            if (before(row[j], row[at]) || (std::isnan(row[j]) && !std::isnan(row[at]))) at = j;
        best.data()[i] = static_cast<std::int64_t>(at);
    }
    return best;
}

template <class T, class Before>
Variable<T> extreme(const Op& op, const Variable<T>& x, const Reduction& r, bool keep_dims,
                    Before before) {
    if (r.count == 0 && element_count(r.dropped) != 0)
        fail(op, "there are no elements in " + to_string(x.shape()));
    const Composite composite(op);
    const Tensor<T> all = rows(x.value(), r);
    const Indices best = first_by(all, before);
    Tensor<T> value(r.kept);
    for (std::size_t i = 0; i < best.size(); ++i)
        value.data()[i] = all.data()[i * r.count + static_cast<std::size_t>(best.data()[i])];
    // Indices of the selected elements in x.
    Indices selected(Shape{best.size()});
    const Strides strides = row_major(x.shape());
    for (std::size_t i = 0; i < best.size(); ++i) {
        std::size_t rest = i * r.count + static_cast<std::size_t>(best.data()[i]);
        std::ptrdiff_t at = 0;
        for (std::size_t a = r.order.size(); a-- > 0; rest /= x.shape(r.order[a]))
            at += static_cast<std::ptrdiff_t>(rest % x.shape(r.order[a])) * strides[r.order[a]];
        selected.data()[i] = at;
    }
    return shaped(record<T>(op, {&x}, std::move(value), save_for_backward(),
                            [selected](const Adjoints<T>& to, const Variable<T>& g) {
                                to[0].scatter_elements(selected, g);
                            }),
                  r, keep_dims);
}

// The logarithms of the sums relative to the largest elements, which are constants, are a separate
// result: x - top - log_sum is accurate for elements of any magnitude.
template <class T>
Variable<T> logsumexp_over(const Op& op, const Variable<T>& x, const Reduction& r, bool keep_dims) {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    const Composite composite(op);
    const Tensor<T> all = rows(x.value(), r);
    Tensor<T> value(r.kept), tops(r.kept), log_sums(r.kept);
    for (std::size_t i = 0; i < value.size(); ++i) {
        const T* row = all.data() + i * r.count;
        const T top = detail::row_max(row, r.count);
        const bool is_finite = top > -infinity && top < infinity;
        tops.data()[i] = top;
        log_sums.data()[i] = is_finite ? detail::row_log_sum_exp(row, r.count, top) : T(0);
        value.data()[i] = top + log_sums.data()[i];
    }
    const std::array<const Variable<T>*, 1> inputs{&x};
    const auto rule = [tops](const Adjoints<T>& to, std::span<const Variable<T>> g,
                             const Variable<T>& x, const Variable<T>& log_sums) {
        for (const Variable<T>& gradient : g) {
            if (!gradient.has_value()) continue;
            add_fused(
                to[0],
                [](auto g, auto x, auto top, auto log_sum) {
                    // If the sum is infinite, its infinite terms have all the weight.
                    const auto part = where(abs(top) == infinity, where(x == top && top > 0, 1, 0),
                                            exp(x - top - log_sum));
                    return g * part;
                },
                gradient, x, constant(tops), log_sums);
        }
    };
    return shaped(record<T>(op, std::span(inputs),
                            std::array{std::move(value), std::move(log_sums)},
                            save_for_backward(x, Result<1>()), rule)[0],
                  r, keep_dims);
}

template <class T>
Indices along(const Op& op, const Variable<T>& x, std::ptrdiff_t axis, bool largest) {
    const Reduction r(op, x, {axis}, false);
    if (r.count == 0) fail(op, "the axis is empty in " + to_string(x.shape()));
    const Tensor<T> all = rows(x.value(), r);
    const Indices best = largest ? first_by(all, std::greater<T>()) : first_by(all, std::less<T>());
    return best.reshape(r.dropped);
}

} // namespace

template <class T>
Variable<T> sum(const Variable<T>& x, Op op) {
    return sum_over(op, x, Reduction(op, x, {}, true), false);
}
template <class T>
Variable<T> sum(const Variable<T>& x, Axes axes, bool keep_dims, Op op) {
    return sum_over(op, x, Reduction(op, x, axes, false), keep_dims);
}

template <class T>
Variable<T> mean(const Variable<T>& x, Op op) {
    return mean_over(op, x, Reduction(op, x, {}, true), false);
}
template <class T>
Variable<T> mean(const Variable<T>& x, Axes axes, bool keep_dims, Op op) {
    return mean_over(op, x, Reduction(op, x, axes, false), keep_dims);
}

template <class T>
Variable<T> variance(const Variable<T>& x, Op op) {
    return variance_over(op, x, Reduction(op, x, {}, true), 0, false);
}
template <class T>
Variable<T> variance(const Variable<T>& x, Axes axes, std::size_t ddof, bool keep_dims, Op op) {
    const Reduction r(op, x, axes, false);
    if (r.count <= ddof)
        fail(op,
             std::to_string(r.count) + " elements are too few for ddof " + std::to_string(ddof));
    return variance_over(op, x, r, ddof, keep_dims);
}

template <class T>
Variable<T> norm_l2(const Variable<T>& x, Op op) {
    return norm_over(op, x, Reduction(op, x, {}, true), false);
}
template <class T>
Variable<T> norm_l2(const Variable<T>& x, Axes axes, bool keep_dims, Op op) {
    return norm_over(op, x, Reduction(op, x, axes, false), keep_dims);
}

template <class T>
Variable<T> amax(const Variable<T>& x, Op op) {
    return extreme(op, x, Reduction(op, x, {}, true), false, std::greater<T>());
}
template <class T>
Variable<T> amax(const Variable<T>& x, Axes axes, bool keep_dims, Op op) {
    return extreme(op, x, Reduction(op, x, axes, false), keep_dims, std::greater<T>());
}
template <class T>
Variable<T> amin(const Variable<T>& x, Op op) {
    return extreme(op, x, Reduction(op, x, {}, true), false, std::less<T>());
}
template <class T>
Variable<T> amin(const Variable<T>& x, Axes axes, bool keep_dims, Op op) {
    return extreme(op, x, Reduction(op, x, axes, false), keep_dims, std::less<T>());
}

template <class T>
Variable<T> logsumexp(const Variable<T>& x, Op op) {
    return logsumexp_over(op, x, Reduction(op, x, {}, true), false);
}
template <class T>
Variable<T> logsumexp(const Variable<T>& x, Axes axes, bool keep_dims, Op op) {
    return logsumexp_over(op, x, Reduction(op, x, axes, false), keep_dims);
}

template <class T>
Indices argmax(const Variable<T>& x, std::ptrdiff_t axis, Op op) {
    return along(op, x, axis, true);
}
template <class T>
Indices argmin(const Variable<T>& x, std::ptrdiff_t axis, Op op) {
    return along(op, x, axis, false);
}

template <class T>
TopK<T> topk(const Variable<T>& x, std::size_t k, Op op) {
    const Reduction r(op, x, {-1}, false);
    if (k > r.count)
        fail(op, std::to_string(static_cast<std::ptrdiff_t>(k)) + " elements requested of " +
                     std::to_string(r.count));
    const Tensor<T> all = rows(x.value(), r);
    Shape shape = x.shape();
    shape.back() = k;
    TopK<T> best{Tensor<T>(shape), Indices(shape)};
    std::vector<std::int64_t> order(r.count);
    for (std::size_t i = 0; i < all.shape(0); ++i) {
        const T* row = all.data() + i * r.count;
        std::iota(order.begin(), order.end(), std::int64_t{0});
        std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k),
                          order.end(), [&](std::int64_t a, std::int64_t b) {
                              if (std::isnan(row[a]) || std::isnan(row[b]))
                                  return std::isnan(row[a]) && (!std::isnan(row[b]) || a < b);
                              return row[a] > row[b] || (row[a] == row[b] && a < b);
                          });
        for (std::size_t j = 0; j < k; ++j) {
            best.indices.data()[i * k + j] = order[j];
            best.values.data()[i * k + j] = row[order[j]];
        }
    }
    return best;
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> sum(const Variable<T>&, Op);                                              \
    template Variable<T> sum(const Variable<T>&, Axes, bool, Op);                                  \
    template Variable<T> mean(const Variable<T>&, Op);                                             \
    template Variable<T> mean(const Variable<T>&, Axes, bool, Op);                                 \
    template Variable<T> variance(const Variable<T>&, Op);                                         \
    template Variable<T> variance(const Variable<T>&, Axes, std::size_t, bool, Op);                \
    template Variable<T> norm_l2(const Variable<T>&, Op);                                          \
    template Variable<T> norm_l2(const Variable<T>&, Axes, bool, Op);                              \
    template Variable<T> amax(const Variable<T>&, Op);                                             \
    template Variable<T> amax(const Variable<T>&, Axes, bool, Op);                                 \
    template Variable<T> amin(const Variable<T>&, Op);                                             \
    template Variable<T> amin(const Variable<T>&, Axes, bool, Op);                                 \
    template Variable<T> logsumexp(const Variable<T>&, Op);                                        \
    template Variable<T> logsumexp(const Variable<T>&, Axes, bool, Op);                            \
    template Indices argmax(const Variable<T>&, std::ptrdiff_t, Op);                               \
    template Indices argmin(const Variable<T>&, std::ptrdiff_t, Op);                               \
    template TopK<T> topk(const Variable<T>&, std::size_t, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
