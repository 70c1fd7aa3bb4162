#include <unroll/core/kernels/gemm.hpp>
#include <unroll/core/kernels/simd.hpp>
#include <unroll/core/kernels/threads.hpp>
#include <unroll/ops/convolution.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>

namespace unroll {

namespace {

using detail::Windows;

// Shapes of a convolution. Channels and outputs are those of one group.
struct Geometry {
    Windows windows;
    std::size_t images, groups, channels, outputs;

    std::size_t pixels() const { return windows.image.height * windows.image.width; }
    std::size_t positions() const { return windows.out.height * windows.out.width; }
    std::size_t kernel() const { return windows.kernel.height * windows.kernel.width; }
    std::size_t inner() const { return channels * kernel(); }
    Shape x() const {
        return {images, groups * channels, windows.image.height, windows.image.width};
    }
    Shape weight() const {
        return {groups * outputs, channels, windows.kernel.height, windows.kernel.width};
    }
    Shape y() const { return {images, groups * outputs, windows.out.height, windows.out.width}; }
    bool is_worth_splitting() const {
        return threads::worth_splitting(2.0 * static_cast<double>(images * groups * outputs) *
                                        static_cast<double>(inner() * positions()));
    }
};

// A block of windows whose columns fit the cache: some rows of one image, or all rows of several
// small images. Blocks do not depend on the number of threads.
struct Block {
    std::size_t image, images, row, rows;
};

template <class T>
struct Blocks {
    std::size_t images = 1, parts = 1; // of a block; of an image

    explicit Blocks(const Geometry& s) {
        constexpr std::size_t cache = (std::size_t{1} << 17) / sizeof(T), enough_columns = 256;
        const std::size_t line = std::max<std::size_t>(s.inner() * s.windows.out.width, 1);
        const std::size_t height = s.windows.out.height;
        const std::size_t fitting = std::max<std::size_t>(cache / line, 1);
        if (fitting < height)
            parts = (height + fitting - 1) / fitting;
        else
            images =
                std::min(fitting / height, (enough_columns + s.positions() - 1) / s.positions());
    }

    // Calls f(block) for all blocks of images [begin, end).
    template <class F>
    void each(const Geometry& s, std::size_t begin, std::size_t end, const F& f) const {
        const std::size_t height = s.windows.out.height;
        for (std::size_t n = begin; n < end; n += images)
            for (std::size_t p = 0; p < parts; ++p) {
                const std::size_t row = height * p / parts;
                f(Block{n, std::min(images, end - n), row, height * (p + 1) / parts - row});
            }
    }
};

// The positions [first, last) at which a kernel element at `offset` is inside the image.
struct Range {
    std::size_t first, last;
    Range(std::size_t extent, std::size_t out, std::size_t offset, std::size_t stride,
          std::size_t padding) {
        const auto before = [&](std::size_t edge) { // number of positions before the edge
            return edge <= offset ? 0 : std::min(out, (edge - offset + stride - 1) / stride);
        };
        first = before(padding);
        last = before(padding + extent);
    }
};

// Pairs the columns of a block, [channels * kernel, positions], with x: calls row(offset in the
// columns, offset in x, first, last) for every run of positions along the width, of which [first,
// last) are inside the image.
template <class F>
void for_rows(const Geometry& s, const Block& b, std::size_t channel, std::size_t channels,
              const F& row) {
    const Windows& w = s.windows;
    std::size_t to = 0;
    for (std::size_t c = channel; c < channel + channels; ++c) {
        for (std::size_t i = 0; i < w.kernel.height; ++i) {
            const std::size_t down = i * w.dilation.height;
            const Range high(w.image.height, w.out.height, down, w.stride.height, w.padding.height);
            for (std::size_t j = 0; j < w.kernel.width; ++j) {
                const std::size_t across = j * w.dilation.width;
                const Range wide(w.image.width, w.out.width, across, w.stride.width,
                                 w.padding.width);
                const std::size_t left = wide.first * w.stride.width + across - w.padding.width;
                for (std::size_t n = b.image; n < b.image + b.images; ++n) {
                    const std::size_t plane = (n * s.groups * s.channels + c) * s.pixels();
                    for (std::size_t r = b.row; r < b.row + b.rows; ++r, to += w.out.width) {
                        if (r < high.first || r >= high.last || wide.first >= wide.last) {
                            row(to, std::size_t{0}, std::size_t{0}, std::size_t{0});
                            continue;
                        }
                        const std::size_t top = r * w.stride.height + down - w.padding.height;
                        row(to, plane + top * w.image.width + left, wide.first, wide.last);
                    }
                }
            }
        }
    }
}

// to[i] = from[i], or to[i] += from[i]: the runs are too short for a library call.
template <bool adds, class T>
void run_into(const T* from, std::size_t n, T* to) {
    constexpr std::size_t W = Lanes<T>::width;
    std::size_t i = 0;
    for (; i + W <= n; i += W) {
        Lanes<T> v = Lanes<T>::load(from + i);
        if (adds) v += Lanes<T>::load(to + i);
        v.store(to + i);
    }
    for (; i < n; ++i) to[i] = adds ? to[i] + from[i] : from[i];
}

// Copies the windows of a block into columns.  (im2col)
template <class T>
void unfold(const Geometry& s, const Block& b, std::size_t channel, std::size_t channels,
            const T* x, T* columns) {
    const std::size_t width = s.windows.out.width, stride = s.windows.stride.width;
    for_rows(s, b, channel, channels,
             [&](std::size_t to, std::size_t from, std::size_t first, std::size_t last) {
                 T* const out = columns + to;
                 std::fill(out, out + first, T(0));
                 if (stride == 1)
                     run_into<false>(x + from, last - first, out + first);
                 else
                     for (std::size_t k = first; k < last; ++k, from += stride) out[k] = x[from];
                 std::fill(out + last, out + width, T(0));
             });
}

// The adjoint: adds columns back to the elements they were copied from.  (col2im)
template <class T>
void fold(const Geometry& s, const Block& b, std::size_t channel, std::size_t channels,
          const T* columns, T* x) {
    const std::size_t stride = s.windows.stride.width;
    for_rows(s, b, channel, channels,
             [&](std::size_t to, std::size_t from, std::size_t first, std::size_t last) {
                 if (stride == 1)
                     run_into<true>(columns + to + first, last - first, x + from);
                 else
                     for (std::size_t k = first; k < last; ++k, from += stride)
                         x[from] += columns[to + k];
             });
}

// The results of a group at a block's positions, [outputs, positions]: in place if they are rows of
// one image, otherwise in temporary memory.
template <class T>
class Panel {
public:
    Panel(const Geometry& s, const Block& b, std::size_t group, T* y)
        : s_(s), block_(b), columns_(b.images * b.rows * s.windows.out.width),
          place_(y + (b.image * s.groups + group) * s.outputs * s.positions() +
                 b.row * s.windows.out.width) {
        if (b.images > 1) own_ = Tensor<T>({s.outputs, columns_});
    }
    T* data() { return own_.storage() ? own_.data() : place_; }
    std::size_t leading() const { return own_.storage() ? columns_ : s_.positions(); }
    std::size_t columns() const { return columns_; }

