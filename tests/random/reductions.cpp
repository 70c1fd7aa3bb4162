#include "choices.hpp"
#include "rows.hpp"

#include <unroll/ops/index.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/softmax.hpp>

namespace programs {

namespace {

void add_indexing(std::vector<Operation>& all) {
    const auto rows = [](Values& v, Call& c) {
        if (!v.pick(c.operands, [](const Shape& s) { return has_axis(s) && s[0] > 0; }))
            return false;
        for (std::size_t n = v.below(4); n > 0; --n)
            c.numbers.push_back(static_cast<std::int64_t>(v.below(v.shape(c.operands[0])[0])));
        return true;
    };
    add(
        all, "take", rows,
        [](const auto& x, const Call& c) {
            return take(x[0], indices_of(c.numbers, {c.numbers.size()}));
        },
        [](const auto& x, const Call& c) {
            Shape shape = x[0].shape;
            shape[0] = c.numbers.size();
            return rearranged(x[0], shape, [&](Index i) {
                i[0] = static_cast<std::size_t>(c.numbers[i[0]]);
                return i;
            });
        });
    add(
        all, "scatter_add",
        [](Values& v, Call& c) {
            if (!v.pick(c.operands, has_axis)) return false;
            for (std::size_t n = v.shape(c.operands[0])[0]; n > 0; --n)
                c.numbers.push_back(static_cast<std::int64_t>(v.below(3)));
            return true;
        },
        [](const auto& x, const Call& c) {
            return scatter_add(x[0], indices_of(c.numbers, {c.numbers.size()}), 3);
        },
        [](const auto& x, const Call& c) {
            Shape shape = x[0].shape;
            shape[0] = 3;
            auto out = std::decay_t<decltype(x[0])>(shape);
            for_each(x[0].shape, [&](const Index& i) {
                Index j = i;
                j[0] = static_cast<std::size_t>(c.numbers[i[0]]);
                out(j) = out(j) + x[0](i);
            });
            return out;
        });
    // An axis, then an index for every element of shape.
    const auto along = [](Values& v, Call& c, const Shape& x) {
        const std::size_t axis = v.below(x.size());
        c.numbers = {static_cast<std::int64_t>(axis)};
        for (std::size_t n = unroll::element_count(c.shape); n > 0; --n)
            c.numbers.push_back(static_cast<std::int64_t>(v.below(x[axis])));
    };
    const auto indices = [](const Call& c) {
        return indices_of({c.numbers.begin() + 1, c.numbers.end()}, c.shape);
    };
    const auto moved = [](const Call& c, Index i, std::size_t k) {
        i[static_cast<std::size_t>(c.numbers[0])] = static_cast<std::size_t>(c.numbers[k + 1]);
        return i;
    };
    add(
        all, "gather",
        [along](Values& v, Call& c) {
            if (!v.pick(c.operands, [](const Shape& s) { return has_axis(s) && has_elements(s); }))
                return false;
            const Shape x = v.shape(c.operands[0]);
            for (const std::size_t n : x) c.shape.push_back(v.below(n + 1));
            along(v, c, x);
            return true;
        },
        [indices](const auto& x, const Call& c) { return gather(x[0], c.numbers[0], indices(c)); },
        [moved](const auto& x, const Call& c) {
            std::size_t k = 0;
            return rearranged(x[0], c.shape, [&](const Index& i) { return moved(c, i, k++); });
        });
    const auto scattered = [&](const char* name, auto run, auto put) {
        add(
            all, name,
            [along](Values& v, Call& c) {
                if (!v.pick(c.operands,
                            [](const Shape& s) { return has_axis(s) && has_elements(s); }))
                    return false;
                const Shape x = v.shape(c.operands[0]);
                if (!v.pick(c.operands, [&](const Shape& s) { return s.size() == x.size(); }))
                    return false;
                const Shape values = v.shape(c.operands[1]);
                for (std::size_t a = 0; a < x.size(); ++a)
                    c.shape.push_back(std::min(x[a], values[a]));
                along(v, c, x);
                return true;
            },
            [run, indices](const auto& x, const Call& c) {
                return run(x[0], c.numbers[0], indices(c), x[1]);
            },
            [put, moved](const auto& x, const Call& c) {
                auto out = x[0];
                std::size_t k = 0;
                for_each(c.shape, [&](const Index& i) {
                    auto& to = out(moved(c, i, k++));
                    to = put(to, x[1](i));
                });
                return out;
            });
    };
    scattered(
        "scatter_add along an axis",
        [](const auto& x, auto axis, const Indices& indices, const auto& values) {
            return scatter_add(x, axis, indices, values);
        },
        [](auto x, auto value) { return x + value; });
    scattered(
        "scatter",
        [](const auto& x, auto axis, const Indices& indices, const auto& values) {
            return scatter(x, axis, indices, values);
        },
        [](auto, auto value) { return value; });
    add(
        all, "pick",
        [](Values& v, Call& c) {
            if (!v.pick(c.operands, has_last)) return false;
            const Shape& s = v.shape(c.operands[0]);
            c.shape = Shape(s.begin(), s.end() - 1);
            for (std::size_t n = unroll::element_count(c.shape); n > 0; --n)
                c.numbers.push_back(static_cast<std::int64_t>(v.below(s.back())));
            return true;
        },
        [](const auto& x, const Call& c) { return pick(x[0], indices_of(c.numbers, c.shape)); },
        [](const auto& x, const Call& c) {
            std::size_t k = 0;
            return rearranged(x[0], c.shape, [&](Index i) {
                i.push_back(static_cast<std::size_t>(c.numbers[k++]));
                return i;
            });
        });
    const auto masked = [](Values& v, Call& c) {
        if (!v.pick(c.operands, any)) return false;
        c.shape = v.shape(c.operands[0]);
        for (std::size_t n = unroll::element_count(c.shape); n > 0; --n)
            c.numbers.push_back(static_cast<std::int64_t>(v.below(2)));
        return true;
    };
    add(
        all, "masked_fill", masked,
        [](const auto& x, const Call& c) { return masked_fill(x[0], mask_of(c), 0.25); },
        [](const auto& x, const Call& c) {
            auto out = x[0];
            for (std::size_t k = 0; k < out.x.size(); ++k)
                if (c.numbers[k] != 0) out.x[k] = 0.25;
            return out;
        });
    add(
        all, "masked_select", masked,
        [](const auto& x, const Call& c) { return masked_select(x[0], mask_of(c)); },
        [](const auto& x, const Call& c) {
            auto out = std::decay_t<decltype(x[0])>(Shape{0});
            for (std::size_t k = 0; k < x[0].x.size(); ++k)
                if (c.numbers[k] != 0) out.x.push_back(x[0].x[k]);
            out.shape = {out.x.size()};
            return out;
        });
}

} // namespace

// Indexing and reductions.
void add_reductions(std::vector<Operation>& all) {
    add_indexing(all);
    const auto choose = [](Values& v, Call& c) {
        if (!one_axis([](const Shape& s) { return has_axis(s) && has_elements(s); })(v, c))
            return false;
        c.numbers.push_back(static_cast<std::int64_t>(v.below(2)));
        return true;
    };
    const auto reduction = [&](const char* name, auto run, auto f, Corner corner = nullptr) {
        add(
            all, name, choose,
            [run](const auto& x, const Call& c) {
                return run(x[0], c.numbers[0], c.numbers[1] != 0);
            },
            [f](const auto& x, const Call& c) { return reduced(x[0], c, f); }, corner);
    };
    reduction(
        "sum", [](const auto& x, std::ptrdiff_t a, bool k) { return sum(x, {a}, k); }, total);
    reduction(
        "mean", [](const auto& x, std::ptrdiff_t a, bool k) { return mean(x, {a}, k); }, average);
    reduction(
        "variance", [](const auto& x, std::ptrdiff_t a, bool k) { return variance(x, {a}, 0, k); },
        [](const auto& row) {
            return squares(row, average(row)) / static_cast<double>(row.size());
        });
    reduction(
        "norm_l2", [](const auto& x, std::ptrdiff_t a, bool k) { return norm_l2(x, {a}, k); },
        [](const auto& row) { return sqrt(squares(row, std::decay_t<decltype(row[0])>(0))); },
        [](const std::vector<Tensor<double>>& x, const Call&) {
            double least = 1; // a row of nearly zero is near the kink
            for (const double v : x[0].to_vector()) least = std::min(least, std::abs(v));
            return least < 0.05;
        });
    reduction(
        "amax", [](const auto& x, std::ptrdiff_t a, bool k) { return amax(x, {a}, k); },
        [](const auto& row) { return *std::max_element(row.begin(), row.end()); }, near_ties);
    reduction(
        "amin", [](const auto& x, std::ptrdiff_t a, bool k) { return amin(x, {a}, k); },
        [](const auto& row) { return *std::min_element(row.begin(), row.end()); }, near_ties);
    reduction(
        "logsumexp", [](const auto& x, std::ptrdiff_t a, bool k) { return logsumexp(x, {a}, k); },
        [](const auto& row) { return log(exponentials(row)); });
    add(
        all, "sum of all", one(any), [](const auto& x, const Call&) { return sum(x[0]); },
        [](const auto& x, const Call&) {
            auto out = std::decay_t<decltype(x[0])>(Shape{});
            for (const auto& v : x[0].x) out.x[0] = out.x[0] + v;
            return out;
        });
    add(
        all, "softmax", one_axis(has_axis),
        [](const auto& x, const Call& c) { return softmax(x[0], c.numbers[0]); },
        [](const auto& x, Call c) {
            c.numbers.push_back(1);
            const auto sums = reduced(x[0], c, exponentials);
            return map(x[0], sums, x[0].shape, [](auto v, auto sum) { return exp(v) / sum; });
        });
    add(
        all, "log_softmax", one_axis(has_axis),
        [](const auto& x, const Call& c) { return log_softmax(x[0], c.numbers[0]); },
        [](const auto& x, Call c) {
            c.numbers.push_back(1);
            const auto sums = reduced(x[0], c, exponentials);
            return map(x[0], sums, x[0].shape, [](auto v, auto sum) { return v - log(sum); });
        });
    add(
        all, "softmax (mask)",
        [](Values& v, Call& c) {
            if (!v.pick(c.operands, has_axis)) return false;
            c.shape = {v.shape(c.operands[0]).back()};
            for (std::size_t n = c.shape[0]; n > 0; --n)
                c.numbers.push_back(static_cast<std::int64_t>(v.below(2)));
            return true;
        },
        [](const auto& x, const Call& c) { return softmax(x[0], mask_of(c)); },
        [](const auto& x, const Call& c) {
            auto out = std::decay_t<decltype(x[0])>(x[0].shape);
            const std::size_t n = c.shape[0];
            for (std::size_t begin = 0; n > 0 && begin < out.x.size(); begin += n) {
                std::decay_t<decltype(out.x[0])> sum(0);
                for (std::size_t k = 0; k < n; ++k)
                    if (c.numbers[k] != 0) sum = sum + exp(x[0].x[begin + k]);
                for (std::size_t k = 0; k < n; ++k)
                    if (c.numbers[k] != 0) out.x[begin + k] = exp(x[0].x[begin + k]) / sum;
            }
            return out;
        });
}

} // namespace programs
