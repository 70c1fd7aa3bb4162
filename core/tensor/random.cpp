#include <unroll/core/base/scope.hpp>
#include <unroll/core/base/xsimd.hpp>
#include <unroll/core/tensor/random.hpp>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstring>
#include <numbers>
#include <numeric>

#include <fmt/format.h>

// Internal linkage: the vector ABI warning does not apply.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace unroll {

namespace {

constexpr std::uint64_t word = 0xFFFFFFFFu;

// Four 64-bit lanes, each with one generator word in its lower half.
typedef std::uint64_t Wide __attribute__((vector_size(32)));

// Products of the lower halves.
Wide multiply_words(Wide a, std::uint32_t b) {
    const Wide all = b + Wide{};
#if defined(__AVX2__)
    return (Wide)_mm256_mul_epu32((__m256i)a, (__m256i)all);
#else
    return (a & word) * all;
#endif
}
std::uint64_t multiply_words(std::uint64_t a, std::uint32_t b) { return (a & word) * b; }

// Four words of a counter, or of several counters in the lanes of N. Upper halves are unspecified.
template <class N>
struct Philox {
    N x0, x1, x2, x3;

    // The two 64-bit numbers of a counter.
    N first() const { return x1 << 32 | (x0 & word); }
    N second() const { return x3 << 32 | (x2 & word); }
};

// Runs several counters through the rounds together to keep the multipliers busy.
template <class N, std::size_t n>
void mix(std::array<Philox<N>, n>& counters, std::uint64_t key) {
    auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
#pragma GCC unroll 4
        for (auto& [x0, x1, x2, x3] : counters) {
            const N p0 = multiply_words(x0, 0xD2511F53u), p1 = multiply_words(x2, 0xCD9E8D57u);
            x0 = p1 >> 32 ^ x1 ^ k0;
            x2 = p0 >> 32 ^ x3 ^ k1;
            x1 = p1;
            x3 = p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

using OneCounter = Philox<std::uint64_t>;

OneCounter one_counter(const Random::State& state, std::uint64_t counter) {
    std::array<OneCounter, 1> one{{{counter, counter >> 32, state.stream, state.stream >> 32}}};
    mix(one, state.seed);
    return one[0];
}

// The numbers that a fill generates at once.
struct Chunk {
    static constexpr std::size_t sets = 4, numbers = 2 * 4 * sets;
    alignas(64) std::array<std::uint64_t, numbers> drawn;

    Chunk(const Random::State& state, std::uint64_t counter) {
        std::array<Philox<Wide>, sets> counters;
        for (std::size_t s = 0; s < sets; ++s) {
            const Wide count = counter + 4 * s + Wide{0, 1, 2, 3};
            const Wide stream = state.stream + Wide{};
            counters[s] = {count, count >> 32, stream, stream >> 32};
        }
        mix(counters, state.seed);
        for (std::size_t s = 0; s < sets; ++s) {
            const Wide a = counters[s].first(), b = counters[s].second();
            const Wide low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
            const Wide high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
            std::memcpy(&drawn[8 * s], &low, sizeof(low));
            std::memcpy(&drawn[8 * s + 4], &high, sizeof(high));
        }
    }
};

double to_unit(std::uint64_t bits) {
    return std::bit_cast<double>(bits >> 12 | std::uint64_t{0x3FF} << 52) - 1.0;
}

// The numbers that a chunk holds for T: all 64 bits of each for a double, two for floats.
template <class T>
using Bits = std::conditional_t<std::same_as<T, double>, std::uint64_t, std::uint32_t>;
template <class B>
using Drawn = std::array<B, sizeof(Chunk::drawn) / sizeof(B)>;

template <class T, std::size_t n>
std::array<T, n> to_units(const std::array<Bits<T>, n>& bits) {
    std::array<T, n> units;
    for (std::size_t i = 0; i < n; ++i) {
        if constexpr (std::same_as<T, double>)
            units[i] = to_unit(bits[i]);
        else
            units[i] = static_cast<float>(static_cast<std::int32_t>(bits[i] >> 8)) * 0x1p-24f;
    }
    return units;
}

// Numbers in (0, 1] with finer resolution near 0 than to_units, for the tails.
template <class T, std::size_t n>
std::array<T, n> to_tails(const std::array<Bits<T>, n>& bits) {
    std::array<T, n> tails;
    for (std::size_t i = 0; i < n; ++i) {
        if constexpr (std::same_as<T, double>)
            tails[i] = 1.0 - to_unit(bits[i]);
        else
            tails[i] =
                (static_cast<float>(static_cast<std::int32_t>(bits[i] >> 1)) + 0.5f) * 0x1p-31f;
    }
    return tails;
}

} // namespace

std::array<std::uint32_t, 4> Random::philox(std::array<std::uint32_t, 4> counter,
                                            std::array<std::uint32_t, 2> key) {
    std::array<OneCounter, 1> one{{{counter[0], counter[1], counter[2], counter[3]}}};
    mix(one, std::uint64_t{key[1]} << 32 | key[0]);
    const auto& [x0, x1, x2, x3] = one[0];
    return {static_cast<std::uint32_t>(x0), static_cast<std::uint32_t>(x1),
            static_cast<std::uint32_t>(x2), static_cast<std::uint32_t>(x3)};
}

Random Random::split(std::uint64_t index) const {
    // With a different key than the numbers themselves.
    const State mixing{state_.seed ^ 0x5BD1E9955BD1E995u, state_.stream, 0};
    return restore({state_.seed, one_counter(mixing, index).first(), 0});
}

std::uint64_t Random::next() {
    const OneCounter words = one_counter(state_, state_.position >> 1);
    return (state_.position++ & 1) != 0 ? words.second() : words.first();
}

double Random::uniform() { return to_unit(next()); }

double Random::normal() {
    const double u = 1.0 - uniform(), v = uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

std::size_t Random::below(std::size_t n, Where where) {
    if (n == 0) {
        const Called here(where);
        fail("Random::below", "the range [0, 0) is empty; expected n of at least 1");
    }
    const std::uint64_t last = ~std::uint64_t{0} - (~std::uint64_t{0} % n + 1) % n;
    std::uint64_t drawn = next();
    while (drawn > last) drawn = next();
    return drawn % n;
}

// `map` converts the bits of a chunk to numbers.
template <class T, class Map>
void Random::fill(T* to, std::size_t n, Map map) {
    using B = typename Map::Bits;
    state_.position += state_.position & 1;
    for (std::size_t begin = 0; begin < n;) {
        const Chunk chunk(state_, state_.position >> 1);
        const auto numbers = map(std::bit_cast<Drawn<B>>(chunk.drawn));
        const std::size_t count = std::min(numbers.size(), n - begin);
        // A constant length if possible.
        if (count == numbers.size())
            std::copy_n(numbers.begin(), numbers.size(), to + begin);
        else
            std::copy_n(numbers.begin(), count, to + begin);
        state_.position += Chunk::numbers;
        begin += count;
    }
}

namespace {

template <class T>
struct Uniform {
    using Bits = unroll::Bits<T>;
    T low, range;

    auto operator()(const Drawn<Bits>& bits) const {
        auto numbers = to_units<T>(bits);
        for (T& x : numbers) x = low + range * x;
        return numbers;
    }
};

// Box and Muller: a distance from the first half of the bits, an angle from the second.
template <class T>
struct Normal {
    using Bits = unroll::Bits<T>;
    T mean, deviation;

    auto operator()(const Drawn<Bits>& bits) const {
        using Batch = xsimd::batch<T>;
        const auto tails = to_tails<T>(bits);
        const auto angles = to_units<T>(bits);
        std::array<T, Drawn<Bits>().size()> numbers;
        constexpr std::size_t half = numbers.size() / 2;
        static_assert(half % Batch::size == 0);
        for (std::size_t i = 0; i < half; i += Batch::size) {
            const Batch tail = Batch::load_unaligned(&tails[i]);
            const Batch turn = Batch::load_unaligned(&angles[half + i]);
            const Batch distance = xsimd::sqrt(T(-2) * xsimd::log(tail));
            const Batch angle = turn * (2 * std::numbers::pi_v<T>);
            const auto [sine, cosine] = xsimd::sincos(angle);
            (mean + deviation * distance * cosine).store_unaligned(&numbers[i]);
            (mean + deviation * distance * sine).store_unaligned(&numbers[half + i]);
        }
        return numbers;
    }
};

template <class T>
struct Bernoulli {
    using Bits = std::uint32_t;
    std::uint32_t last; // word that gives the value
    T value;

    auto operator()(const Drawn<Bits>& bits) const {
        std::array<T, Drawn<Bits>().size()> numbers;
        for (std::size_t i = 0; i < bits.size(); ++i) numbers[i] = bits[i] <= last ? value : T(0);
        return numbers;
    }
};

} // namespace

template <class T>
void Random::fill_uniform(T* to, std::size_t n, T low, T high) {
    fill(to, n, Uniform<T>{low, high - low});
}

template <class T>
void Random::fill_normal(T* to, std::size_t n, T mean, T deviation) {
    fill(to, n, Normal<T>{mean, deviation});
}

template <class T>
void Random::fill_bernoulli(T* to, std::size_t n, double probability, T value, Where where) {
    if (!(probability >= 0 && probability <= 1)) {
        const Called here(where);
        fail("Random::fill_bernoulli",
             "the probability is " + fmt::to_string(probability) + ", not in [0, 1]");
    }
    const auto words = static_cast<std::uint64_t>(std::llround(probability * 0x1p32));
    // Probability 0: the value is 0 everywhere.
    const auto last = static_cast<std::uint32_t>(words - (words > 0));
    fill(to, n, Bernoulli<T>{last, words > 0 ? value : T(0)});
}

std::vector<std::size_t> Random::permutation(std::size_t n) {
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t i = n; i > 1; --i) std::swap(order[i - 1], order[below(i)]);
    return order;
}

template void Random::fill_uniform(float*, std::size_t, float, float);
template void Random::fill_uniform(double*, std::size_t, double, double);
template void Random::fill_normal(float*, std::size_t, float, float);
template void Random::fill_normal(double*, std::size_t, double, double);
template void Random::fill_bernoulli(float*, std::size_t, double, float, Where);
template void Random::fill_bernoulli(double*, std::size_t, double, double, Where);

Random& thread_random() {
    static std::atomic<std::uint64_t> threads{0};
    thread_local Random mine = [] {
        const std::uint64_t number = threads++;
        return number == 0 ? Random() : Random().split(number);
    }();
    return mine;
}

} // namespace unroll
