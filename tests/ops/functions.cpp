// The functions of ops/fuse/function_list.hpp: errors of the vectorised forms in units in the last
// place, over the whole range of their arguments; and the table of docs/operations.md. Denormal
// results count as 0.

#include <unroll/ops/fuse/functions.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#if defined(__SSE2__)
#include <pmmintrin.h>
#endif

#include <doctest/doctest.h>

#include <golden.hpp>

using namespace unroll;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

struct Domain {
    double low, high;
};
struct Ulp {
    double in_float, in_double;
};

// Arguments over all exponents, both signs, and the special ones.
template <class T>
std::vector<T> arguments(T low, T high) {
    std::vector<T> all{low, high, T(0), T(-0.0), T(1), T(-1)};
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    const Bits step = sizeof(T) == 4 ? Bits(4999) : Bits(0x0000'1234'5678'9abd);
    Bits bits = 0;
    do {
        const T x = std::bit_cast<T>(bits);
        if (std::isnormal(x)) all.push_back(x);
        bits += step;
    } while (bits >= step);
    // Random bits are mostly very small and very large numbers; these are near the features of the
    // functions.
    for (T x = -20; x < 20; x += T(0.00317)) all.push_back(x);
    std::erase_if(all, [&](T x) { return !(x >= low && x <= high); });
    all.resize(all.size() / Lanes<T>::width * Lanes<T>::width);
    return all;
}

template <class T, class F, class R>
double worst_ulp(const F& f, const R& reference, double low, double high) {
    constexpr std::size_t W = Lanes<T>::width;
    const std::vector<T> x = arguments<T>(static_cast<T>(low), static_cast<T>(high));
    double worst = 0;
    std::array<T, W> got;
    for (std::size_t i = 0; i < x.size(); i += W) {
        f(Lanes<T>::load(x.data() + i)).store(got.data());
        for (std::size_t w = 0; w < W; ++w) {
            const long double exact = reference(static_cast<long double>(x[i + w]));
            const T rounded = static_cast<T>(exact);
            if (!std::isfinite(rounded) || std::isnan(got[w])) {
                const bool same = std::isnan(rounded) ? std::isnan(got[w]) : got[w] == rounded;
                CHECK_MESSAGE(same, "at ", x[i + w], ": ", got[w], " for ", rounded);
                continue;
            }
            constexpr T denormal = 2 * std::numeric_limits<T>::min();
            if (std::abs(exact) < denormal && std::abs(got[w]) < denormal) continue;
            const long double ulp =
                std::ldexp(1.0L, std::ilogb(exact) + 1 - std::numeric_limits<T>::digits);
            worst = std::max(worst, static_cast<double>(std::abs(got[w] - exact) / ulp));
        }
    }
    return worst;
}

template <class F, class R>
void check(const char* name, const F& f, const R& exact, Domain domain, Ulp ulp) {
    const double in_float = worst_ulp<float>(f, exact, domain.low, domain.high);
    const double in_double = worst_ulp<double>(f, exact, domain.low, domain.high);
    MESSAGE(std::string(name) << ": worst " << in_float << " ulp in float, " << in_double
                              << " in double");
    CHECK(in_float <= ulp.in_float);
    CHECK(in_double <= ulp.in_double);
}

std::string number(double x) {
    std::ostringstream out;
    out << std::abs(x);
    return (x < 0 ? "−" : "") + (std::isinf(x) ? "∞" : out.str());
}

// The row of a function in docs/operations.md.
std::string row(const std::string& call, const std::string& meaning) {
    return "| `" + call + "` | " + meaning + " | | |";
}
std::string row(const std::string& call, const std::string& meaning, Domain domain, Ulp ulp) {
    return "| `" + call + "` | " + meaning + " | " + number(domain.low) + " to " +
           number(domain.high) + " | " + number(ulp.in_float) + ", " + number(ulp.in_double) + " |";
}

} // namespace

