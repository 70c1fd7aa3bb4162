#include "choices.hpp"
#include "rows.hpp"

#include <unroll/nn/losses/transducer.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/normalization.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/softmax.hpp>
#include <unroll/ops/views.hpp>

namespace programs {

namespace {

template <class N>
Array<N> product(const Array<N>& a, const Array<N>& b, const Shape& shape) {
    Array<N> out(shape);
    const std::size_t inner = a.shape.back();
    for_each(shape, [&](const Index& i) {
        Index left = i, right = i;
        Scalar<N> sum(0);
        for (std::size_t k = 0; k < inner; ++k) {
            left.back() = k;
            right[right.size() - 2] = k;
            sum = sum + a.broadcast(left) * b.broadcast(right);
        }
        out(i) = sum;
    });
    return out;
}

void add_products(std::vector<Operation>& all) {
    const auto pair = [](Values& v, Call& c) {
        if (!v.pick(c.operands, [](const Shape& s) { return s.size() >= 2; })) return false;
        const Shape a = v.shape(c.operands[0]);
        return v.pick(c.operands, [&](const Shape& b) {
            if (b.size() < 2 || b[b.size() - 2] != a.back()) return false;
            return compatible(Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2));
        });
    };
    const auto expected = [](const auto& x) {
        const Shape &a = x[0].shape, &b = x[1].shape;
        Shape shape = common(Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2));
        shape.push_back(a[a.size() - 2]);
        shape.push_back(b.back());
        return product(x[0], x[1], shape);
    };
    add(
        all, "matmul", pair, [](const auto& x, const Call&) { return matmul(x[0], x[1]); },
        [expected](const auto& x, const Call&) { return expected(x); });
    add(
        all, "scaled_matmul", pair,
        [](const auto& x, const Call&) { return scaled_matmul(x[0], x[1], -0.5); },
        [expected](const auto& x, const Call&) {
            auto out = expected(x);
            for (auto& v : out.x) v = v * -0.5;
            return out;
        });
    add(
        all, "matmul (vector)",
        [](Values& v, Call& c) {
            if (!v.pick(c.operands, has_axis)) return false;
            const std::size_t n = v.shape(c.operands[0]).back();
            return v.pick(c.operands, [n](const Shape& b) { return b == Shape{n}; });
        },
        [](const auto& x, const Call&) { return matmul(x[0], x[1]); },
        [](const auto& x, const Call&) {
            auto out =
                std::decay_t<decltype(x[0])>(Shape(x[0].shape.begin(), x[0].shape.end() - 1));
            for_each(x[0].shape, [&](const Index& i) {
                const Index j(i.begin(), i.end() - 1);
                out(j) = out(j) + x[0](i) * x[1]({i.back()});
            });
            return out;
        });
    const auto linear_by_hand = [](const auto& x, const auto& weight, const auto* bias) {
        Shape shape = x.shape;
        shape.back() = weight.shape[0];
        auto out = std::decay_t<decltype(x)>(shape);
        for_each(shape, [&](Index i) {
            auto& to = out(i);
            const std::size_t o = i.back();
            if (bias != nullptr) to = (*bias)({o});
            for (std::size_t k = 0; k < weight.shape[1]; ++k) {
                i.back() = k;
                to = to + x(i) * weight({o, k});
            }
        });
        return out;
    };
    const auto weight_for = [](Values& v, Call& c) {
        if (!v.pick(c.operands, has_axis)) return false;
        const std::size_t n = v.shape(c.operands[0]).back();
        return v.pick(c.operands, [n](const Shape& s) { return s.size() == 2 && s[1] == n; });
    };
    add(
        all, "linear", weight_for, [](const auto& x, const Call&) { return linear(x[0], x[1]); },
        [linear_by_hand](const auto& x, const Call&) {
            return linear_by_hand(x[0], x[1], static_cast<decltype(&x[0])>(nullptr));
        });
    add(
        all, "linear (bias)",
        [weight_for](Values& v, Call& c) {
            if (!weight_for(v, c)) return false;
            const std::size_t n = v.shape(c.operands[1])[0];
            return v.pick(c.operands, [n](const Shape& s) { return s == Shape{n}; });
        },
        [](const auto& x, const Call&) { return linear(x[0], x[1], x[2]); },
        [linear_by_hand](const auto& x, const Call&) { return linear_by_hand(x[0], x[1], &x[2]); });
    add(
        all, "add_linear",
        [](Values& v, Call& c) {
            // It adds in place into a new product that nothing else uses.
            if (!v.pick(c.operands, [](const Shape& s) { return s.size() == 2; })) return false;
            const Shape z = v.shape(c.operands[0]);
            if (!v.pick(c.operands, [&](const Shape& s) { return s.size() == 2 && s[0] == z[0]; }))
                return false;
            const std::size_t n = v.shape(c.operands[1])[1];
            return v.pick(c.operands, [&](const Shape& s) { return s == Shape{z[1], n}; });
        },
        [](const auto& x, const Call&) { return add_linear(x[0] * 1.5, x[1], x[2]); },
        [linear_by_hand](const auto& x, const Call&) {
            const auto added = linear_by_hand(x[1], x[2], static_cast<decltype(&x[0])>(nullptr));
            return map(x[0], added, x[0].shape, [](auto z, auto y) { return z * 1.5 + y; });
        });
    add(
        all, "layer_norm",
        [](Values& v, Call& c) {
            if (!v.pick(c.operands, [](const Shape& s) { return has_last(s) && s.back() > 1; }))
                return false;
            const std::size_t n = v.shape(c.operands[0]).back();
            const auto fits = [n](const Shape& s) { return s == Shape{n}; };
            return v.pick(c.operands, fits) && v.pick(c.operands, fits);
        },
        [](const auto& x, const Call&) { return layer_norm(x[0], x[1], x[2], 0.1); },
        [](const auto& x, const Call&) {
            Call rows;
            rows.numbers = {static_cast<std::int64_t>(x[0].shape.size()) - 1, 1};
            const auto centre = reduced(x[0], rows, average);
            const auto variance = reduced(x[0], rows, [](const auto& row) {
                return squares(row, average(row)) / static_cast<double>(row.size());
            });
            auto out = std::decay_t<decltype(x[0])>(x[0].shape);
            for_each(x[0].shape, [&](const Index& i) {
                out(i) = (x[0](i) - centre.broadcast(i)) / sqrt(variance.broadcast(i) + 0.1) *
                             x[1].broadcast(i) +
                         x[2].broadcast(i);
            });
            return out;
        });
    add(
        all, "rms_norm",
        [](Values& v, Call& c) {
            if (!v.pick(c.operands, has_last)) return false;
            const std::size_t n = v.shape(c.operands[0]).back();
            return v.pick(c.operands, [n](const Shape& s) { return s == Shape{n}; });
        },
        [](const auto& x, const Call&) { return rms_norm(x[0], x[1], 0.1); },
        [](const auto& x, const Call&) {
            Call rows;
            rows.numbers = {static_cast<std::int64_t>(x[0].shape.size()) - 1, 1};
            const auto size = reduced(x[0], rows, [](const auto& row) {
                return squares(row, std::decay_t<decltype(row[0])>(0)) /
                       static_cast<double>(row.size());
            });
            auto out = std::decay_t<decltype(x[0])>(x[0].shape);
            for_each(x[0].shape, [&](const Index& i) {
                out(i) = x[0](i) / sqrt(size.broadcast(i) + 0.1) * x[1].broadcast(i);
            });
            return out;
        });
    add(
        all, "group_norm",
        [](Values& v, Call& c) {
            const auto fits = [](const Shape& s) { return s.size() == 3 && has_elements(s); };
            if (!v.pick(c.operands, fits)) return false;
            const std::size_t n = v.shape(c.operands[0])[1];
            c.numbers = {n % 2 == 0 && v.below(2) == 0 ? 2 : 1};
            const auto each = [n](const Shape& s) { return s == Shape{n}; };
            return v.pick(c.operands, each) && v.pick(c.operands, each);
        },
        [](const auto& x, const Call& c) {
            return group_norm(x[0], static_cast<std::size_t>(c.numbers[0]), x[1], x[2], 0.1);
        },
        [](const auto& x, const Call& c) {
            const Shape& s = x[0].shape;
            const std::size_t groups = static_cast<std::size_t>(c.numbers[0]);
            auto rows = x[0], out = x[0];
            rows.shape = {s[0] * groups, s[1] / groups * s[2]};
            Call last;
            last.numbers = {1, 1};
            const auto centre = reduced(rows, last, average);
            const auto variance = reduced(rows, last, [](const auto& row) {
                return squares(row, average(row)) / static_cast<double>(row.size());
            });
            for_each(s, [&](const Index& i) {
                const Index row{i[0] * groups + i[1] / (s[1] / groups), 0};
                out(i) = (x[0](i) - centre(row)) / sqrt(variance(row) + 0.1) * x[1]({i[1]}) +
                         x[2]({i[1]});
            });
            return out;
        });
}

