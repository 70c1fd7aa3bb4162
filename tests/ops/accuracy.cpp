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
    const std::vector<Limits> all{
        {"exp", {0, 0, 0}, {inf, inf, inf}},      {"expm1", {-1, 0, 0}, {inf, inf, inf}},
        {"tanh", {-1, 0, 0}, {1, 0, 0}},          {"sigmoid", {0, 0, 0}, {1, 0, 0}},
        {"log_sigmoid", {-inf, 1, 0}, {0, 0, 0}}, {"softplus", {0, 0, 0}, {inf, 1, 0}},
        {"silu", {0, 0, 0}, {inf, 1, 0}},         {"gelu", {0, 0, 0}, {inf, 1, 0}},
        {"elu", {-1, 0, 0}, {inf, 1, 0}},         {"relu", {0, 0, 0}, {inf, 1, 0}},
        {"erf", {-1, 0, 0}, {1, 0, 0}},           {"erfc", {2, 0, 0}, {0, 0, 0}},
        {"normal_cdf", {0, 0, 0}, {1, 0, 0}},     {"normal_pdf", {0, 0, 0}, {0, 0, 0}}};
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
