// Values and first and second derivatives of the functions against 40-digit values, over the whole
// range of float and double: relative errors in units in the last place, also in the tails. Prints
// the table of docs/operations.md:
//   build/tests/unroll_tests -tc='functions keep their digits*' -s

#include "support.hpp"

#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/kernels/simd.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>

#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>

using namespace test;

namespace {

// Most ulp of value, first and second derivative, in float and double alike.
const std::map<std::string, std::array<double, 3>> bounds{
    {"exp", {2, 2, 2}},          {"expm1", {2, 2, 2}},       {"log", {2, 1, 3}},
    {"log1p", {2, 2, 3}},        {"sqrt", {0.5, 2, 5}},      {"square", {0.5, 0, 0}},
    {"reciprocal", {0.5, 3, 5}}, {"sin", {2, 2, 2}},         {"cos", {2, 2, 2}},
    {"erf", {3, 3, 5}},          {"erfc", {5, 3, 5}},        {"tanh", {4, 4, 6}},
    {"sigmoid", {3, 5, 6}},      {"log_sigmoid", {3, 3, 5}}, {"elu", {3, 2, 2}},
    {"silu", {5, 6, 8}},         {"softplus", {3, 3, 5}},    {"normal_pdf", {3, 5, 6}},
    {"normal_cdf", {6, 3, 5}},   {"gelu", {6, 6, 6}}};

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

struct Row {
    std::string x;
    std::array<std::string, 3> exact, scale;
};

std::map<std::string, std::vector<Row>> golden_rows() {
    std::ifstream in(std::string(UNROLL_GOLDEN_FOLDER) + "/functions.txt");
    std::map<std::string, std::vector<Row>> rows;
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::string name;
        Row row;
        words >> name >> row.x;
        for (auto& word : row.exact) words >> word;
        for (auto& word : row.scale) words >> word;
        REQUIRE(!words.fail());
        rows[name].push_back(row);
    }
    return rows;
}

// In ulp of `scale`; what is denormal counts as 0, and what overflows is not compared.
template <class T>
double error_in_ulp(T got, const std::string& exact_digits, const std::string& scale_digits) {
    using Limits = std::numeric_limits<T>;
    const long double exact = std::strtold(exact_digits.c_str(), nullptr);
    const long double scale =
        scale_digits == "=" ? std::abs(exact) : std::strtold(scale_digits.c_str(), nullptr);
    if (std::abs(exact) > 0.99L * Limits::max())
        return std::abs(got) > 0.98L * Limits::max() ? 0 : 1e99;
    if (std::isnan(got)) return 1e99;
    if (std::abs(exact) < 2.0L * Limits::min() && std::abs(got) < 2 * Limits::min()) return 0;
    const long double ulp = std::ldexp(1.0L, std::ilogb(scale) + 1 - Limits::digits);
    return static_cast<double>(std::abs(static_cast<long double>(got) - exact) / ulp);
}

struct Derivatives {
    template <class T>
    static std::array<Tensor<T>, 3> of(Function<T> f, const Tensor<T>& x) {
        Tape<T> plain;
        const auto v = plain.variable(x);
        plain.backward(sum(f(v)));
        Tape<T> tape;
        const auto w = tape.variable(x);
        const auto y = f(w);
        const auto first = gradients(sum(y), {w}, {.create_graph = true})[0];
        const auto second = gradients(sum(first), {w}, {.create_graph = true})[0];
        // Recorded or not, the derivative is the same function.
        return {y.value(), plain.gradient(v), second.value()};
    }
};

// The worst errors of a function.
template <class T>
std::array<double, 3> worst_errors(const std::string& name, const std::vector<Row>& rows) {
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
    std::array<double, 3> worst{};
    for (std::size_t i = 0; i < used.size(); ++i)
        for (std::size_t k = 0; k < 3; ++k) {
            const double error =
                error_in_ulp(got[k].data()[i], used[i]->exact[k], used[i]->scale[k]);
            CHECK_MESSAGE(error <= bounds.at(name)[k], name, ", derivative ", k, " at ", points[i],
                          ": ", got[k].data()[i], " for ", used[i]->exact[k]);
            worst[k] = std::max(worst[k], error);
        }
    return worst;
}

} // namespace

TEST_CASE("functions keep their digits, and so do their derivatives") {
    std::ostringstream table;
    table << "| function | float: f, f′, f″ | double: f, f′, f″ |\n|---|---|---|\n";
    table.precision(2);
    for (const auto& [name, rows] : golden_rows()) {
        const auto in_float = worst_errors<float>(name, rows);
        const auto in_double = worst_errors<double>(name, rows);
        table << "| `" << name << "`";
        for (const auto& worst : {in_float, in_double})
            table << " | " << worst[0] << ", " << worst[1] << ", " << worst[2];
        table << " |\n";
    }
    MESSAGE("in vectors of " << Lanes<float>::width << " floats:\n" << table.str());
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

TEST_CASE_TEMPLATE("functions: an element's result does not depend on its place", T, float,
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