void add_losses(std::vector<Operation>& all) {
    add(
        all, "cross_entropy",
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
            return cross_entropy(x[0], indices_of(c.numbers, c.shape), {.smoothing = 0.2});
        },
        [](const auto& x, const Call& c) {
            auto out = std::decay_t<decltype(x[0])>(Shape{});
            const std::size_t classes = x[0].shape.back();
            double counted = 0;
            for (std::size_t i = 0; i < c.numbers.size(); ++i) {
                if (c.numbers[i] < 0) continue;
                ++counted;
                const std::vector row(x[0].x.begin() + static_cast<std::ptrdiff_t>(i * classes),
                                      x[0].x.begin() +
                                          static_cast<std::ptrdiff_t>((i + 1) * classes));
                const auto log_sum = log(exponentials(row));
                out.x[0] = out.x[0] +
                           (log_sum - row[static_cast<std::size_t>(c.numbers[i])]) * 0.8 +
                           (log_sum - average(row)) * 0.2;
            }
            if (counted > 0) out.x[0] = out.x[0] / counted;
            return out;
        });
    const auto loss = [&](const char* name, auto run, auto f, Corner corner = nullptr) {
        add(
            all, name, equal_pair, [run](const auto& x, const Call&) { return run(x[0], x[1]); },
            [f](const auto& x, const Call&) {
                auto out = std::decay_t<decltype(x[0])>(Shape{});
                for (const auto& v : map(x[0], x[1], x[0].shape, f).x) out.x[0] = out.x[0] + v;
                out.x[0] = out.x[0] / static_cast<double>(x[0].x.size());
                return out;
            },
            corner);
    };
    loss(
        "mean_squared_error", [](const auto& x, const auto& y) { return mean_squared_error(x, y); },
        [](auto x, auto y) { return (x - y) * (x - y); });
    loss(
        "binary_cross_entropy",
        [](const auto& x, const auto& y) { return binary_cross_entropy(x, sigmoid(y)); },
        [](auto x, auto y) { return log(exp(x) + 1) - x / (exp(-y) + 1); });
    loss(
        "huber", [](const auto& x, const auto& y) { return huber(x, y, 0.6); },
        [](auto x, auto y) {
            const auto d = x < y ? y - x : x - y;
            return d < 0.6 ? d * d * 0.5 : (d - 0.3) * 0.6;
        },
        [](const std::vector<Tensor<double>>& x, const Call&) {
            const auto a = x[0].to_vector(), b = x[1].to_vector();
            for (std::size_t k = 0; k < a.size(); ++k) {
                const double d = std::abs(a[k] - b[k]);
                if (d < margin || std::abs(d - 0.6) < margin) return true;
            }
            return false;
        });
}

