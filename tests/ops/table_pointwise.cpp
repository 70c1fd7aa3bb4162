#include "ops/table.hpp"

#include <unroll/ops/pointwise.hpp>

#include <algorithm>
#include <cmath>

namespace test {
namespace {

const std::vector<std::vector<Shape>> pairs{{{3, 5}, {3, 5}}, {{3, 5}, {5}},       {{3, 1}, {1, 4}},
                                            {{2, 3}, {}},     {{2, 1, 3}, {4, 1}}, {{0, 3}, {3}}};

std::vector<Spec> unary() {
    const auto one = [](const char* name, auto f, double (*reference)(double),
                        bool positive = false) {
        return Spec{name,    [f](const Many& x) { return f(x[0]); }, any, reference, nullptr, "",
                    positive};
    };
    const auto sigma = [](double x) { return 1 / (1 + std::exp(-x)); };
    return {
        one(
            "exp", [](const V& x) { return exp(x); }, std::exp),
        one(
            "log", [](const V& x) { return log(x); }, std::log, true),
        one(
            "log1p", [](const V& x) { return log1p(x); }, std::log1p, true),
        one(
            "expm1", [](const V& x) { return expm1(x); }, std::expm1),
        one(
            "sqrt", [](const V& x) { return sqrt(x); }, std::sqrt, true),
        one(
            "square", [](const V& x) { return square(x); }, [](double x) { return x * x; }),
        one(
            "reciprocal", [](const V& x) { return reciprocal(x); }, [](double x) { return 1 / x; },
            true),
        one(
            "sin", [](const V& x) { return sin(x); }, std::sin),
        one(
            "cos", [](const V& x) { return cos(x); }, std::cos),
        one(
            "erf", [](const V& x) { return erf(x); }, std::erf),
        one(
            "abs", [](const V& x) { return abs(x); }, std::fabs),
        one(
            "sign", [](const V& x) { return sign(x); },
            [](double x) { return x > 0   ? 1.0
                                  : x < 0 ? -1.0
                                          : 0.0; }),
        one(
            "tanh", [](const V& x) { return tanh(x); }, std::tanh),
        one(
            "sigmoid", [](const V& x) { return sigmoid(x); }, sigma),
        one(
            "relu", [](const V& x) { return relu(x); }, [](double x) { return x > 0 ? x : 0; }),
        one(
            "leaky_relu", [](const V& x) { return leaky_relu(x, 0.1); },
            [](double x) { return x > 0 ? x : 0.1 * x; }),
        one(
            "elu", [](const V& x) { return elu(x, 1.5); },
            [](double x) { return x > 0 ? x : 1.5 * std::expm1(x); }),
        one(
            "gelu", [](const V& x) { return gelu(x); },
            [](double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); }),
        one(
            "silu", [](const V& x) { return silu(x); },
            [](double x) { return x / (1 + std::exp(-x)); }),
        one(
            "softplus", [](const V& x) { return softplus(x); },
            [](double x) { return std::log1p(std::exp(x)); }),
        {"clip", [](const Many& x) { return clip(x[0], -0.5, 0.7); }, any,
         [](double x) { return std::clamp(x, -0.5, 0.7); }, [] { clip(fixed({2}), 1, 0); },
         "clip: the range is empty"},
    };
}

std::vector<Spec> binary() {
    const auto two = [](const char* name, auto f, bool positive = false) {
        return Spec{name,
                    [f](const Many& x) { return f(x[0], x[1]); },
                    pairs,
                    nullptr,
                    [f] { f(fixed({2, 3}), fixed({4})); },
                    "[2, 3] and [4] do not broadcast",
                    positive};
    };
    return {
        two("operator+", [](const V& a, const V& b) { return a + b; }),
        two("operator-", [](const V& a, const V& b) { return a - b; }),
        two("operator*", [](const V& a, const V& b) { return a * b; }),
        two(
            "operator/", [](const V& a, const V& b) { return a / b; }, true),
        two(
            "pow", [](const V& a, const V& b) { return pow(a, b); }, true),
        two("minimum", [](const V& a, const V& b) { return minimum(a, b); }),
        two("maximum", [](const V& a, const V& b) { return maximum(a, b); }),
        two("where",
            [](const V& a, const V& b) {
                return where(Mask({}, {true}), a * 2, b * 3) + where(Mask({}, {false}), a, b);
            }),
    };
}

} // namespace

std::vector<Spec> pointwise_specs() {
    std::vector<Spec> all = unary();
    for (Spec& spec : binary()) all.push_back(std::move(spec));
    return all;
}

} // namespace test
