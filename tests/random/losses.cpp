#include "choices.hpp"

#include <unroll/ops/loss.hpp>
#include <unroll/ops/losses/losses.hpp>
#include <unroll/ops/pointwise.hpp>

namespace programs {

using unroll::Reduction;

// Losses of each element, their sums and means.
void add_reduced_losses(std::vector<Operation>& all) {
    const auto choose = [](Values& v, Call& c) {
        if (!equal_pair(v, c)) return false;
        c.numbers = {static_cast<std::int64_t>(v.below(3))};
        return true;
    };
    const auto loss = [&](const char* name, auto run, auto f, Corner corner = nullptr) {
        add(
            all, name, choose,
            [run](const auto& x, const Call& c) {
                return run(x[0], x[1], static_cast<Reduction>(c.numbers[0]));
            },
            [f](const auto& x, const Call& c) {
                const auto each = map(x[0], x[1], x[0].shape, f);
                if (c.numbers[0] == static_cast<std::int64_t>(Reduction::none)) return each;
                auto out = std::decay_t<decltype(x[0])>(Shape{});
                for (const auto& v : each.x) out.x[0] = out.x[0] + v;
                if (c.numbers[0] == static_cast<std::int64_t>(Reduction::mean))
                    out.x[0] = out.x[0] / static_cast<double>(each.x.size());
                return out;
            },
            corner);
    };
    loss(
        "l1_loss", [](const auto& x, const auto& y, Reduction r) { return l1_loss(x, y, r); },
        [](auto x, auto y) { return x < y ? y - x : x - y; }, near_each_other);
    loss(
        "smooth_l1",
        [](const auto& x, const auto& y, Reduction r) { return smooth_l1(x, y, 100, r); },
        [](auto x, auto y) { return (x - y) * (x - y) / 200.0; });
    loss(
        "kl_divergence",
        [](const auto& x, const auto& y, Reduction r) {
            return kl_divergence(x, y, {.log_target = true, .reduction = r});
        },
        [](auto x, auto y) { return exp(y) * (y - x); });
    loss(
        "gaussian_nll",
        [](const auto& x, const auto& y, Reduction r) {
            return gaussian_nll(x, y, square(y) + 0.5, {.reduction = r});
        },
        [](auto x, auto y) {
            const auto v = y * y + 0.5;
            return (log(v) + (x - y) * (x - y) / v) * 0.5;
        });
    loss(
        "poisson_nll",
        [](const auto& x, const auto& y, Reduction r) {
            return poisson_nll(x, y, {.reduction = r});
        },
        [](auto x, auto y) { return exp(x) - y * x; });
    loss(
        "binary_cross_entropy (weight)",
        [](const auto& x, const auto& y, Reduction r) {
            return binary_cross_entropy(x, sigmoid(y), {.pos_weight = {2.5}, .reduction = r});
        },
        [](auto x, auto y) {
            const decltype(x) one(1);
            const auto p = one / (exp(-y) + 1);
            return p * 2.5 * log(exp(-x) + 1) + (one - p) * log(exp(x) + 1);
        });
    // Class c has the weight c + 1.
    add(
        all, "cross_entropy (weights)",
        [](Values& v, Call& c) {
            if (!v.pick(c.operands, has_last)) return false;
            const Shape& s = v.shape(c.operands[0]);
            c.shape = Shape(s.begin(), s.end() - 1);
            for (std::size_t n = unroll::element_count(c.shape); n > 0; --n)
                c.numbers.push_back(v.below(5) == 0 ? -100
                                                    : static_cast<std::int64_t>(v.below(s.back())));
            return true;
        },
        [](const auto& x, const Call& c) {
            std::vector<double> weights;
            for (std::size_t k = 0; k < x[0].shape().back(); ++k)
                weights.push_back(static_cast<double>(k + 1));
            return cross_entropy(x[0], indices_of(c.numbers, c.shape), {.weights = weights});
        },
        [](const auto& x, const Call& c) {
            auto out = std::decay_t<decltype(x[0])>(Shape{});
            const std::size_t classes = x[0].shape.back();
            double divisor = 0;
            for (std::size_t i = 0; i < c.numbers.size(); ++i) {
                if (c.numbers[i] < 0) continue;
                const double weight = static_cast<double>(c.numbers[i] + 1);
                std::decay_t<decltype(out.x[0])> sum(0);
                for (std::size_t k = 0; k < classes; ++k) sum = sum + exp(x[0].x[i * classes + k]);
                const auto& own = x[0].x[i * classes + static_cast<std::size_t>(c.numbers[i])];
                out.x[0] = out.x[0] + (log(sum) - own) * weight;
                divisor += weight;
            }
            if (divisor > 0) out.x[0] = out.x[0] / divisor;
            return out;
        });
}

} // namespace programs