// The softmax of symbol v in the row of logits that begins at `row`.
template <class A>
auto probability(const A& x, std::size_t row, std::size_t v) {
    auto sum = exp(x.x[row]);
    for (std::size_t i = 1; i < x.shape[x.shape.size() - 1]; ++i) sum = sum + exp(x.x[row + i]);
    return exp(x.x[row + v]) / sum;
}

// One symbol for each sequence, or two if there are enough steps; 0 is the blank.
void add_ctc(std::vector<Operation>& all) {
    const auto symbols_of = [](const Shape& s) { return s[0] < 3 ? 1 : 2; };
    add(
        all, "ctc_loss",
        [symbols_of](Values& v, Call& c) {
            const auto fits = [](const Shape& s) {
                return s.size() == 3 && s[0] > 0 && s[1] > 0 && s[2] > 1;
            };
            if (!v.pick(c.operands, fits)) return false;
            const Shape& s = v.shape(c.operands[0]);
            c.shape = {static_cast<std::size_t>(symbols_of(s)), s[1]};
            for (std::size_t n = unroll::element_count(c.shape); n > 0; --n)
                c.numbers.push_back(1 + static_cast<std::int64_t>(v.below(s[2] - 1)));
            return true;
        },
        [](const auto& x, const Call& c) {
            const unroll::nn::PaddedBatch targets{indices_of(c.numbers, c.shape), {}};
            return unroll::nn::ctc_loss(unroll::log_softmax(x[0]), {}, targets,
                                        {.reduction = unroll::nn::Reduction::sum})
                .loss;
        },
        [](const auto& x, const Call& c) {
            auto out = std::decay_t<decltype(x[0])>(Shape{});
            using N = std::decay_t<decltype(x[0].x[0])>;
            const std::size_t T = x[0].shape[0], B = x[0].shape[1], V = x[0].shape[2];
            const std::size_t S = 2 * c.shape[0] + 1;
            for (std::size_t b = 0; b < B; ++b) {
                const auto symbol = [&](std::size_t s) {
                    return s % 2 == 0 ? std::size_t{0}
                                      : static_cast<std::size_t>(c.numbers[s / 2 * B + b]);
                };
                std::vector<N> before(S, N(0));
                before[0] = N(1);
                for (std::size_t t = 0; t < T; ++t) {
                    std::vector<N> next;
                    for (std::size_t s = 0; s < S; ++s) {
                        N paths = before[s];
                        if (s > 0) paths = paths + before[s - 1];
                        if (s % 2 == 1 && s > 1 && symbol(s) != symbol(s - 2))
                            paths = paths + before[s - 2];
                        next.push_back(paths * probability(x[0], (t * B + b) * V, symbol(s)));
                    }
                    before = next;
                }
                out.x[0] = out.x[0] - log(before[S - 1] + before[S - 2]);
            }
            return out;
        });
}

