#include <unroll/core/base/error.hpp>
#include <unroll/core/tensor/random.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace unroll;

namespace {

using Counter = std::array<std::uint32_t, 4>;

struct Moments {
    double mean = 0, variance = 0, skew = 0, kurtosis = 0;
};

template <class T>
Moments moments_of(const std::vector<T>& x) {
    Moments m;
    const auto n = static_cast<double>(x.size());
    for (const T v : x) m.mean += v / n;
    for (const T v : x) {
        const double d = v - m.mean;
        m.variance += d * d / n;
        m.skew += d * d * d / n;
        m.kurtosis += d * d * d * d / n;
    }
    m.skew /= std::pow(m.variance, 1.5);
    m.kurtosis /= m.variance * m.variance;
    return m;
}

} // namespace

TEST_CASE("Philox4x32-10 gives the known answers of its authors' Random123") {
    CHECK(Random::philox({0, 0, 0, 0}, {0, 0}) ==
          Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    const std::uint32_t all = 0xffffffff;
    CHECK(Random::philox({all, all, all, all}, {all, all}) ==
          Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    CHECK(Random::philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                         {0xa4093822, 0x299f31d0}) ==
          Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("the numbers of a stream are the words of its counters") {
    const std::uint64_t seed = 0x123456789abcdef0, stream = 0xfedcba9876543210;
    Random random = Random::restore({seed, stream, 10});
    for (std::uint32_t counter = 5; counter < 8; ++counter) {
        const Counter words =
            Random::philox({counter, 0, 0x76543210, 0xfedcba98}, {0x9abcdef0, 0x12345678});
        CHECK(random.next() == (std::uint64_t{words[1]} << 32 | words[0]));
        CHECK(random.next() == (std::uint64_t{words[3]} << 32 | words[2]));
    }
    // The counter carries into its second word.
    Random far = Random::restore({7, 0, std::uint64_t{2} << 32});
    const Counter words = Random::philox({0, 1, 0, 0}, {7, 0});
    CHECK(far.next() == (std::uint64_t{words[1]} << 32 | words[0]));
}

TEST_CASE("a fill gives the same words as single draws") {
    for (const std::uint64_t start : {std::uint64_t{0}, (std::uint64_t{1} << 33) - 6}) {
        Random one = Random::restore({3, 9, start}), many = one;
        std::vector<double> filled(101);
        many.fill_uniform(filled.data(), filled.size(), 0.0, 1.0);
        for (const double v : filled) CHECK(v == one.uniform());
        Random words = Random::restore({3, 9, start}), floats = words;
        std::vector<float> small(100);
        floats.fill_uniform(small.data(), small.size(), 0.0f, 1.0f);
        for (std::size_t i = 0; i < small.size(); i += 2) {
            const std::uint64_t drawn = words.next();
            CHECK(small[i] == static_cast<float>((drawn & 0xffffffff) >> 8) * 0x1p-24f);
            CHECK(small[i + 1] == static_cast<float>(drawn >> 40) * 0x1p-24f);
        }
    }
}

TEST_CASE_TEMPLATE("the i-th value of a fill does not depend on the fill's length", T, float,
                   double) {
    const auto fill = [](int kind, std::size_t n) {
        std::vector<T> x(n + 1, T(77));
        Random random = Random(5).split(6);
        if (kind == 0) random.fill_uniform(x.data(), n, T(-2), T(3));
        if (kind == 1) random.fill_normal(x.data(), n, T(1), T(2));
        if (kind == 2) random.fill_bernoulli(x.data(), n, 0.5, T(2));
        CHECK(x.back() == T(77));
        x.pop_back();
        return x;
    };
    for (int kind = 0; kind < 3; ++kind) {
        const std::vector<T> longest = fill(kind, 200);
        for (const std::size_t n : {0u, 1u, 31u, 32u, 33u, 63u, 64u, 65u, 128u, 199u}) {
            const std::vector<T> x = fill(kind, n);
            CHECK(std::equal(x.begin(), x.end(), longest.begin()));
        }
    }
}

TEST_CASE("numbers drawn after a fill differ from those of the fill") {
    std::set<float> seen;
    Random random(8);
    for (int i = 0; i < 200; ++i) {
        float x = 0;
        random.fill_normal(&x, 1, 0.0f, 1.0f);
        seen.insert(x);
        random.next();
    }
    CHECK(seen.size() >= 199);
}

TEST_CASE("state: three integers restore the numbers") {
    Random random(42);
    random.next();
    std::vector<float> x(13);
    random.fill_uniform(x.data(), x.size(), 0.0f, 1.0f);
    const Random::State state = random.state();
    const std::uint64_t expected = random.next();
    CHECK(Random::restore({state.seed, state.stream, state.position}).next() == expected);
    CHECK(Random::restore(state).state() == state);
}

TEST_CASE("streams") {
    const Random root(1);
    SUBCASE("a stream is a function of its path, not of draws before") {
        Random drawn(1);
        drawn.next();
        CHECK(drawn.split(3).next() == root.split(3).next());
    }
    SUBCASE("no two of many give the same first numbers") {
        std::set<std::uint64_t> seen;
        for (std::uint64_t i = 0; i < 100; ++i) {
            Random child = root.split(i);
            seen.insert(child.next());
            for (std::uint64_t j = 0; j < 100; ++j) seen.insert(child.split(j).next());
            seen.insert(Random(i).next());
        }
        CHECK(seen.size() == 100 * 102);
    }
    SUBCASE("threads draw what one thread draws") {
        std::array<std::uint64_t, 4> together{};
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < together.size(); ++i)
            threads.emplace_back([&, i] { together[i] = root.split(i).next(); });
        for (auto& thread : threads) thread.join();
        for (std::size_t i = 0; i < together.size(); ++i)
            CHECK(together[i] == root.split(i).next());
    }
}

TEST_CASE_TEMPLATE("uniform numbers have the moments and the range", T, float, double) {
    std::vector<T> x(200'000);
    Random(11).fill_uniform(x.data(), x.size(), T(0), T(1));
    const Moments m = moments_of(x);
    CHECK(m.mean == doctest::Approx(0.5).epsilon(0.01));
    CHECK(m.variance == doctest::Approx(1.0 / 12).epsilon(0.01));
    CHECK(*std::min_element(x.begin(), x.end()) >= 0);
    CHECK(*std::max_element(x.begin(), x.end()) < 1);
    // Consecutive numbers, and numbers one lane apart, are uncorrelated.
    for (const std::size_t lag : {1u, 2u, 4u, 8u, 16u, 32u, 64u}) {
        double product = 0;
        for (std::size_t i = lag; i < x.size(); ++i) product += (x[i] - 0.5) * (x[i - lag] - 0.5);
        CHECK(std::abs(product / static_cast<double>(x.size()) * 12) < 0.012);
    }
}

TEST_CASE_TEMPLATE("normal numbers have the moments and the tails", T, float, double) {
    std::vector<T> x(400'000);
    Random(12).fill_normal(x.data(), x.size(), T(3), T(2));
    const Moments m = moments_of(x);
    CHECK(std::abs(m.mean - 3) < 0.02);
    CHECK(std::abs(m.variance - 4) < 0.05);
    CHECK(std::abs(m.skew) < 0.02);
    CHECK(std::abs(m.kurtosis - 3) < 0.05);
    const auto beyond = std::count_if(x.begin(), x.end(), [](T v) { return std::abs(v - 3) > 6; });
    CHECK(static_cast<double>(beyond) / static_cast<double>(x.size()) ==
          doctest::Approx(0.0027).epsilon(0.15));
    CHECK(std::all_of(x.begin(), x.end(), [](T v) { return std::isfinite(v); }));
    std::vector<T> singles(100'000);
    Random random(13);
    for (T& v : singles) v = static_cast<T>(random.normal());
    CHECK(std::abs(moments_of(singles).mean) < 0.02);
    CHECK(std::abs(moments_of(singles).variance - 1) < 0.03);
}

TEST_CASE("bernoulli: a mask of the value and 0") {
    std::vector<float> x(100'000);
    Random random(14);
    random.fill_bernoulli(x.data(), x.size(), 0.9, 1 / 0.9f);
    const auto kept = std::count(x.begin(), x.end(), 1 / 0.9f);
    CHECK(kept + std::count(x.begin(), x.end(), 0.0f) == 100'000);
    CHECK(std::abs(static_cast<double>(kept) / 1e5 - 0.9) < 0.005);
    random.fill_bernoulli(x.data(), x.size(), 0.0, 3.0f);
    CHECK(std::count(x.begin(), x.end(), 0.0f) == 100'000);
    random.fill_bernoulli(x.data(), x.size(), 1.0, 3.0f);
    CHECK(std::count(x.begin(), x.end(), 3.0f) == 100'000);
    CHECK_THROWS_AS(random.fill_bernoulli(x.data(), 1, -0.1, 1.0f), Error);
    CHECK_THROWS_AS(random.fill_bernoulli(x.data(), 1, 1.1, 1.0f), Error);
    CHECK_THROWS_AS(random.fill_bernoulli(x.data(), 1, std::nan(""), 1.0f), Error);
}

TEST_CASE("below and permutation") {
    Random random(15);
    CHECK_THROWS_AS(random.below(0), Error);
    CHECK(random.below(1) == 0);
    std::array<int, 6> counts{};
    for (int i = 0; i < 60'000; ++i) ++counts[random.below(6)];
    for (const int n : counts) CHECK(std::abs(n - 10'000) < 400);
    // A remainder alone would favour the lower third.
    const std::size_t huge = std::size_t{3} << 62;
    int low = 0;
    for (int i = 0; i < 10'000; ++i) low += random.below(huge) < huge / 3;
    CHECK(std::abs(low - 3333) < 200);

    CHECK(random.permutation(0).empty());
    std::vector<std::size_t> order = random.permutation(1000);
    CHECK(order != random.permutation(1000));
    std::sort(order.begin(), order.end());
    for (std::size_t i = 0; i < order.size(); ++i) CHECK(order[i] == i);
    std::array<int, 6> orders{};
    for (int i = 0; i < 12'000; ++i) {
        const auto p = random.permutation(3);
        ++orders[p[0] * 2 + (p[1] > p[2])];
    }
    for (const int n : orders) CHECK(std::abs(n - 2000) < 250);
}
