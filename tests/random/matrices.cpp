#include "choices.hpp"

#include <unroll/ops/linalg/einsum.hpp>
#include <unroll/ops/linalg/solve.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/rearrange/diagonal.hpp>
#include <unroll/ops/rearrange/repeat.hpp>

namespace programs {

namespace {

void add_rearranging(std::vector<Operation>& all) {
    add(
        all, "roll",
        [](Values& v, Call& c) {
            if (!one_axis(has_axis)(v, c)) return false;
            c.numbers.push_back(static_cast<std::int64_t>(v.below(9)) - 4);
            return true;
        },
        [](const auto& x, const Call& c) { return roll(x[0], c.numbers[1], c.numbers[0]); },
        [](const auto& x, const Call& c) {
            return rearranged(x[0], x[0].shape, [&](Index i) {
                const auto axis = static_cast<std::size_t>(c.numbers[0]);
                const auto n = static_cast<std::int64_t>(x[0].shape[axis]);
                const auto from = static_cast<std::int64_t>(i[axis]) - c.numbers[1] + 4 * n;
                i[axis] = static_cast<std::size_t>(from % n);
                return i;
            });
        });
    add(
        all, "repeat", one_axis(has_axis),
        [](const auto& x, const Call& c) { return repeat(x[0], 2, c.numbers[0]); },
        [](const auto& x, const Call& c) {
            const auto axis = static_cast<std::size_t>(c.numbers[0]);
            Shape shape = x[0].shape;
            shape[axis] *= 2;
            return rearranged(x[0], shape, [&](Index i) {
                i[axis] /= 2;
                return i;
            });
        });
    add(
        all, "tile", one([](const Shape& s) { return s.size() < 3; }),
        [](const auto& x, const Call&) {
            return tile(x[0], {2, 1, 3});
        },
        [](const auto& x, const Call&) {
            Shape own = x[0].shape;
            while (own.size() < 3) own.insert(0, 1);
            return rearranged(x[0], {own[0] * 2, own[1], own[2] * 3}, [&](Index i) {
                for (std::size_t a = 0; a < 3; ++a) i[a] %= own[a];
                i.erase(i.begin(), i.end() - static_cast<std::ptrdiff_t>(x[0].shape.size()));
                return i;
            });
        });
    // Two axes and a diagonal.
    add(
        all, "diagonal",
        [](Values& v, Call& c) {
            if (!v.pick(c.operands, [](const Shape& s) { return s.size() >= 2; })) return false;
            const std::size_t rank = v.shape(c.operands[0]).size(), first = v.below(rank);
            c.numbers = {static_cast<std::int64_t>(v.below(5)) - 2,
                         static_cast<std::int64_t>(first),
                         static_cast<std::int64_t>((first + 1 + v.below(rank - 1)) % rank)};
            return true;
        },
        [](const auto& x, const Call& c) {
            return diagonal(x[0], c.numbers[0], c.numbers[1], c.numbers[2]);
        },
        [](const auto& x, const Call& c) {
            const auto rows = static_cast<std::size_t>(c.numbers[1]),
                       columns = static_cast<std::size_t>(c.numbers[2]);
            const std::int64_t k = c.numbers[0];
            Shape shape;
            for (std::size_t a = 0; a < x[0].shape.size(); ++a)
                if (a != rows && a != columns) shape.push_back(x[0].shape[a]);
            const auto m = static_cast<std::int64_t>(x[0].shape[rows]),
                       n = static_cast<std::int64_t>(x[0].shape[columns]);
            std::size_t length = 0;
            for (std::int64_t r = 0; r < m; ++r) length += r + k >= 0 && r + k < n;
            shape.push_back(length);
            return rearranged(x[0], shape, [&](const Index& i) {
                const std::size_t row = i.back() + (k < 0 ? static_cast<std::size_t>(-k) : 0);
                Index from(x[0].shape.size());
                std::size_t next = 0;
                const auto column = static_cast<std::size_t>(static_cast<std::int64_t>(row) + k);
                for (std::size_t a = 0; a < from.size(); ++a)
                    from[a] = a == rows ? row : a == columns ? column : i[next++];
                return from;
            });
        });
    add(
        all, "diag", one([](const Shape& s) { return s.size() == 1; }),
        [](const auto& x, const Call&) { return diag(x[0], -1); },
        [](const auto& x, const Call&) {
            const std::size_t n = x[0].shape[0];
            auto out = std::decay_t<decltype(x[0])>(Shape{n + 1, n + 1});
            for (std::size_t i = 0; i < n; ++i) out({i + 1, i}) = x[0]({i});
            return out;
        });
    const auto triangle = [&](const char* name, auto run, auto is_kept) {
        add(
            all, name,
            [](Values& v, Call& c) {
                if (!v.pick(c.operands, [](const Shape& s) { return s.size() >= 2; })) return false;
                c.numbers = {static_cast<std::int64_t>(v.below(5)) - 2};
                return true;
            },
            [run](const auto& x, const Call& c) { return run(x[0], c.numbers[0]); },
            [is_kept](const auto& x, const Call& c) {
                auto out = x[0];
                for_each(out.shape, [&](const Index& i) {
                    if (!is_kept(static_cast<std::int64_t>(i.back()),
                                 static_cast<std::int64_t>(i[i.size() - 2]) + c.numbers[0]))
                        out(i) = 0;
                });
                return out;
            });
    };
    triangle(
        "tril", [](const auto& x, std::ptrdiff_t k) { return tril(x, k); },
        [](std::int64_t column, std::int64_t diagonal) { return column <= diagonal; });
    triangle(
        "triu", [](const auto& x, std::ptrdiff_t k) { return triu(x, k); },
        [](std::int64_t column, std::int64_t diagonal) { return column >= diagonal; });
}

void add_sums_of_products(std::vector<Operation>& all) {
    const auto pair = [](auto first, auto second) {
        return [=](Values& v, Call& c) {
            if (!v.pick(c.operands, first)) return false;
            const Shape a = v.shape(c.operands[0]);
            return v.pick(c.operands, [&](const Shape& b) { return second(a, b); });
        };
    };
    add(
        all, "outer",
        pair([](const Shape&) { return true; }, [](const Shape&, const Shape&) { return true; }),
        [](const auto& x, const Call&) { return outer(x[0], x[1]); },
        [](const auto& x, const Call&) {
            auto out = std::decay_t<decltype(x[0])>(Shape{x[0].x.size(), x[1].x.size()});
            for_each(out.shape, [&](const Index& i) { out(i) = x[0].x[i[0]] * x[1].x[i[1]]; });
            return out;
        });
    add(
        all, "einsum (ij,kj->ki)",
        pair([](const Shape& a) { return a.size() == 2; },
             [](const Shape& a, const Shape& b) { return b.size() == 2 && a[1] == b[1]; }),
        [](const auto& x, const Call&) { return einsum("ij,kj->ki", x); },
        [](const auto& x, const Call&) {
            auto out = std::decay_t<decltype(x[0])>(Shape{x[1].shape[0], x[0].shape[0]});
            for_each(out.shape, [&](const Index& i) {
                for (std::size_t j = 0; j < x[0].shape[1]; ++j)
                    out(i) = out(i) + x[0]({i[1], j}) * x[1]({i[0], j});
            });
            return out;
        });
    add(
        all, "einsum (iij,j->i)",
        pair([](const Shape& a) { return a.size() == 3 && a[0] == a[1]; },
             [](const Shape& a, const Shape& b) { return b == Shape{a[2]}; }),
        [](const auto& x, const Call&) { return einsum("iij,j->i", x); },
        [](const auto& x, const Call&) {
            auto out = std::decay_t<decltype(x[0])>(Shape{x[0].shape[0]});
            for_each(out.shape, [&](const Index& i) {
                for (std::size_t j = 0; j < x[1].shape[0]; ++j)
                    out(i) = out(i) + x[0]({i[0], i[0], j}) * x[1]({j});
            });
            return out;
        });
}

// sin(x) / 5 + the unit matrix, in which the diagonal outweighs the rest of up to four rows.
const auto dominant = [](const auto& x) {
    const std::size_t n = x.shape(0);
    auto unit = Tensor<typename std::decay_t<decltype(x)>::value_type>::zeros({n, n});
    for (std::size_t i = 0; i < n; ++i) unit.data()[i * (n + 1)] = 1;
    return sin(x) * 0.2 + unit;
};
template <class N>
Array<N> dominant_array(const Array<N>& x) {
    Array<N> out = map(x, [](auto v) { return sin(v) * 0.2; });
    for (std::size_t i = 0; i < x.shape[0]; ++i) out({i, i}) = out({i, i}) + 1.0;
    return out;
}
// Gaussian elimination; returns the determinant, and overwrites b by the solution.
template <class N>
Scalar<N> eliminate(Array<N> a, Array<N>& b) {
    const std::size_t n = a.shape[0];
    Scalar<N> determinant(1);
    for (std::size_t p = 0; p < n; ++p) {
        determinant = determinant * a({p, p});
        for (std::size_t r = 0; r < n; ++r) {
            if (r == p) continue;
            const Scalar<N> factor = a({r, p}) / a({p, p});
            for (std::size_t k = 0; k < n; ++k) a({r, k}) = a({r, k}) - factor * a({p, k});
            for (std::size_t k = 0; k < b.shape[1]; ++k) b({r, k}) = b({r, k}) - factor * b({p, k});
        }
    }
    for (std::size_t r = 0; r < n; ++r)
        for (std::size_t k = 0; k < b.shape[1]; ++k) b({r, k}) = b({r, k}) / a({r, r});
    return determinant;
}

void add_linear_algebra(std::vector<Operation>& all) {
    const auto square = [](const Shape& s) { return s.size() == 2 && s[0] == s[1] && s[0] < 5; };
    add(
        all, "solve",
        [square](Values& v, Call& c) {
            if (!v.pick(c.operands, square)) return false;
            const std::size_t n = v.shape(c.operands[0])[0];
            return v.pick(c.operands, [n](const Shape& s) { return s.size() == 2 && s[0] == n; });
        },
        [](const auto& x, const Call&) { return solve(dominant(x[0]), x[1]); },
        [](const auto& x, const Call&) {
            auto out = x[1];
            eliminate(dominant_array(x[0]), out);
            return out;
        });
    add(
        all, "inverse", one(square),
        [](const auto& x, const Call&) { return inverse(dominant(x[0])); },
        [](const auto& x, const Call&) {
            auto out = std::decay_t<decltype(x[0])>(x[0].shape);
            for (std::size_t i = 0; i < out.shape[0]; ++i) out({i, i}) = 1;
            eliminate(dominant_array(x[0]), out);
            return out;
        });
    add(
        all, "log_determinant", one(square),
        [](const auto& x, const Call&) { return log_determinant(dominant(x[0])); },
        [](const auto& x, const Call&) {
            auto none = std::decay_t<decltype(x[0])>(Shape{x[0].shape[0], 0});
            auto out = std::decay_t<decltype(x[0])>(Shape{});
            out.x[0] = log(eliminate(dominant_array(x[0]), none));
            return out;
        });
    add(
        all, "cholesky", one(square),
        [](const auto& x, const Call&) { return cholesky(dominant(x[0])); },
        [](const auto& x, const Call&) {
            const auto a = dominant_array(x[0]);
            auto out = std::decay_t<decltype(x[0])>(a.shape);
            for (std::size_t i = 0; i < a.shape[0]; ++i)
                for (std::size_t j = 0; j <= i; ++j) {
                    auto rest = (a({i, j}) + a({j, i})) * 0.5;
                    for (std::size_t k = 0; k < j; ++k) rest = rest - out({i, k}) * out({j, k});
                    out({i, j}) = i == j ? sqrt(rest) : rest / out({j, j});
                }
            return out;
        });
}

} // namespace

// Rearranged elements, sums of products, and linear algebra.
void add_matrices(std::vector<Operation>& all) {
    add_rearranging(all);
    add_sums_of_products(all);
    add_linear_algebra(all);
}

} // namespace programs
