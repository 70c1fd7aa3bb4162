#include <unroll/ops/convolution.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/pooling.hpp>
#include <unroll/ops/resize/axis_map.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace unroll {

namespace {

using detail::Windows;

// Runs `f(x [batch, channels, height, width])` on images, or on sequences as images of height 1.
template <class T, class F>
Variable<T> on_images(const Op& op, const Variable<T>& x, const F& f) {
    const std::size_t rank = x.dimension();
    if (rank != 3 && rank != 4)
        fail(op, "x " + to_string(x.shape()) + "; expected [batch, channels, (height,) width]");
    return rank == 4 ? f(x) : squeeze(f(expand_dims(x, 2)), 2);
}

// The same with the windows: `pool(x, windows)`.
template <class T, class F>
Variable<T> pooled(const Op& op, const Variable<T>& x, const PoolingOptions& options,
                   const F& pool) {
    return on_images(op, x, [&](const Variable<T>& images) {
        HeightWidth kernel = options.kernel, stride = options.stride.value_or(kernel);
        HeightWidth padding = options.padding;
        if (x.dimension() == 3) {
            kernel.height = stride.height = 1;
            padding.height = 0;
        }
        const Windows windows(op, {images.shape(2), images.shape(3)}, kernel, stride, padding, 1);
        if (padding.height > kernel.height / 2 || padding.width > kernel.width / 2)
            fail(op, "a padding of " + std::to_string(padding.height) + " by " +
                         std::to_string(padding.width) + " is more than half of the kernel, " +
                         std::to_string(kernel.height) + " by " + std::to_string(kernel.width));
        return pool(images, windows);
    });
}

// The elements of each window along one axis, without padding.
struct Range {
    std::size_t begin, end;
};
using Ranges = std::vector<Range>;

Ranges ranges(std::size_t image, std::size_t kernel, std::size_t stride, std::size_t padding,
              std::size_t out) {
    Ranges all(out);
    for (std::size_t i = 0; i < out; ++i)
        all[i] = {i * stride > padding ? i * stride - padding : 0,
                  std::min(image, i * stride + kernel - padding)};
    return all;
}

// The same for a given number of windows.
Ranges adaptive_ranges(const Op& op, const char* axis, std::size_t image, std::size_t out) {
    if (image == 0 || out == 0 || out > detail::most_pixels)
        fail(op, std::to_string(out) + " windows along a " + axis + " of " + std::to_string(image) +
                     "; expected 1 to " + std::to_string(detail::most_pixels) +
                     " and an x with elements along this axis");
    Ranges all(out);
    for (std::size_t i = 0; i < out; ++i)
        all[i] = {i * image / out, ((i + 1) * image + out - 1) / out};
    return all;
}

// The largest element of each window of x [batch, channels, height, width].
template <class T>
Variable<T> largest(const Op& op, const Variable<T>& x, const Ranges& down, const Ranges& across) {
    Tensor<T> value(Shape{x.shape(0), x.shape(1), down.size(), across.size()});
    if (x.size() == 0 && value.size() > 0)
        fail(op, "x " + to_string(x.shape()) + " has no elements along its height or width");
    Indices selected(value.shape());
    const Tensor<T> dense = x.value().contiguous();
    const T* const x_data = dense.data();
    const std::size_t height = x.shape(2), width = x.shape(3);
    std::size_t to = 0;
    for (std::size_t plane = 0; plane < dense.size(); plane += height * width)
        for (const Range& rows : down)
            for (const Range& columns : across) {
                std::size_t best = plane + rows.begin * width + columns.begin;
                T most = x_data[best];
                for (std::size_t i = rows.begin; i < rows.end; ++i)
                    for (std::size_t j = columns.begin; j < columns.end; ++j) {
                        const std::size_t at = plane + i * width + j;
                        const T here = x_data[at];
                        // NaN propagates.
                        if (here <= most || most != most) continue;
                        most = here;
                        best = at;
                    }
                value.data()[to] = most;
                selected.data()[to++] = static_cast<std::int64_t>(best);
            }
    return record<T>(op, {&x}, std::move(value), save_for_backward(),
                     [selected](const Adjoints<T>& to, const Variable<T>& g) {
                         to[0].scatter_elements(selected, g);
                     });
}

std::shared_ptr<const detail::AxisMap> averages(std::size_t image, const Ranges& windows) {
    detail::AxisMap map{image, {}};
    for (const auto& [begin, end] : windows)
        map.rows.push_back(
            {begin, std::vector<double>(end - begin, 1), static_cast<double>(end - begin)});
    return std::make_shared<const detail::AxisMap>(std::move(map));
}

} // namespace

template <class T>
Variable<T> max_pool(const Variable<T>& x, const PoolingOptions& options, Op op) {
    return pooled(op, x, options, [&](const Variable<T>& x, const Windows& w) {
        return largest(
            op, x,
            ranges(w.image.height, w.kernel.height, w.stride.height, w.padding.height,
                   w.out.height),
            ranges(w.image.width, w.kernel.width, w.stride.width, w.padding.width, w.out.width));
    });
}

template <class T>
Variable<T> adaptive_max_pool(const Variable<T>& x, HeightWidth size, Op op) {
    if (x.dimension() == 3) size.height = 1;
    return on_images(op, x, [&](const Variable<T>& x) {
        return largest(op, x, adaptive_ranges(op, "height", x.shape(2), size.height),
                       adaptive_ranges(op, "width", x.shape(3), size.width));
    });
}

template <class T>
Variable<T> adaptive_average_pool(const Variable<T>& x, HeightWidth size, Op op) {
    if (x.dimension() == 3) size.height = 1;
    const Composite composite(op);
    // The windows are rectangles: the mean of the means of their rows is their mean.
    return on_images(op, x, [&](const Variable<T>& x) {
        const Ranges down = adaptive_ranges(op, "height", x.shape(2), size.height),
                     across = adaptive_ranges(op, "width", x.shape(3), size.width);
        return detail::map_axis(op, detail::map_axis(op, x, 2, averages(x.shape(2), down)), 3,
                                averages(x.shape(3), across));
    });
}

template <class T>
Variable<T> average_pool(const Variable<T>& x, const PoolingOptions& options, Op op) {
    return pooled(op, x, options, [&](const Variable<T>& x, const Windows& w) {
        const Composite composite(op);
        // A depthwise convolution with weights of 1, followed by a division.
        const auto count = static_cast<T>(w.kernel.height * w.kernel.width);
        const Variable<T> planes =
            reshape(x, Shape{x.shape(0) * x.shape(1), 1, w.image.height, w.image.width}, op);
        const Tensor<T> weight = Tensor<T>::ones({1, 1, w.kernel.height, w.kernel.width});
        const Variable<T> sums = convolution(planes, Variable<T>(weight),
                                             {.stride = w.stride, .padding = w.padding}, op);
        return reshape(fuse(
                           op, [count](auto sum) { return sum / count; }, sums),
                       Shape{x.shape(0), x.shape(1), w.out.height, w.out.width});
    });
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> max_pool(const Variable<T>&, const PoolingOptions&, Op);                  \
    template Variable<T> average_pool(const Variable<T>&, const PoolingOptions&, Op);              \
    template Variable<T> adaptive_max_pool(const Variable<T>&, HeightWidth, Op);                   \
    template Variable<T> adaptive_average_pool(const Variable<T>&, HeightWidth, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
