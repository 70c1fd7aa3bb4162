#include <unroll/core/autograd/backward/linear_maps.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <limits>
#include <numeric>

namespace unroll {

namespace {

// Which axes are reduced, and the shapes that follow.
struct Reduction {
    Shape kept;    // with extent 1 on the reduced axes
    Shape dropped; // without them
    Shape order;   // the axes, reduced ones last
    std::size_t count = 1;

    Reduction(const Op& op, const Shape& shape, Axes axes, bool all) : kept(shape) {
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
Variable<T> sum_over(const Op& op, const Variable<T>& x, const Reduction& r, bool keep_dims,
                     T scale) {
    return shaped(sum_to(op, x, r.kept, scale), r, keep_dims);
}

template <class T>
T part_of(const Reduction& r) {
    return r.count == 0 ? std::numeric_limits<T>::quiet_NaN() : T(1) / static_cast<T>(r.count);
}

// x as a matrix whose rows are reduced.
template <class T>
Tensor<T> rows(const Tensor<T>& x, const Reduction& r) {
    const std::size_t outer = element_count(r.dropped);
    return x.transpose({r.order.begin(), r.order.size()}).contiguous().reshape({outer, r.count});
}

// The first best element of each row.
template <class T, class Before>
Indices first_by(const Tensor<T>& rows, Before before) {
    Indices best(Shape{rows.shape(0)});
    for (std::size_t i = 0; i < rows.shape(0); ++i) {
        const T* row = rows.data() + i * rows.shape(1);
        std::size_t at = 0;
        for (std::size_t j = 1; j < rows.shape(1); ++j)
            if (before(row[j], row[at])) at = j;
        best.data()[i] = static_cast<std::int64_t>(at);
    }
    return best;
}

template <class T, class Before>
Variable<T> extreme(const Op& op, const Variable<T>& x, const Reduction& r, bool keep_dims,
                    Before before) {
    if (r.count == 0 && element_count(r.dropped) != 0)
        fail(op, "no elements to choose from in " + to_string(x.shape()));
    const Tensor<T> all = rows(x.value(), r);
    const Indices best = first_by(all, before);
    Tensor<T> value(r.kept);
    for (std::size_t i = 0; i < best.size(); ++i)
        value.data()[i] = all.data()[i * r.count + static_cast<std::size_t>(best.data()[i])];
    // Indices of the selected elements in x.
    Indices places(Shape{best.size()});
    const Strides strides = row_major(x.shape());
    for (std::size_t i = 0; i < best.size(); ++i) {
        std::size_t rest = i * r.count + static_cast<std::size_t>(best.data()[i]);
        std::ptrdiff_t at = 0;
        for (std::size_t a = r.order.size(); a-- > 0; rest /= x.shape(r.order[a]))
            at += static_cast<std::ptrdiff_t>(rest % x.shape(r.order[a])) * strides[r.order[a]];
        places.data()[i] = at;
    }
    return shaped(record<T>(op, {&x}, std::move(value), keep(),
                            [places](const Adjoints<T>& to, const Variable<T>& g) {
                                to[0].scatter_elements(places, g);
                            }),
                  r, keep_dims);
}

template <class T>
Variable<T> logsumexp_over(const Op& op, const Variable<T>& x, const Reduction& r, bool keep_dims) {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    const Tensor<T> all = rows(x.value(), r);
    Tensor<T> value(r.kept);
    for (std::size_t i = 0; i < value.size(); ++i) {
        const T* row = all.data() + i * r.count;
        T top = -infinity;
        for (std::size_t j = 0; j < r.count; ++j) // keeps NaN
            top = row[j] > top || std::isnan(row[j]) ? row[j] : top;
        T total = 0;
        if (top > -infinity && top < infinity)
            for (std::size_t j = 0; j < r.count; ++j) total += std::exp(row[j] - top);
        value.data()[i] = total > 0 ? top + std::log(total) : top;
    }
    return shaped(record<T>(op, {&x}, std::move(value), keep(x, result),
                            [](const Adjoints<T>& to, const Variable<T>& g, const Variable<T>& x,
                               const Variable<T>& y) {
                                add_fused(
                                    to[0],
                                    [](auto g, auto x, auto y) {
                                        // In an infinite sum only the infinite elements have
                                        // weight.
                                        return g * where(abs(y) == infinity,
                                                         where(x == y && y > 0, 1, 0), exp(x - y));
                                    },
                                    g, x, y);
                            }),
                  r, keep_dims);
}

template <class T>
Indices along(const Op& op, const Variable<T>& x, std::ptrdiff_t axis, bool largest) {
    const Reduction r(op, x.shape(), {axis}, false);
    if (r.count == 0) fail(op, "the axis is empty in " + to_string(x.shape()));
    const Tensor<T> all = rows(x.value(), r);
    const Indices best = largest ? first_by(all, std::greater<T>()) : first_by(all, std::less<T>());
    return best.reshape(r.dropped);
}

} // namespace

template <class T>
Variable<T> sum(const Variable<T>& x, Op op) {
    return sum_over(op, x, Reduction(op, x.shape(), {}, true), false, T(1));
}
template <class T>
Variable<T> sum(const Variable<T>& x, Axes axes, bool keep_dims, Op op) {
    return sum_over(op, x, Reduction(op, x.shape(), axes, false), keep_dims, T(1));
}

template <class T>
Variable<T> mean(const Variable<T>& x, Op op) {
    const Reduction r(op, x.shape(), {}, true);
    return r.count == 0 ? sum_over(op, x, r, false, T(1)) * part_of<T>(r)
                        : sum_over(op, x, r, false, part_of<T>(r));
}
template <class T>
Variable<T> mean(const Variable<T>& x, Axes axes, bool keep_dims, Op op) {
    const Reduction r(op, x.shape(), axes, false);
    return r.count == 0 ? sum_over(op, x, r, keep_dims, T(1)) * part_of<T>(r)
                        : sum_over(op, x, r, keep_dims, part_of<T>(r));
}

template <class T>
Variable<T> variance(const Variable<T>& x, Op op) {
    return mean(square(x - mean(x)), op);
}
template <class T>
Variable<T> variance(const Variable<T>& x, Axes axes, std::size_t ddof, bool keep_dims, Op op) {
    const Reduction r(op, x.shape(), axes, false);
    if (r.count <= ddof)
        fail(op,
             std::to_string(r.count) + " elements are too few for ddof " + std::to_string(ddof));
    const T part = T(1) / static_cast<T>(r.count - ddof);
    return sum_over(op, square(x - mean(x, axes, true)), r, keep_dims, part);
}

namespace {
template <class T>
Variable<T> root(const Op& op, const Variable<T>& squares) {
    return fuse(
        op, [](auto s) { return where(s == 0, 0 * s, sqrt(where(s == 0, 0 * s + 1, s))); },
        squares);
}
} // namespace

template <class T>
Variable<T> norm_l2(const Variable<T>& x, Op op) {
    return root(op, sum(square(x), op));
}
template <class T>
Variable<T> norm_l2(const Variable<T>& x, Axes axes, bool keep_dims, Op op) {
    return root(op, sum(square(x), axes, keep_dims, op));
}

template <class T>
Variable<T> amax(const Variable<T>& x, Op op) {
    return extreme(op, x, Reduction(op, x.shape(), {}, true), false, std::greater<T>());
}
template <class T>
Variable<T> amax(const Variable<T>& x, Axes axes, bool keep_dims, Op op) {
    return extreme(op, x, Reduction(op, x.shape(), axes, false), keep_dims, std::greater<T>());
}
template <class T>
Variable<T> amin(const Variable<T>& x, Op op) {
    return extreme(op, x, Reduction(op, x.shape(), {}, true), false, std::less<T>());
}
template <class T>
Variable<T> amin(const Variable<T>& x, Axes axes, bool keep_dims, Op op) {
    return extreme(op, x, Reduction(op, x.shape(), axes, false), keep_dims, std::less<T>());
}

template <class T>
Variable<T> logsumexp(const Variable<T>& x, Op op) {
    return logsumexp_over(op, x, Reduction(op, x.shape(), {}, true), false);
}
template <class T>
Variable<T> logsumexp(const Variable<T>& x, Axes axes, bool keep_dims, Op op) {
    return logsumexp_over(op, x, Reduction(op, x.shape(), axes, false), keep_dims);
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
    const Reduction r(op, x.shape(), {-1}, false);
    if (k > r.count) fail(op, std::to_string(k) + " elements wanted of " + std::to_string(r.count));
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