TEST_CASE("functions have the accuracy that the list gives") {
#define UNROLL_UNARY(name, meaning, notation, value, derivative, exact, domain, ulp)               \
    check(                                                                                         \
        #name, [](auto x) { return name(x); }, [](long double x) -> long double { return exact; }, \
        Domain domain, Ulp ulp);
#define UNROLL_UNARY_WITH(name, meaning, notation, constant, value, derivative, exact, domain,     \
                          ulp)                                                                     \
    check(                                                                                         \
        #name, [](auto x) { return name(x); },                                                     \
        [](long double x) -> long double {                                                         \
            const long double p = constant;                                                        \
            return exact;                                                                          \
        },                                                                                         \
        Domain domain, Ulp ulp);
#include <unroll/ops/fuse/function_list.hpp>
}

TEST_CASE("docs/operations.md contains every function of the list") {
    std::vector<std::string> rows;
#define UNROLL_UNARY(name, meaning, notation, value, derivative, exact, domain, ulp)               \
    rows.push_back(row(#name "(x)", meaning, Domain domain, Ulp ulp));
#define UNROLL_UNARY_WITH(name, meaning, notation, constant, value, derivative, exact, domain,     \
                          ulp)                                                                     \
    rows.push_back(row(#name "(x, p = " #constant ")", meaning, Domain domain, Ulp ulp));
#define UNROLL_BINARY(name, meaning, ...) rows.push_back(row(#name "(a, b)", meaning));
#define UNROLL_CHOICE(name, meaning, ...) rows.push_back(row(#name "(a, b)", meaning));
#include <unroll/ops/fuse/function_list.hpp>
    std::ifstream in(std::string(test::golden_folder) + "/../../docs/operations.md");
    std::stringstream page;
    page << in.rdbuf();
    for (const std::string& row : rows)
        CHECK_MESSAGE(page.str().find(row + "\n") != std::string::npos, "missing:\n" << row);
}

#if defined(__SSE2__)
TEST_CASE_TEMPLATE("the logarithm of denormals, if they are not flushed", T, float, double) {
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before & ~(_MM_FLUSH_ZERO_MASK | _MM_DENORMALS_ZERO_MASK));
    constexpr T smallest = std::numeric_limits<T>::denorm_min();
    // Next to numbers of any magnitude, since a vector with a denormal is handled differently.
    for (const T x : {smallest, 3 * smallest, 1000 * smallest, std::numeric_limits<T>::min() / 3,
                      std::numeric_limits<T>::min(), T(0), T(1), T(1e10), T(-1),
                      std::numeric_limits<T>::infinity()}) {
        std::array<T, Lanes<T>::width> numbers, got;
        numbers.fill(smallest);
        numbers[0] = x;
        log(Lanes<T>::load(numbers.data())).store(got.data());
        const T expected = std::log(x);
        CAPTURE(x);
        if (std::isnan(expected))
            CHECK(std::isnan(got[0]));
        else if (std::isinf(expected))
            CHECK(got[0] == expected);
        else
            CHECK(std::abs(got[0] - expected) <=
                  2 * std::numeric_limits<T>::epsilon() * std::abs(expected));
        CHECK(got[1] == doctest::Approx(std::log(smallest)));
    }
    _mm_setcsr(before);
}
#endif

TEST_CASE("plain numbers and lanes agree") {
    const auto both = [](const auto& f) {
        for (double x = -6; x < 6; x += 0.37) {
            const Lanes<double> lanes = f(Lanes<double>(x));
            std::array<double, Lanes<double>::width> got;
            lanes.store(got.data());
            CHECK(got[0] == doctest::Approx(f(x)).epsilon(1e-13));
        }
    };
    both([](auto x) { return tanh(x) + sigmoid(x) * softplus(x); });
    both([](auto x) { return relu(x) - leaky_relu(x) + elu(x) + silu(x) + gelu(x); });
    both(
        [](auto x) { return clamp(x, -1, 2) + sign(x) * abs(x) + square(x) + reciprocal(x + 10); });
    both([](auto x) { return pow(abs(x), decltype(x)(1.5)) + minimum(x, -x) - maximum(x, -x); });
}
