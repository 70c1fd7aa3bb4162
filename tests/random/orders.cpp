#include "choices.hpp"
#include "rows.hpp"

#include <unroll/ops/order/cumulative.hpp>
#include <unroll/ops/order/linear_scan.hpp>
#include <unroll/ops/order/sort.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/statistics/norms.hpp>
#include <unroll/ops/statistics/statistics.hpp>

namespace programs {

namespace {

inline constexpr auto absolute = [](auto x) { return x < 0 ? -x : x; };

// A row of nearly equal elements, or with an element of nearly 0, is near a kink.
bool near_equal_or_zero(const std::vector<Tensor<double>>& x, const Call& c) {
    for (const double v : x[0].to_vector())
        if (std::abs(v) < 0.05) return true;
    return near_ties(x, c);
}

void add_scans(std::vector<Operation>& all) {
    // Operands that broadcast to one shape, and sequences of x; the numbers are the direction and
    // the lengths, if there are any.
    const auto choose = [](std::size_t planes) {
        return [planes](Values& v, Call& c) {
            if (!v.pick(c.operands, has_axis)) return false;
            const Shape shape = v.shape(c.operands[0]);
            const auto fits = [&](const Shape& to) {
                return [to](const Shape& s) { return unroll::broadcasts_to(s, to); };
            };
            for (std::size_t i = 1; i < 2 * planes; ++i)
                if (!v.pick(c.operands, fits(shape))) return false;
            for (std::size_t i = 0; i < planes; ++i)
                if (!v.pick(c.operands, fits(Shape(shape.begin() + 1, shape.end())))) return false;
            c.numbers = {static_cast<std::int64_t>(v.below(2))};
            if (shape.size() < 2 || v.below(2) == 0) return true;
            for (std::size_t b = 0; b < shape[1]; ++b)
                c.numbers.push_back(static_cast<std::int64_t>(v.below(shape[0] + 1)));
            return true;
        };
    };
    const auto lengths_of = [](const Call& c) {
        return std::vector<std::size_t>(c.numbers.begin() + 1, c.numbers.end());
    };
    // Calls f for each step of each element of the state, with the indices of both.
    const auto for_steps = [](const Shape& shape, const Call& c, const auto& begin, const auto& f,
                              const auto& end) {
        for_each(Shape(shape.begin() + 1, shape.end()), [&](const Index& i) {
            std::size_t length = shape[0];
            if (c.numbers.size() > 1) length = static_cast<std::size_t>(c.numbers[1 + i[0]]);
            begin(i);
            Index at = i;
            at.insert(at.begin(), 0);
            for (std::size_t k = 0; k < length; ++k) {
                at[0] = c.numbers[0] != 0 ? length - 1 - k : k;
                f(at);
            }
            end(i);
        });
    };
    add(
        all, "linear_scan", choose(1),
        [lengths_of](const auto& x, const Call& c) {
            const auto lengths = lengths_of(c);
            const auto found =
                linear_scan(x[0], x[1], x[2], {.lengths = lengths, .backwards = c.numbers[0] != 0});
            return std::vector{found.output, found.state};
        },
        [for_steps](const auto& x, const Call& c) {
            using A = std::decay_t<decltype(x[0])>;
            const Shape& shape = x[0].shape;
            std::vector<A> out{A(shape), A(Shape(shape.begin() + 1, shape.end()))};
            std::decay_t<decltype(x[0].x[0])> h;
            for_steps(
                shape, c, [&](const Index& i) { h = x[2].broadcast(i); },
                [&](const Index& at) {
                    h = x[0](at) * h + x[1].broadcast(at);
                    out[0](at) = h;
                },
                [&](const Index& i) { out[1](i) = h; });
            return out;
        });
    add(
        all, "complex_linear_scan", choose(2),
        [lengths_of](const auto& x, const Call& c) {
            using T = typename std::decay_t<decltype(x[0])>::value_type;
            const auto lengths = lengths_of(c);
            const auto [h, last] = unroll::complex_linear_scan<T>(
                {x[0], x[1]}, {x[2], x[3]}, {x[4], x[5]},
                {.lengths = lengths, .backwards = c.numbers[0] != 0});
            return std::vector{h.re, h.im, last.re, last.im};
        },
        [for_steps](const auto& x, const Call& c) {
            using A = std::decay_t<decltype(x[0])>;
            const Shape& shape = x[0].shape;
            const Shape of_state(shape.begin() + 1, shape.end());
            std::vector<A> out{A(shape), A(shape), A(of_state), A(of_state)};
            std::decay_t<decltype(x[0].x[0])> h, hi;
            for_steps(
                shape, c,
                [&](const Index& i) {
                    h = x[4].broadcast(i);
                    hi = x[5].broadcast(i);
                },
                [&](const Index& at) {
                    const auto a = x[0](at), ai = x[1].broadcast(at);
                    const auto re = a * h - ai * hi + x[2].broadcast(at);
                    hi = a * hi + ai * h + x[3].broadcast(at);
                    h = re;
                    out[0](at) = h;
                    out[1](at) = hi;
                },
                [&](const Index& i) {
                    out[2](i) = h;
                    out[3](i) = hi;
                });
            return out;
        });
    const auto cumulative = [&](const char* name, auto run, auto next) {
        add(
            all, name, one_axis(has_axis),
            [run](const auto& x, const Call& c) { return run(x[0], c.numbers[0]); },
            [next](const auto& x, const Call& c) {
                const auto axis = static_cast<std::size_t>(c.numbers[0]);
                auto out = x[0];
                for_each(out.shape, [&](const Index& i) {
                    if (i[axis] == 0) return;
                    Index before = i;
                    --before[axis];
                    out(i) = next(out(before), x[0](i));
                });
                return out;
            });
    };
    cumulative(
        "cumsum", [](const auto& x, std::ptrdiff_t axis) { return cumsum(x, axis); },
        [](auto sum, auto x) { return sum + x; });
    cumulative(
        "cumprod", [](const auto& x, std::ptrdiff_t axis) { return cumprod(x, axis); },
        [](auto product, auto x) { return product * x; });
    cumulative(
        "logcumsumexp", [](const auto& x, std::ptrdiff_t axis) { return logcumsumexp(x, axis); },
        [](auto sum, auto x) { return log(exp(sum) + exp(x)); });
    add(
        all, "sort", one_axis(has_axis),
        [](const auto& x, const Call& c) { return sort(x[0], c.numbers[0]); },
        [](const auto& x, const Call& c) {
            const auto axis = static_cast<std::size_t>(c.numbers[0]);
            auto out = x[0];
            for_each(out.shape, [&](Index i) {
                if (i[axis] != 0) return;
                std::vector<std::decay_t<decltype(out.x[0])>> row;
                for (i[axis] = 0; i[axis] < out.shape[axis]; ++i[axis]) row.push_back(out(i));
                std::stable_sort(row.begin(), row.end());
                for (i[axis] = 0; i[axis] < row.size(); ++i[axis]) out(i) = row[i[axis]];
            });
            return out;
        },
        near_ties);
    add(
        all, "topk_values", one(has_last),
        [](const auto& x, const Call&) { return topk_values(x[0], 1); },
        [](const auto& x, Call c) {
            c.numbers = {static_cast<std::int64_t>(x[0].shape.size()) - 1, 1};
            return reduced(
                x[0], c, [](const auto& row) { return *std::max_element(row.begin(), row.end()); });
        },
        near_ties);
}

void add_statistics(std::vector<Operation>& all) {
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
        "prod", [](const auto& x, std::ptrdiff_t a, bool k) { return prod(x, {a}, k); },
        [](const auto& row) {
            std::decay_t<decltype(row[0])> product(1);
            for (const auto& v : row) product = product * v;
            return product;
        });
    reduction(
        "stddev",
        [](const auto& x, std::ptrdiff_t a, bool k) { return stddev(x * 1.5, {a}, 0, k) + 1; },
        [](const auto& row) {
            if (row.size() == 1) return row[0] * 0.0 + 1;
            const auto n = static_cast<double>(row.size());
            return sqrt(squares(row, average(row)) / n) * 1.5 + 1;
        },
        [](const std::vector<Tensor<double>>& x, const Call&) {
            auto values = x[0].to_vector();
            std::sort(values.begin(), values.end());
            for (std::size_t k = 1; k < values.size(); ++k)
                if (values[k] - values[k - 1] < 0.05) return true;
            return false;
        });
    reduction(
        "median", [](const auto& x, std::ptrdiff_t a, bool k) { return median(x, {a}, k); },
        [](auto row) {
            std::sort(row.begin(), row.end());
            return (row[(row.size() - 1) / 2] + row[row.size() / 2]) * 0.5;
        },
        near_ties);
    reduction(
        "norm_l1", [](const auto& x, std::ptrdiff_t a, bool k) { return norm_l1(x, {a}, k); },
        [](auto row) {
            for (auto& v : row) v = absolute(v);
            return total(row);
        },
        near_any({0}));
    reduction(
        "norm_sq", [](const auto& x, std::ptrdiff_t a, bool k) { return norm_sq(x, {a}, k); },
        [](const auto& row) { return squares(row, std::decay_t<decltype(row[0])>(0)); });
    reduction(
        "norm_linf",
        [](const auto& x, std::ptrdiff_t a, bool k) { return norm_linf(tanh(x) + 2.0, {a}, k); },
        [](auto row) {
            for (auto& v : row) v = tanh(v) + 2.0;
            return *std::max_element(row.begin(), row.end());
        },
        near_ties);
    reduction(
        "norm_lp", [](const auto& x, std::ptrdiff_t a, bool k) { return norm_lp(x, 3, {a}, k); },
        [](const auto& row) {
            std::decay_t<decltype(row[0])> sum(0);
            for (const auto& v : row) sum = sum + absolute(v * v * v);
            return exp(log(sum) / 3.0);
        },
        near_equal_or_zero);
    add(
        all, "cosine_similarity",
        [](Values& v, Call& c) {
            if (!v.pick(c.operands, has_last)) return false;
            const Shape shape = v.shape(c.operands[0]);
            return v.pick(c.operands, [&](const Shape& s) { return s == shape; });
        },
        [](const auto& x, const Call&) { return cosine_similarity(x[0], x[1]); },
        [](const auto& x, Call c) {
            c.numbers = {static_cast<std::int64_t>(x[0].shape.size()) - 1, 0};
            const auto of = [&](const auto& a, const auto& b) {
                return reduced(map(a, b, a.shape, [](auto u, auto v) { return u * v; }), c, total);
            };
            const auto xy = of(x[0], x[1]), xx = of(x[0], x[0]), yy = of(x[1], x[1]);
            auto out = xy;
            for (std::size_t k = 0; k < out.x.size(); ++k)
                out.x[k] = xy.x[k] / (sqrt(xx.x[k]) * sqrt(yy.x[k]));
            return out;
        },
        [](const std::vector<Tensor<double>>& x, const Call&) {
            for (const auto& operand : x)
                for (const double v : operand.to_vector())
                    if (std::abs(v) < 0.05) return true;
            return false;
        });
}

} // namespace

// Scans, sorting and statistics.
void add_orders(std::vector<Operation>& all) {
    add_scans(all);
    add_statistics(all);
}

} // namespace programs
