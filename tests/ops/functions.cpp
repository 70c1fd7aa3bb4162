// How far the vectorised functions are from the true values, in units in the last place, over the
// whole range of their arguments. Denormal results count as 0.

#include <unroll/ops/fuse/functions.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#if defined(__SSE2__)
#include <pmmintrin.h>
#endif

#include <doctest/doctest.h>

using namespace unroll;

namespace {

template <class T>
using Exact = std::conditional_t<std::same_as<T, float>, double, long double>;

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
    // Most of the bits make very small and very large numbers; these are where functions bend.
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
            const Exact<T> exact = reference(static_cast<Exact<T>>(x[i + w]));
            const T rounded = static_cast<T>(exact);
            INFO("at ", x[i + w], ": ", got[w], " for ", rounded);
            if (std::isnan(rounded) || std::isinf(rounded)) {
                CHECK_MESSAGE((std::isnan(rounded) ? std::isnan(got[w]) : got[w] == rounded),
                              "special");
                continue;
            }
            REQUIRE_FALSE(std::isnan(got[w]));
            if (std::abs(exact) < 2.4e-38 && std::abs(got[w]) < 2.4e-38) continue;
            const Exact<T> ulp =
                std::ldexp(Exact<T>(1), std::ilogb(exact) + 1 - std::numeric_limits<T>::digits);
            worst = std::max(worst, static_cast<double>(std::abs(got[w] - exact) / ulp));
        }
    }
    return worst;
}

constexpr double all = std::numeric_limits<double>::infinity();

struct Bound {
    const char* name;
    double in_float, in_double;
};

template <class F, class R>
void check(const Bound& bound, const F& f, const R& reference, double low = -all,
           double high = all) {
    const double in_float = worst_ulp<float>(f, reference, low, high);
    const double in_double = worst_ulp<double>(f, reference, low, high);
    MESSAGE(std::string(bound.name)
            << ": worst " << in_float << " ulp in float, " << in_double << " in double");
    CHECK(in_float <= bound.in_float);
    CHECK(in_double <= bound.in_double);
}

} // namespace

TEST_CASE("functions are within a few units in the last place of the true values") {
    check(
        {"exp", 2, 2}, [](auto x) { return exp(x); }, [](auto x) { return std::exp(x); });
    check(
        {"expm1", 4, 4}, [](auto x) { return expm1(x); }, [](auto x) { return std::expm1(x); });
    check(
        {"log", 2, 2}, [](auto x) { return log(x); }, [](auto x) { return std::log(x); }, 0);
    check(
        {"log1p", 2, 2}, [](auto x) { return log1p(x); }, [](auto x) { return std::log1p(x); }, -1);
    check(
        {"sqrt", 0.5, 0.5}, [](auto x) { return sqrt(x); }, [](auto x) { return std::sqrt(x); }, 0);
    check(
        {"sin", 4, 4}, [](auto x) { return sin(x); }, [](auto x) { return std::sin(x); }, -1e4,
        1e4);
    check(
        {"cos", 4, 4}, [](auto x) { return cos(x); }, [](auto x) { return std::cos(x); }, -1e4,
        1e4);
    check(
        {"erf", 4, 4}, [](auto x) { return erf(x); }, [](auto x) { return std::erf(x); });
    check(
        {"tanh", 4, 4}, [](auto x) { return tanh(x); }, [](auto x) { return std::tanh(x); });
    check(
        {"sigmoid", 4, 4}, [](auto x) { return sigmoid(x); },
        [](auto x) { return 1 / (1 + std::exp(-x)); }, -85);
    check(
        {"softplus", 4, 4}, [](auto x) { return softplus(x); },
        [](auto x) { return std::max(x, decltype(x)(0)) + std::log1p(std::exp(-std::abs(x))); },
        -85);
    check(
        {"elu", 4, 4}, [](auto x) { return elu(x); },
        [](auto x) { return x > 0 ? x : std::expm1(x); });
    check(
        {"silu", 4, 4}, [](auto x) { return silu(x); },
        [](auto x) { return x / (1 + std::exp(-x)); }, -80, 1e30);
    // Far out in its tail gelu is tiny, and the rounding of x / sqrt(2) alone costs x^2 ulp.
    check(
        {"gelu", 300, 300}, [](auto x) { return gelu(x); },
        [](auto x) { return x / 2 * std::erfc(-x * std::numbers::sqrt2_v<decltype(x)> / 2); }, -12,
        1e30);
}

#if defined(__SSE2__)
TEST_CASE_TEMPLATE("the logarithm of denormals, where they are not flushed", T, float, double) {
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before & ~(_MM_FLUSH_ZERO_MASK | _MM_DENORMALS_ZERO_MASK));
    constexpr T smallest = std::numeric_limits<T>::denorm_min();
    // Next to numbers of any size, since a vector with a denormal is handled in its own way.
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
