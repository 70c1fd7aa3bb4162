#include "choices.hpp"

#include <unroll/ops/convolution.hpp>
#include <unroll/ops/pooling.hpp>

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
}

} // namespace programs
