#include <unroll/ops/convolution.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/pooling.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <string>

namespace unroll {

namespace {

using detail::Windows;

// Runs `pool(x [batch, channels, height, width], windows)` on images, or on sequences as images of
// height 1.
template <class T, class F>
Variable<T> pooled(const Op& op, const Variable<T>& x, const PoolingOptions& options,
                   const F& pool) {
    const std::size_t rank = x.dimension();
    if (rank != 3 && rank != 4)
        fail(op, "x " + to_string(x.shape()) + "; expected [batch, channels, (height,) width]");
    HeightWidth kernel = options.kernel, stride = options.stride.value_or(kernel);
    HeightWidth padding = options.padding;
    if (rank == 3) {
        kernel.height = stride.height = 1;
        padding.height = 0;
    }
    const auto as_image = rank == 4 ? x : expand_dims(x, 2);
    const Windows windows(op, {as_image.shape(2), as_image.shape(3)}, kernel, stride, padding, 1);
    if (padding.height > kernel.height / 2 || padding.width > kernel.width / 2)
        fail(op, "a padding of " + std::to_string(padding.height) + " by " +
                     std::to_string(padding.width) + " is more than half of the kernel, " +
                     std::to_string(kernel.height) + " by " + std::to_string(kernel.width));
    const Variable<T> y = pool(as_image, windows);
    return rank == 4 ? y : squeeze(y, 2);
}

Shape pooled_shape(const Shape& x, const Windows& windows) {
    return {x[0], x[1], windows.out.height, windows.out.width};
}

} // namespace

template <class T>
Variable<T> max_pool(const Variable<T>& x, const PoolingOptions& options, Op op) {
    return pooled(op, x, options, [&](const Variable<T>& x, const Windows& w) {
        Tensor<T> value(pooled_shape(x.shape(), w));
        Indices selected(value.shape());
        const Tensor<T> dense = x.value().contiguous();
        const T* const x_data = dense.data();
        const std::size_t height = w.image.height, width = w.image.width;
        const auto from = [](std::size_t position, std::size_t stride, std::size_t padding) {
            return position * stride > padding ? position * stride - padding : 0;
        };
        std::size_t to = 0;
        for (std::size_t plane = 0; plane < dense.size(); plane += height * width) {
            for (std::size_t r = 0; r < w.out.height; ++r) {
                const std::size_t top = from(r, w.stride.height, w.padding.height);
                const std::size_t bottom =
                    std::min(height, r * w.stride.height + w.kernel.height - w.padding.height);
                for (std::size_t c = 0; c < w.out.width; ++c, ++to) {
                    const std::size_t left = from(c, w.stride.width, w.padding.width);
                    const std::size_t right =
                        std::min(width, c * w.stride.width + w.kernel.width - w.padding.width);
                    std::size_t best = plane + top * width + left;
                    T most = x_data[best];
                    for (std::size_t i = top; i < bottom; ++i)
                        for (std::size_t j = left; j < right; ++j) {
                            const std::size_t at = plane + i * width + j;
                            const T here = x_data[at];
                            // NaN propagates.
                            if (here <= most || most != most) continue;
                            most = here;
                            best = at;
                        }
                    value.data()[to] = most;
                    selected.data()[to] = static_cast<std::int64_t>(best);
                }
            }
        }
        return record<T>(op, {&x}, std::move(value), save_for_backward(),
                         [selected](const Adjoints<T>& to, const Variable<T>& g) {
                             to[0].scatter_elements(selected, g);
                         });
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
                       pooled_shape(x.shape(), w));
    });
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> max_pool(const Variable<T>&, const PoolingOptions&, Op);                  \
    template Variable<T> average_pool(const Variable<T>&, const PoolingOptions&, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
