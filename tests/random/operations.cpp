#include "choices.hpp"

#include <unroll/ops/activation.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/pointwise.hpp>

namespace programs {

namespace {

void add_pointwise(std::vector<Operation>& all) {
    const auto unary = [&](const char* name, auto run, auto f, std::vector<double> corners = {}) {
        add(
            all, name, one(any), [run](const auto& x, const Call&) { return run(x[0]); },
            [f](const auto& x, const Call&) { return map(x[0], f); },
            corners.empty() ? Corner() : near_any(corners));
    };
    unary(
        "exp(sin)", [](const auto& x) { return exp(sin(x)); }, [](auto x) { return exp(sin(x)); });
    unary(
        "log", [](const auto& x) { return log(square(x) + 0.5); },
        [](auto x) { return log(x * x + 0.5); });
    unary(
        "log1p", [](const auto& x) { return log1p(square(x)); },
        [](auto x) { return log(x * x + 1); });
    unary(
        "expm1", [](const auto& x) { return expm1(-square(x)); },
        [](auto x) { return exp(-(x * x)) - 1; });
    unary(
        "sqrt", [](const auto& x) { return sqrt(square(x) + 0.3); },
        [](auto x) { return sqrt(x * x + 0.3); });
    unary(
        "square", [](const auto& x) { return square(x); }, [](auto x) { return x * x; });
    unary(
        "reciprocal", [](const auto& x) { return reciprocal(square(x) + 0.7); },
        [](auto x) { return decltype(x)(1) / (x * x + 0.7); });
    unary(
        "cos", [](const auto& x) { return cos(x); }, [](auto x) { return cos(x); });
    unary(
        "erf", [](const auto& x) { return erf(x); }, [](auto x) { return erf(x); });
    unary(
        "abs", [](const auto& x) { return abs(x); }, [](auto x) { return x < 0 ? -x : x; }, {0});
    unary(
        "sign", [](const auto& x) { return sign(x) + x; },
        [](auto x) { return x + (x < 0   ? -1.0
                                 : 0 < x ? 1.0
                                         : 0.0); }, {0});
    unary(
        "clip", [](const auto& x) { return clip(x, -0.5, 0.7); },
        [](auto x) { return x < -0.5  ? decltype(x)(-0.5)
                            : 0.7 < x ? decltype(x)(0.7)
                                      : x; },
        {-0.5, 0.7});
    unary(
        "tanh", [](const auto& x) { return tanh(x); }, [](auto x) { return tanh(x); });
    unary(
        "sigmoid", [](const auto& x) { return sigmoid(x); }, [](auto x) { return sigmoid(x); });
    unary(
        "relu", [](const auto& x) { return relu(x); }, [](auto x) { return x < 0 ? x * 0 : x; },
        {0});
    unary(
        "leaky_relu", [](const auto& x) { return leaky_relu(x, 0.2); },
        [](auto x) { return x < 0 ? x * 0.2 : x; }, {0});
    unary(
        "elu", [](const auto& x) { return elu(x, 1.3); },
        [](auto x) { return x < 0 ? (exp(x) - 1) * 1.3 : x; }, {0});
    unary(
        "gelu", [](const auto& x) { return gelu(x); },
        [](auto x) { return x * 0.5 * (erf(x * std::sqrt(0.5)) + 1); });
    unary(
        "silu", [](const auto& x) { return silu(x); }, [](auto x) { return x * sigmoid(x); });
    unary(
        "softplus", [](const auto& x) { return softplus(x); },
        [](auto x) { return log(exp(x) + 1); });
    unary(
        "tan", [](const auto& x) { return tan(tanh(x)); },
        [](auto x) { return sin(tanh(x)) / cos(tanh(x)); });
    unary(
        "asin", [](const auto& x) { return asin(0.9 * tanh(x)); },
        [](auto x) {
            const auto y = tanh(x) * 0.9;
            return atan(y / sqrt(-(y * y) + 1));
        });
    unary(
        "acos", [](const auto& x) { return acos(0.9 * tanh(x)); },
        [](auto x) {
            const auto y = tanh(x) * 0.9;
            return -atan(y / sqrt(-(y * y) + 1)) + std::numbers::pi / 2;
        });
    unary(
        "atan", [](const auto& x) { return atan(x); }, [](auto x) { return atan(x); });
    unary(
        "sinh", [](const auto& x) { return sinh(tanh(x)) * cosh(tanh(x)); },
        [](auto x) {
            const auto up = exp(tanh(x)), down = exp(-tanh(x));
            return (up - down) * (up + down) * 0.25;
        });
    unary(
        "asinh", [](const auto& x) { return asinh(tanh(x)); },
        [](auto x) { return log(tanh(x) + sqrt(tanh(x) * tanh(x) + 1)); });
    unary(
        "acosh", [](const auto& x) { return acosh(square(x) + 1.5); },
        [](auto x) {
            const auto y = x * x + 1.5;
            return log(y + sqrt(y * y - 1));
        });
    unary(
        "atanh", [](const auto& x) { return atanh(0.9 * tanh(x)); },
        [](auto x) {
            const auto y = tanh(x) * 0.9;
            return log((y + 1) / (-y + 1)) * 0.5;
        });
    unary(
        "exp2", [](const auto& x) { return exp2(tanh(x)); },
        [](auto x) { return exp(tanh(x) * std::numbers::ln2); });
    unary(
        "log2", [](const auto& x) { return log2(square(x) + 0.4) + log10(square(x) + 0.6); },
        [](auto x) {
            return log(x * x + 0.4) * std::numbers::log2e + log(x * x + 0.6) * std::numbers::log10e;
        });
    unary(
        "rsqrt", [](const auto& x) { return rsqrt(square(x) + 0.4); },
        [](auto x) { return decltype(x)(1) / sqrt(x * x + 0.4); });
    unary(
        "selu", [](const auto& x) { return selu(x); },
        [](auto x) { return (x < 0 ? (exp(x) - 1) * 1.6732632423543772 : x) * 1.0507009873554805; },
        {0});
    unary(
        "hardtanh", [](const auto& x) { return hardtanh(x); },
        [](auto x) { return x < -1.0  ? decltype(x)(-1.0)
                            : 1.0 < x ? decltype(x)(1.0)
                                      : x; },
        {-1, 1});
    unary(
        "mish", [](const auto& x) { return mish(x); },
        [](auto x) { return x * tanh(log(exp(x) + 1)); });
    unary(
        "negate", [](const auto& x) { return -x; }, [](auto x) { return -x; });
    unary(
        "stop_gradient", [](const auto& x) { return stop_gradient(x) * x; },
        [](auto x) { return decltype(x)(x.number()) * x; });
    unary(
        "fuse",
        [](const auto& x) {
            return fuse(
                "random", [](auto x) { return where(x > 0.1, tanh(x) * x, 2 - x / 3); }, x);
        },
        [](auto x) { return 0.1 < x ? tanh(x) * x : decltype(x)(2) - x / 3; }, {0.1});

    const auto binary = [&](const char* name, auto run, auto f, bool corner = false) {
        add(
            all, name, broadcasting_pair,
            [run](const auto& x, const Call&) { return run(x[0], x[1]); },
            [f](const auto& x, const Call&) {
                return map(x[0], x[1], common(x[0].shape, x[1].shape), f);
            },
            corner ? Corner(near_each_other) : nullptr);
    };
    binary(
        "add", [](const auto& a, const auto& b) { return a + b; },
        [](auto a, auto b) { return a + b; });
    binary(
        "subtract", [](const auto& a, const auto& b) { return a - b; },
        [](auto a, auto b) { return a - b; });
    binary(
        "multiply", [](const auto& a, const auto& b) { return a * b; },
        [](auto a, auto b) { return a * b; });
    binary(
        "divide", [](const auto& a, const auto& b) { return a / (square(b) + 0.8); },
        [](auto a, auto b) { return a / (b * b + 0.8); });
    binary(
        "pow", [](const auto& a, const auto& b) { return pow(square(a) + 0.5, tanh(b)); },
        [](auto a, auto b) { return exp(tanh(b) * log(a * a + 0.5)); });
    binary(
        "hypot", [](const auto& a, const auto& b) { return hypot(a, square(b) + 0.5); },
        [](auto a, auto b) { return sqrt(a * a + (b * b + 0.5) * (b * b + 0.5)); });
    binary(
        "atan2", [](const auto& a, const auto& b) { return atan2(a, square(b) + 0.5); },
        [](auto a, auto b) { return atan(a / (b * b + 0.5)); });
    binary(
        "logaddexp", [](const auto& a, const auto& b) { return logaddexp(tanh(a), b); },
        [](auto a, auto b) { return log(exp(tanh(a) - b) + 1) + b; });
    binary(
        "minimum", [](const auto& a, const auto& b) { return minimum(a, b); },
        [](auto a, auto b) { return b < a ? b : a; }, true);
    binary(
        "maximum", [](const auto& a, const auto& b) { return maximum(a, b); },
        [](auto a, auto b) { return a < b ? b : a; }, true);

    add(
        all, "glu",
        [](Values& v, Call& c) {
            const auto is_even = [](std::size_t n) { return n % 2 == 0; };
            if (!v.pick(c.operands,
                        [&](const Shape& s) { return std::any_of(s.begin(), s.end(), is_even); }))
                return false;
            const Shape s = v.shape(c.operands[0]);
            c.numbers = {std::find_if(s.begin(), s.end(), is_even) - s.begin()};
            return true;
        },
        [](const auto& x, const Call& c) { return glu(x[0], c.numbers[0]); },
        [](const auto& x, const Call& c) {
            const auto axis = static_cast<std::size_t>(c.numbers[0]);
            Shape shape = x[0].shape;
            shape[axis] /= 2;
            auto out = std::decay_t<decltype(x[0])>(shape);
            for_each(shape, [&](const Index& i) {
                Index gate = i;
                gate[axis] += shape[axis];
                out(i) = x[0](i) * sigmoid(x[0](gate));
            });
            return out;
        });
    add(
        all, "prelu",
        [](Values& v, Call& c) {
            if (!v.pick(c.operands, [](const Shape& s) { return s.size() >= 2; })) return false;
            const Shape x = v.shape(c.operands[0]);
            return v.pick(c.operands,
                          [&](const Shape& s) { return s == Shape{x[1]} || s == Shape{1}; });
        },
        [](const auto& x, const Call&) { return prelu(x[0], x[1]); },
        [](const auto& x, const Call&) {
            auto out = std::decay_t<decltype(x[0])>(x[0].shape);
            for_each(out.shape, [&](const Index& i) {
                const auto v = x[0](i);
                out(i) = 0 < v ? v : v * x[1]({x[1].shape[0] == 1 ? 0 : i[1]});
            });
            return out;
        },
        near_any({0}));

    // A cell of five operands and two results.
    const auto cell = []<class N>(const Arrays<N>& x, const Call&) {
        Shape shape = x[0].shape;
        for (const auto& a : x) shape = common(shape, a.shape);
        Arrays<N> out{Array<N>(shape), Array<N>(shape)};
        for_each(shape, [&](const Index& i) {
            const auto at = [&](std::size_t k) { return x[k].broadcast(i); };
            const auto next = sigmoid(at(1)) * at(4) + sigmoid(at(0)) * tanh(at(2));
            out[0](i) = sigmoid(at(3)) * tanh(next);
            out[1](i) = next;
        });
        return out;
    };
    add(
        all, "fuse (cell)",
        [](Values& v, Call& c) {
            Shape shape;
            for (int k = 0; k < 5; ++k) {
                if (!v.pick(c.operands, [&](const Shape& s) { return compatible(shape, s); }))
                    return false;
                shape = common(shape, v.shape(c.operands.back()));
            }
            return true;
        },
        [](const auto& x, const Call&) {
            const auto [h, c] = fuse(
                "cell",
                [](auto i, auto f, auto g, auto o, auto c) {
                    const auto next = sigmoid(f) * c + sigmoid(i) * tanh(g);
                    return unroll::outputs(sigmoid(o) * tanh(next), next);
                },
                x[0], x[1], x[2], x[3], x[4]);
            return std::vector{h, c};
        },
        cell);
}

} // namespace

void add_views(std::vector<Operation>& all);
void add_reductions(std::vector<Operation>& all);
void add_contractions(std::vector<Operation>& all);
void add_windows(std::vector<Operation>& all);
void add_blocks(std::vector<Operation>& all);
void add_orders(std::vector<Operation>& all);
void add_matrices(std::vector<Operation>& all);
void add_reduced_losses(std::vector<Operation>& all);

const std::vector<Operation>& operations() {
    static const std::vector<Operation> all = [] {
        std::vector<Operation> table;
        add_pointwise(table);
        add_views(table);
        add_reductions(table);
        add_contractions(table);
        add_windows(table);
        add_blocks(table);
        add_orders(table);
        add_matrices(table);
        add_reduced_losses(table);
        return table;
    }();
    return all;
}

} // namespace programs