// Frames, states and symbols of one sequence; 0 is the blank.
void add_transducer(std::vector<Operation>& all) {
    add(
        all, "transducer_loss",
        [](Values& v, Call& c) {
            const auto fits = [](const Shape& s) {
                return s.size() == 3 && s[0] > 0 && s[1] > 0 && s[2] > 1;
            };
            if (!v.pick(c.operands, fits)) return false;
            const Shape& s = v.shape(c.operands[0]);
            c.shape = {s[1] - 1, 1};
            for (std::size_t n = c.shape[0]; n > 0; --n)
                c.numbers.push_back(1 + static_cast<std::int64_t>(v.below(s[2] - 1)));
            return true;
        },
        [](const auto& x, const Call& c) {
            const unroll::nn::PaddedBatch target{indices_of(c.numbers, c.shape), {}};
            return unroll::nn::transducer_loss(unroll::log_softmax(unroll::expand_dims(x[0], 0)),
                                               {}, target,
                                               {.reduction = unroll::nn::Reduction::sum})
                .loss;
        },
        [](const auto& x, const Call& c) {
            auto out = std::decay_t<decltype(x[0])>(Shape{});
            using N = std::decay_t<decltype(x[0].x[0])>;
            const std::size_t T = x[0].shape[0], S = x[0].shape[1], V = x[0].shape[2];
            std::vector<N> now(S, N(0)); // probabilities of the states, by numbers of symbols
            now[0] = N(1);
            for (std::size_t t = 0; t < T; ++t) {
                const auto row = [&](std::size_t u) { return (t * S + u) * V; };
                for (std::size_t u = 1; u < S; ++u)
                    now[u] = now[u] +
                             now[u - 1] * probability(x[0], row(u - 1),
                                                      static_cast<std::size_t>(c.numbers[u - 1]));
                for (std::size_t u = 0; u < S; ++u) now[u] = now[u] * probability(x[0], row(u), 0);
            }
            out.x[0] = out.x[0] - log(now[S - 1]);
            return out;
        });
}

} // namespace

// Products, normalisations and losses.
void add_contractions(std::vector<Operation>& all) {
    add_products(all);
    add_losses(all);
    add_ctc(all);
    add_transducer(all);
}

} // namespace programs
