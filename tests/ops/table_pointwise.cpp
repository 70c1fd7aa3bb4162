#include "ops/table.hpp"

#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/pointwise.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace test {
namespace {

const std::vector<std::vector<Shape>> pairs{{{3, 5}, {3, 5}}, {{3, 5}, {5}},       {{3, 1}, {1, 4}},
                                            {{2, 3}, {}},     {{2, 1, 3}, {4, 1}}, {{0, 3}, {3}}};

constexpr double inf = std::numeric_limits<double>::infinity();
struct Domain {
    double low, high;
};

std::vector<Spec> unary() {
    const auto one = [](const char* name, auto f, double (*reference)(double), Domain domain) {
        const std::vector<std::string> flat{"sign", "floor", "ceil", "trunc", "round"};
        return Spec{name,
                    [f](const Many& x) { return f(x[0]); },
                    any,
                    reference,
                    nullptr,
                    "",
                    domain.low,
                    domain.high,
                    std::ranges::find(flat, name) != flat.end()};
    };
    return {
#define UNROLL_UNARY(name, meaning, notation, value, derivative, exact, domain, ulp)               \
    one(                                                                                           \
        #name, [](const V& x) { return name(x); },                                                 \
        [](double argument) -> double {                                                            \
            const long double x = argument;                                                        \
            return static_cast<double>(exact);                                                     \
        },                                                                                         \
        Domain domain.low >= -1 ? Domain domain : Domain{-inf, inf}),
#define UNROLL_UNARY_WITH(name, meaning, notation, constant, value, derivative, exact, domain,     \
                          ulp)                                                                     \
    one(                                                                                           \
        #name, [](const V& x) { return name(x, 1.5 * constant); },                                 \
        [](double argument) -> double {                                                            \
            const long double x = argument, p = 1.5 * constant;                                    \
            return static_cast<double>(exact);                                                     \
        },                                                                                         \
        Domain domain.low >= -1 ? Domain domain : Domain{-inf, inf}),
#include <unroll/ops/fuse/function_list.hpp>
        {"clip",
         [](const Many& x) { return clip(x[0], -0.5, 0.7); },
         {{{3, 5}}, {{2, 3, 4}}, {{0, 3}}, {{17}}},
         [](double x) { return std::clamp(x, -0.5, 0.7); },
         [] { clip(fixed({2}), 1, 0); },
         "clip: the range is empty"},
    };
}

// Their derivatives are the third ones of other functions.
std::vector<Spec> slopes() {
    const auto one = [](const std::string& name, auto f) {
        Spec spec{name, [name, f](const Many& x) { return fuse(name.c_str(), f, x[0]); }, any};
        if (name == "slope_of_asin" || name == "slope_of_atanh") spec.low = -1, spec.high = 1;
        if (name == "slope_of_acosh") spec.low = 1;
        return spec;
    };
    return {
#define UNROLL_SLOPE(name, ...) one(#name, [](auto x) { return name(x); }),
#include <unroll/ops/fuse/function_list.hpp>
    };
}

std::vector<Spec> binary() {
    const auto two = [](const char* name, auto f, bool positive = false) {
        return Spec{name,
                    [f](const Many& x) { return f(x[0], x[1]); },
                    pairs,
                    nullptr,
                    [f] {
                        f(fixed({2, 3}), fixed({4}));
                    },
                    "[4] do not broadcast",
                    positive ? 0 : -inf};
    };
    return {
        two("operator+", [](const V& a, const V& b) { return a + b; }),
        two("operator-", [](const V& a, const V& b) { return a - b; }),
        two("operator*", [](const V& a, const V& b) { return a * b; }),
        two(
            "operator/", [](const V& a, const V& b) { return a / b; }, true),
#define UNROLL_BINARY(name, ...)                                                                   \
    two(                                                                                           \
        #name, [](const V& a, const V& b) { return name(a, b); }, true),
#define UNROLL_CHOICE(name, ...) UNROLL_BINARY(name)
#include <unroll/ops/fuse/function_list.hpp>
        two("where",
            [](const V& a, const V& b) {
                return where(Mask({}, {true}), a * 2, b * 3) + where(Mask({}, {false}), a, b);
            }),
    };
}

} // namespace

std::vector<Spec> pointwise_specs() {
    std::vector<Spec> all = unary();
    for (auto part : {slopes(), binary()})
        for (Spec& spec : part) all.push_back(std::move(spec));
    return all;
}

} // namespace test
