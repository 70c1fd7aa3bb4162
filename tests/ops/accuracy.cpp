// Values and first and second derivatives of the functions, as operations, against 40-digit values
// over the whole range of float and double: relative errors in units in the last place, also in the
// tails.

#include "ops/accuracy.hpp"
#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/kernels/simd.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <limits>
#include <numbers>

using namespace test;

namespace {

template <class T>
using Function = Variable<T> (*)(const Variable<T>&);

template <class T>
Function<T> function_named(const std::string& name) {
#define UNROLL_UNARY(function, ...)                                                                \
    if (name == #function) return [](const Variable<T>& x) { return function(x); };
#define UNROLL_UNARY_WITH(function, ...) UNROLL_UNARY(function)
#include <unroll/ops/fuse/function_list.hpp>
    FAIL("no function ", name);
    return nullptr;
}

struct Derivatives {
    template <class T>
    static std::array<Tensor<T>, 3> of(Function<T> f, const Tensor<T>& x) {
        Tape<T> plain;
        const auto v = plain.variable(x);
        plain.backward(sum(f(v)), {.allow_non_finite = true});
        Tape<T> tape;
        const auto w = tape.variable(x);
        const auto y = f(w);
        const auto first = gradients(sum(y), {w}, {.create_graph = true})[0];
        const auto second = gradients(sum(first), {w}, {.create_graph = true})[0];
        // The derivative is the same function whether recorded or not.
        return {y.value(), plain.gradient(v), second.value()};
    }
};

template <class T>
void check_errors(const std::string& name, const std::vector<Row>& rows) {
    std::vector<T> points;
    std::vector<const Row*> used;
    for (const Row& row : rows) {
        const double x = std::strtod(row.x.c_str(), nullptr);
        if (static_cast<double>(static_cast<T>(x)) != x) continue;
        points.push_back(static_cast<T>(x));
        used.push_back(&row);
    }
    Tensor<T> x(Shape{points.size()});
    std::copy(points.begin(), points.end(), x.data());
    const auto got = Derivatives::of<T>(function_named<T>(name), x);
    for (std::size_t i = 0; i < used.size(); ++i)
        for (std::size_t k = 0; k < 3; ++k) {
            const double error =
                error_in_ulp(got[k].data()[i], used[i]->exact[k], used[i]->scale[k]);
            CHECK_MESSAGE(error <= bounds.at(name)[k], name, ", derivative ", k, " at ", points[i],
                          ": ", got[k].data()[i], " for ", used[i]->exact[k]);
        }
}

} // namespace

TEST_CASE_TEMPLATE("functions and their derivatives are accurate", T, float, double) {
    for (const auto& [name, rows] : golden_rows()) check_errors<T>(name, rows);
}

TEST_CASE_TEMPLATE("functions: limits at infinity, to the second derivative", T, float, double) {
    constexpr T inf = std::numeric_limits<T>::infinity();
    const T none = std::numeric_limits<T>::quiet_NaN();
    struct Limits {
        const char* name;
        std::array<T, 3> below, above;
    };
    const std::vector<Limits> all{{"exp", {0, 0, 0}, {inf, inf, inf}},
                                  {"expm1", {-1, 0, 0}, {inf, inf, inf}},
                                  {"tanh", {-1, 0, 0}, {1, 0, 0}},
                                  {"sigmoid", {0, 0, 0}, {1, 0, 0}},
                                  {"log_sigmoid", {-inf, 1, 0}, {0, 0, 0}},
                                  {"softplus", {0, 0, 0}, {inf, 1, 0}},
                                  {"silu", {0, 0, 0}, {inf, 1, 0}},
                                  {"gelu", {0, 0, 0}, {inf, 1, 0}},
                                  {"elu", {-1, 0, 0}, {inf, 1, 0}},
                                  {"relu", {0, 0, 0}, {inf, 1, 0}},
                                  {"erf", {-1, 0, 0}, {1, 0, 0}},
                                  {"erfc", {2, 0, 0}, {0, 0, 0}},
                                  {"normal_cdf", {0, 0, 0}, {1, 0, 0}},
                                  {"normal_pdf", {0, 0, 0}, {0, 0, 0}},
                                  {"atan",
                                   {static_cast<T>(-std::numbers::pi / 2), 0, 0},
                                   {static_cast<T>(std::numbers::pi / 2), 0, 0}},
                                  {"sinh", {-inf, inf, -inf}, {inf, inf, inf}},
                                  {"cosh", {inf, -inf, inf}, {inf, inf, inf}},
                                  {"asinh", {-inf, 0, 0}, {inf, 0, 0}},
                                  {"exp2", {0, 0, 0}, {inf, inf, inf}},
                                  {"mish", {0, 0, 0}, {inf, 1, 0}},
                                  {"hardtanh", {-1, 0, 0}, {1, 0, 0}},
                                  {"floor", {-inf, 0, 0}, {inf, 0, 0}},
                                  {"round", {-inf, 0, 0}, {inf, 0, 0}}};
    for (const auto& row : all) {
        CAPTURE(row.name);
        const auto got =
            Derivatives::of<T>(function_named<T>(row.name), Tensor<T>({3}, {-inf, inf, none}));
        for (std::size_t k = 0; k < 3; ++k) {
            CAPTURE(k);
            CHECK(got[k](0) == row.below[k]);
            CHECK(got[k](1) == row.above[k]);
        }
        CHECK(std::isnan(got[0](2)));
    }
}

TEST_CASE_TEMPLATE("functions: the result for an element does not depend on its position", T, float,
                   double) {
    const std::size_t most = 2 * Lanes<T>::width + 1;
    Tensor<T> x(Shape{most});
    for (std::size_t i = 0; i < most; ++i)
        x.data()[i] = static_cast<T>(std::ldexp(1 + 0.1 * static_cast<double>(i),
                                                static_cast<int>(i % 7) - 3)) *
                      (i % 2 == 0 ? 1 : -1);
#define UNROLL_UNARY(name, ...)                                                                    \
    {                                                                                              \
        CAPTURE(#name);                                                                            \
        const auto whole = Derivatives::of<T>(function_named<T>(#name), x);                        \
        for (std::size_t n = 1; n < most; ++n) {                                                   \
            const auto part = Derivatives::of<T>(function_named<T>(#name), x.slice(0, 0, n));      \
            for (std::size_t k = 0; k < 3; ++k) {                                                  \
                const T a = part[k](n - 1), b = whole[k](n - 1);                                   \
                CHECK((a == b || (std::isnan(a) && std::isnan(b))));                               \
            }                                                                                      \
        }                                                                                          \
    }
#include <unroll/ops/fuse/function_list.hpp>
}

TEST_CASE_TEMPLATE("hypot, atan2 and logaddexp: values, extremes and derivatives", T, float,
                   double) {
    constexpr T inf = std::numeric_limits<T>::infinity();
    const auto large = static_cast<T>(sizeof(T) == 4 ? 1e38 : 1e308);
    // Value and both derivatives.
    const auto all = [](auto f, T a, T b) {
        Tape<T> tape;
        const auto x = tape.variable(Tensor<T>({1}, {a})), y = tape.variable(Tensor<T>({1}, {b}));
        const auto z = f(x, y);
        tape.backward(sum(z), {.allow_non_finite = true});
        return std::array<T, 3>{z.value()(0), tape.gradient(x)(0), tape.gradient(y)(0)};
    };
    const auto hypot_of = [](const auto& a, const auto& b) { return hypot(a, b); };
    const auto atan2_of = [](const auto& a, const auto& b) { return atan2(a, b); };
    const auto sum_of = [](const auto& a, const auto& b) { return logaddexp(a, b); };
    using Three = std::array<T, 3>;
    CHECK(all(hypot_of, 3, -4) == Three{5, T(0.6), T(-0.8)});
    CHECK(all(hypot_of, 0, 0) == Three{0, 0, 0});
    CHECK(all(hypot_of, -inf, 1) == Three{inf, -1, 0});
    CHECK(all(hypot_of, large, 0) == Three{large, 1, 0});
    CHECK(all(hypot_of, 100 / large, 0)[1] == doctest::Approx(1));

    CHECK(all(atan2_of, 0, 0) == Three{0, 0, 0});
    CHECK(all(atan2_of, 0, -1)[0] == static_cast<T>(std::numbers::pi));
    CHECK(all(atan2_of, 1, 2)[1] == doctest::Approx(0.4));
    CHECK(all(atan2_of, 1, 2)[2] == doctest::Approx(-0.2));
    CHECK(all(atan2_of, large, large)[0] == static_cast<T>(std::numbers::pi / 4));

    CHECK(all(sum_of, 0, 0) == Three{static_cast<T>(std::numbers::ln2), T(0.5), T(0.5)});
    CHECK(all(sum_of, 1000, 0) == Three{1000, 1, 0});
    CHECK(all(sum_of, -inf, 2) == Three{2, 0, 1});
    CHECK(all(sum_of, -inf, -inf) == Three{-inf, 0, 0});
    CHECK(all(sum_of, inf, 1) == Three{inf, 1, 0});
    CHECK(all(sum_of, -1000, -1001)[0] == doctest::Approx(-1000 + std::log1p(std::exp(-1.0))));
    CHECK(std::isnan(all(sum_of, std::numeric_limits<T>::quiet_NaN(), 1)[0]));
    CHECK(all(atan2_of, 1, inf) == Three{0, 0, 0});
    CHECK(all(atan2_of, -inf, 1) == Three{static_cast<T>(-std::numbers::pi / 2), 0, 0});
    // The second derivative b^2 / r^3 of hypot by a, and -2 a b / r^4 of atan2.
    const auto second = [](auto f, T a, T b) {
        Tape<T> tape;
        const auto x = tape.variable(Tensor<T>({1}, {a}));
        const auto first =
            gradients(sum(f(x, Variable<T>(Tensor<T>({1}, {b})))), {x}, {.create_graph = true});
        return gradients(sum(first[0]), {x}, {.create_graph = true})[0].item();
    };
    for (const T b : {T(1e-2), T(1e-4), T(1e-9), T(0.5), T(2), T(1e4)}) {
        const double r = std::hypot(1.0, static_cast<double>(b)), c = static_cast<double>(b);
        CHECK(second(hypot_of, 1, b) == doctest::Approx(c / r * c / r / r).epsilon(1e-5));
        CHECK(second(atan2_of, 1, b) == doctest::Approx(-2 * c / r / r / r / r).epsilon(1e-5));
    }
    CHECK(second(atan2_of, 0, T(1e-20)) == 0);
    CHECK(second(hypot_of, 1, T(1e-9)) == doctest::Approx(1e-18).epsilon(1e-5));

    for (int i = -20; i <= 20; ++i)
        for (int j = -20; j <= 20; ++j) {
            const T a = static_cast<T>(i) * T(0.7), b = static_cast<T>(j) * T(0.3);
            const auto exact = std::log(std::exp(static_cast<long double>(a)) +
                                        std::exp(static_cast<long double>(b)));
            CHECK(std::abs(static_cast<double>(all(sum_of, a, b)[0] - exact)) <
                  4 * std::numeric_limits<T>::epsilon() * std::max(1.0L, std::abs(exact)));
            CHECK(all(hypot_of, a, b)[0] == std::hypot(a, b));
            CHECK(all(atan2_of, a, b)[0] == std::atan2(a, b));
        }
}

TEST_CASE("polygamma: orders that are not whole, poles and negative arguments") {
    const auto at = [](double x, double p) {
        return polygamma(Tensor<double>({1}, {x}), p).item();
    };
    CHECK(std::isnan(at(1, 0.5)));
    CHECK(std::isnan(at(1, -1)));
    CHECK(at(0, 0) == -std::numeric_limits<double>::infinity());
    CHECK(at(0, 1) == std::numeric_limits<double>::infinity());
    CHECK(std::isfinite(at(1.5, 101)));
    CHECK(std::isnan(at(-3, 0)));
    CHECK(at(-0.5, 0) == doctest::Approx(0.03648997397857652).epsilon(1e-14));
    CHECK(at(-3.3, 1) == doctest::Approx(15.0).epsilon(1));
    CHECK(at(1, 1) == doctest::Approx(std::numbers::pi * std::numbers::pi / 6).epsilon(1e-15));
}