    void gather() {
        each([](T* own, T* there, std::size_t n) { std::copy_n(there, n, own); });
    }
    void scatter() {
        each([](T* own, T* there, std::size_t n) { std::copy_n(own, n, there); });
    }

private:
    template <class F>
    void each(const F& f) {
        if (!own_.storage()) return;
        const std::size_t run = s_.positions();
        for (std::size_t n = 0; n < block_.images; ++n)
            for (std::size_t o = 0; o < s_.outputs; ++o)
                f(own_.data() + o * columns_ + n * run,
                  place_ + (n * s_.groups * s_.outputs + o) * run, run);
    }

    const Geometry& s_;
    Block block_;
    std::size_t columns_;
    T* place_;
    Tensor<T> own_;
};

// Calls f(block, group, memory for its columns) for a whole batch; the images are divided among
// threads.
template <class T, class F>
void for_images(const Geometry& s, const F& f) {
    const Blocks<T> blocks(s);
    const auto piece = [&](std::size_t begin, std::size_t end) {
        Tensor<T> columns;
        blocks.each(s, begin, end, [&](const Block& b) {
            const Shape shape{s.inner(), b.images * b.rows * s.windows.out.width};
            if (columns.size() < element_count(shape)) columns = Tensor<T>(shape);
            for (std::size_t g = 0; g < s.groups; ++g) f(b, g, columns.data());
        });
    };
    if (s.is_worth_splitting())
        threads::for_pieces(s.images, blocks.images, piece);
    else
        piece(0, s.images);
}

template <class T>
Tensor<T> forward(const Geometry& s, const Tensor<T>& x, const Tensor<T>& weight,
                  const Tensor<T>& bias) {
    Tensor<T> y(s.y());
    for_images<T>(s, [&](const Block& b, std::size_t g, T* columns) {
        unfold(s, b, g * s.channels, s.channels, x.data(), columns);
        Panel<T> out(s, b, g, y.data());
        const bool biased = bias.dimension() != 0;
        for (std::size_t o = 0; biased && o < s.outputs; ++o)
            std::fill_n(out.data() + o * out.leading(), out.columns(),
                        bias.data()[g * s.outputs + o]);
        gemm(false, false, s.outputs, out.columns(), s.inner(), T(1),
             weight.data() + g * s.outputs * s.inner(), s.inner(), columns, out.columns(),
             T(biased ? 1 : 0), out.data(), out.leading());
        out.scatter();
    });
    return y;
}

template <class T>
Tensor<T> input_share(const Geometry& s, const Tensor<T>& y, const Tensor<T>& weight) {
    Tensor<T> x = Tensor<T>::zeros(s.x());
    for_images<T>(s, [&](const Block& b, std::size_t g, T* columns) {
        Panel<T> in(s, b, g, const_cast<T*>(y.data())); // only read
        in.gather();
        gemm(true, false, s.inner(), in.columns(), s.outputs, T(1),
             weight.data() + g * s.outputs * s.inner(), s.inner(), in.data(), in.leading(), T(0),
             columns, in.columns());
        fold(s, b, g * s.channels, s.channels, columns, x.data());
    });
    return x;
}

// Channels are divided among threads, so that every sum is computed by one thread.
template <class T>
Tensor<T> weight_share(const Geometry& s, const Tensor<T>& x, const Tensor<T>& y) {
    Tensor<T> weight = Tensor<T>::zeros(s.weight());
    const Blocks<T> blocks(s);
    const std::size_t together = 16 * (8 / s.kernel() + 1);
    const auto some = [&](const Block& b, std::size_t g, std::size_t channel, Panel<T>& in,
                          Tensor<T>& columns) {
        const std::size_t channels = std::min(together, s.channels - channel);
        const std::size_t inner = channels * s.kernel();
        if (columns.size() < inner * in.columns()) columns = Tensor<T>({inner, in.columns()});
        unfold(s, b, g * s.channels + channel, channels, x.data(), columns.data());
        gemm(false, true, s.outputs, inner, in.columns(), T(1), in.data(), in.leading(),
             columns.data(), in.columns(), T(1),
             weight.data() + g * s.outputs * s.inner() + channel * s.kernel(), s.inner());
    };
    const auto piece = [&](std::size_t begin, std::size_t end) {
        Tensor<T> columns;
        blocks.each(s, 0, s.images, [&](const Block& b) {
            for (std::size_t g = 0; g < s.groups; ++g) {
                Panel<T> in(s, b, g, const_cast<T*>(y.data())); // only read
                in.gather();
                for (std::size_t c = begin; c < end; c += together) some(b, g, c, in, columns);
            }
        });
    };
    if (s.is_worth_splitting())
        threads::for_pieces(s.channels, together, piece);
    else
        piece(0, s.channels);
    return weight;
}

// <convolved(x, w), y> is linear in each of the three. The derivative with respect to one of them
// is the operation on the other two, so each operation's rule uses the other two.
template <class T>
Variable<T> to_input(const Op& op, const Variable<T>& y, const Variable<T>& w, const Geometry& s);
template <class T>
Variable<T> to_weight(const Op& op, const Variable<T>& x, const Variable<T>& y, const Geometry& s);

template <class T>
Variable<T> convolved(const Op& op, const Variable<T>& x, const Variable<T>& w,
                      const Variable<T>& bias, const Geometry& s) {
    return record<T>(
        op, {&x, &w, &bias},
        forward(s, x.value().contiguous(), w.value().contiguous(), bias.value().contiguous()),
        save_for_backward(x, w),
        [s](const Adjoints<T>& to, const Variable<T>& y, const Variable<T>& x,
            const Variable<T>& w) {
            if (to[0].needs_grad()) to[0].add(to_input(to[0].operation(), y, w, s));
            if (to[1].needs_grad()) to[1].add(to_weight(to[1].operation(), x, y, s));
            if (to[2].needs_grad()) to[2].add(sum(y, {0, 2, 3}));
        });
}

template <class T>
Variable<T> to_input(const Op& op, const Variable<T>& y, const Variable<T>& w, const Geometry& s) {
    return record<T>(op, {&y, &w}, input_share(s, y.value().contiguous(), w.value().contiguous()),
                     save_for_backward(y, w),
                     [s](const Adjoints<T>& to, const Variable<T>& x, const Variable<T>& y,
                         const Variable<T>& w) {
                         if (to[0].needs_grad())
                             to[0].add(convolved(to[0].operation(), x, w, Variable<T>(T(0)), s));
                         if (to[1].needs_grad()) to[1].add(to_weight(to[1].operation(), x, y, s));
                     });
}

template <class T>
Variable<T> to_weight(const Op& op, const Variable<T>& x, const Variable<T>& y, const Geometry& s) {
    return record<T>(op, {&x, &y}, weight_share(s, x.value().contiguous(), y.value().contiguous()),
                     save_for_backward(x, y),
                     [s](const Adjoints<T>& to, const Variable<T>& w, const Variable<T>& x,
                         const Variable<T>& y) {
                         if (to[0].needs_grad()) to[0].add(to_input(to[0].operation(), y, w, s));
                         if (to[1].needs_grad())
                             to[1].add(convolved(to[1].operation(), x, w, Variable<T>(T(0)), s));
                     });
}

} // namespace

template <class T>
Variable<T> convolution(const Variable<T>& x, const std::type_identity_t<Variable<T>>& weight,
                        const std::type_identity_t<Variable<T>>& bias,
                        const ConvolutionOptions& options, Op op) {
    const std::size_t rank = x.dimension(), groups = options.groups;
    if ((rank != 3 && rank != 4) || weight.dimension() != rank || groups == 0 ||
        x.shape(1) != groups * weight.shape(1) || weight.shape(0) % groups != 0 ||
        (bias.dimension() != 0 && bias.shape() != Shape{weight.shape(0)}))
        fail(op, "x " + to_string(x.shape()) + ", weight " + to_string(weight.shape()) + ", bias " +
                     to_string(bias.shape()) + " and " + std::to_string(groups) +
                     " groups; expected [batch, in, (height,) width], [out, in / groups, "
                     "(kernel height,) kernel width], [out] and a divisor of in and out");
    const Composite composite(op);
    if (rank == 3) {
        ConvolutionOptions flat = options;
        flat.stride.height = flat.dilation.height = 1;
        flat.padding.height = 0;
        return squeeze(convolution(expand_dims(x, 2), expand_dims(weight, 2), bias, flat, op), 2);
    }
    const Windows windows(op, {x.shape(2), x.shape(3)}, {weight.shape(2), weight.shape(3)},
                          options.stride, options.padding, options.dilation);
    return convolved(op, x, weight, bias,
                     {windows, x.shape(0), groups, weight.shape(1), weight.shape(0) / groups});
}

template <class T>
Variable<T> convolution(const Variable<T>& x, const std::type_identity_t<Variable<T>>& weight,
                        const ConvolutionOptions& options, Op op) {
    const Composite composite(op);
    return convolution(x, weight, Variable<T>(T(0)), options, op);
}

template <class T>
Variable<T> transposed_convolution(const Variable<T>& x,
                                   const std::type_identity_t<Variable<T>>& weight,
                                   const std::type_identity_t<Variable<T>>& bias,
                                   const TransposedConvolutionOptions& options, Op op) {
    const std::size_t rank = x.dimension(), groups = options.groups;
    if ((rank != 3 && rank != 4) || weight.dimension() != rank || groups == 0 ||
        x.shape(1) != weight.shape(0) || weight.shape(0) % groups != 0 ||
        (bias.dimension() != 0 && bias.shape() != Shape{groups * weight.shape(1)}))
        fail(op, "x " + to_string(x.shape()) + ", weight " + to_string(weight.shape()) + ", bias " +
                     to_string(bias.shape()) + " and " + std::to_string(groups) +
                     " groups; expected [batch, in, (height,) width], [in, out / groups, "
                     "(kernel height,) kernel width], [out] and a divisor of in and out");
    const Composite composite(op);
    if (rank == 3) {
        TransposedConvolutionOptions flat = options;
        flat.stride.height = flat.dilation.height = 1;
        flat.padding.height = flat.output_padding.height = 0;
        return squeeze(
            transposed_convolution(expand_dims(x, 2), expand_dims(weight, 2), bias, flat, op), 2);
    }
    const Windows windows = Windows::transposed(
        op, {x.shape(2), x.shape(3)}, {weight.shape(2), weight.shape(3)}, options.stride,
        options.padding, options.output_padding, options.dilation);
    const Geometry s{windows, x.shape(0), groups, weight.shape(1), weight.shape(0) / groups};
    const Variable<T> y = to_input(op, x, weight, s);
    return bias.dimension() == 0 ? y : y + reshape(bias, Shape{bias.size(), 1, 1});
}

template <class T>
Variable<T> transposed_convolution(const Variable<T>& x,
                                   const std::type_identity_t<Variable<T>>& weight,
                                   const TransposedConvolutionOptions& options, Op op) {
    const Composite composite(op);
    return transposed_convolution(x, weight, Variable<T>(T(0)), options, op);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> convolution(const Variable<T>&, const Variable<T>&, const Variable<T>&,   \
                                     const ConvolutionOptions&, Op);                               \
    template Variable<T> convolution(const Variable<T>&, const Variable<T>&,                       \
                                     const ConvolutionOptions&, Op);                               \
    template Variable<T> transposed_convolution(const Variable<T>&, const Variable<T>&,            \
                                                const Variable<T>&,                                \
                                                const TransposedConvolutionOptions&, Op);          \
    template Variable<T> transposed_convolution(const Variable<T>&, const Variable<T>&,            \
                                                const TransposedConvolutionOptions&, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
