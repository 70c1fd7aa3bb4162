#include "choices.hpp"
#include "rows.hpp"

#include <unroll/ops/convolution.hpp>
#include <unroll/ops/pooling.hpp>
#include <unroll/ops/resize/upsample.hpp>

namespace programs {

namespace {

bool is_sequence(const Shape& s) { return s.size() == 3 && has_elements(s); }

std::size_t positions(std::size_t length, std::size_t kernel, std::size_t stride,
                      std::size_t padding) {
    return (length + 2 * padding - kernel) / stride + 1;
}

// f(sum, i) over a window of x [.., .., length], starting at position `at` minus `padding`.
template <class F>
void for_window(std::size_t length, std::size_t kernel, std::size_t at, std::size_t padding,
                const F& f) {
    for (std::size_t k = 0; k < kernel; ++k)
        if (at + k >= padding && at + k - padding < length) f(k, at + k - padding);
}

constexpr std::size_t pool = 2; // kernel and stride

std::function<bool(Values&, Call&)> poolable() {
    return one([](const Shape& s) { return is_sequence(s) && s[2] >= pool; });
}

// An extent of the result.
std::function<bool(Values&, Call&)> resizable() {
    return [](Values& v, Call& c) {
        if (!v.pick(c.operands, is_sequence)) return false;
        c.numbers = {1 + static_cast<std::int64_t>(v.below(4))};
        return true;
    };
}
unroll::HeightWidth size_of(const Call& c) { return static_cast<std::size_t>(c.numbers[0]); }

// out(.., .., i) = f(x(.., .., begin), ...) of the elements that adaptive pooling reads.
template <class N, class F>
Array<N> adaptive(const Array<N>& x, const Call& c, const F& f) {
    const std::size_t n = size_of(c).width, length = x.shape[2];
    Array<N> out(Shape{x.shape[0], x.shape[1], n});
    for_each(out.shape, [&](const Index& i) {
        std::vector<Scalar<N>> read;
        for (std::size_t k = i[2] * length / n; k * n < (i[2] + 1) * length; ++k)
            read.push_back(x({i[0], i[1], k}));
        out(i) = f(read);
    });
    return out;
}

// Operations that change the length of sequences.
void add_sizes(std::vector<Operation>& all) {
    add(
        all, "transposed_convolution",
        [](Values& v, Call& c) {
            if (!v.pick(c.operands, is_sequence)) return false;
            const Shape x = v.shape(c.operands[0]);
            c.numbers = {1 + static_cast<std::int64_t>(v.below(2))}; // the stride
            return v.pick(c.operands,
                          [&](const Shape& w) { return is_sequence(w) && w[0] == x[1]; });
        },
        [](const auto& x, const Call& c) {
            return transposed_convolution(
                x[0], x[1], {.stride = size_of(c), .output_padding = size_of(c).width - 1});
        },
        [](const auto& x, const Call& c) {
            const auto &in = x[0], &w = x[1];
            const std::size_t stride = size_of(c).width;
            auto out = std::decay_t<decltype(in)>(Shape{
                in.shape[0], w.shape[1], stride * (in.shape[2] - 1) + w.shape[2] + stride - 1});
            for_each(in.shape, [&](const Index& i) {
                for (std::size_t channel = 0; channel < w.shape[1]; ++channel)
                    for (std::size_t k = 0; k < w.shape[2]; ++k) {
                        auto& to = out({i[0], channel, i[2] * stride + k});
                        to = to + in(i)*w({i[1], channel, k});
                    }
            });
            return out;
        });
    add(
        all, "adaptive_max_pool", resizable(),
        [](const auto& x, const Call& c) { return adaptive_max_pool(x[0], size_of(c)); },
        [](const auto& x, const Call& c) {
            return adaptive(x[0], c, [](const auto& read) {
                auto most = read[0];
                for (const auto& v : read)
                    if (most < v) most = v;
                return most;
            });
        },
        near_ties);
    add(
        all, "adaptive_average_pool", resizable(),
        [](const auto& x, const Call& c) { return adaptive_average_pool(x[0], size_of(c)); },
        [](const auto& x, const Call& c) { return adaptive(x[0], c, average); });
    add(
        all, "upsample", resizable(),
        [](const auto& x, const Call& c) { return upsample(x[0], {.size = size_of(c)}); },
        [](const auto& x, const Call& c) {
            const std::size_t n = size_of(c).width, length = x[0].shape[2];
            return rearranged(x[0], Shape{x[0].shape[0], x[0].shape[1], n}, [&](Index i) {
                i[2] = i[2] * length / n;
                return i;
            });
        });
    add(
        all, "upsample (linear)", resizable(),
        [](const auto& x, const Call& c) {
            return upsample(x[0], {.size = size_of(c), .mode = unroll::Interpolation::linear});
        },
        [](const auto& x, const Call& c) {
            const std::size_t n = size_of(c).width, length = x[0].shape[2];
            auto out = std::decay_t<decltype(x[0])>(Shape{x[0].shape[0], x[0].shape[1], n});
            for_each(out.shape, [&](const Index& i) {
                const double at =
                    std::clamp((static_cast<double>(i[2]) + 0.5) * static_cast<double>(length) /
                                       static_cast<double>(n) -
                                   0.5,
                               0.0, static_cast<double>(length - 1));
                const auto before = static_cast<std::size_t>(at);
                const double part = at - static_cast<double>(before);
                out(i) = x[0]({i[0], i[1], before}) * (1 - part) +
                         x[0]({i[0], i[1], std::min(before + 1, length - 1)}) * part;
            });
            return out;
        });
}

} // namespace

// Convolution and pooling of sequences; images use the same loops.
void add_windows(std::vector<Operation>& all) {
    add(
        all, "convolution",
        [](Values& v, Call& c) {
            if (!v.pick(c.operands, is_sequence)) return false;
            const Shape x = v.shape(c.operands[0]);
            c.numbers = {1 + static_cast<std::int64_t>(v.below(2))}; // the stride
            return v.pick(c.operands, [&](const Shape& w) {
                return is_sequence(w) && w[1] == x[1] && w[2] <= x[2] + 2;
            });
        },
        [](const auto& x, const Call& c) {
            return convolution(x[0], x[1],
                               {.stride = static_cast<std::size_t>(c.numbers[0]), .padding = 1});
        },
        [](const auto& x, const Call& c) {
            const auto &in = x[0], &w = x[1];
            const auto stride = static_cast<std::size_t>(c.numbers[0]);
            auto out = std::decay_t<decltype(in)>(
                Shape{in.shape[0], w.shape[0], positions(in.shape[2], w.shape[2], stride, 1)});
            for_each(out.shape, [&](const Index& i) {
                for (std::size_t channel = 0; channel < w.shape[1]; ++channel)
                    for_window(
                        in.shape[2], w.shape[2], i[2] * stride, 1,
                        [&](std::size_t k, std::size_t at) {
                            out(i) = out(i) + in({i[0], channel, at}) * w({i[1], channel, k});
                        });
            });
            return out;
        });
    const auto pooled = [](const auto& x, const auto& reduce) {
        auto out = std::decay_t<decltype(x)>(
            Shape{x.shape[0], x.shape[1], positions(x.shape[2], pool, pool, 0)});
        for_each(out.shape, [&](const Index& i) {
            out(i) = reduce(x({i[0], i[1], i[2] * pool}), x({i[0], i[1], i[2] * pool + 1}));
        });
        return out;
    };
    add(
        all, "max_pool", poolable(),
        [](const auto& x, const Call&) { return max_pool(x[0], {pool}); },
        [pooled](const auto& x, const Call&) {
            return pooled(x[0], [](auto a, auto b) { return a < b ? b : a; });
        },
        near_ties);
    add(
        all, "average_pool", poolable(),
        [](const auto& x, const Call&) { return average_pool(x[0], {pool}); },
        [pooled](const auto& x, const Call&) {
            return pooled(x[0], [](auto a, auto b) { return (a + b) * 0.5; });
        });
    add_sizes(all);
}

} // namespace programs
