#include <unroll/core/error.hpp>
#include <unroll/core/random.hpp>

#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

namespace unroll {

namespace {

// Four words for each counter. `lanes` counters go through the rounds side by side, which the
// compiler turns into vector instructions.
template <std::size_t lanes>
struct Philox {
    using Words = std::array<std::uint32_t, lanes>;
    Words x0, x1, x2, x3;

    Philox(const Random::State& state, std::uint64_t block) {
        for (std::size_t i = 0; i < lanes; ++i) {
            x0[i] = static_cast<std::uint32_t>(block + i);
            x1[i] = static_cast<std::uint32_t>((block + i) >> 32);
            x2[i] = static_cast<std::uint32_t>(state.stream);
            x3[i] = static_cast<std::uint32_t>(state.stream >> 32);
        }
        auto k0 = static_cast<std::uint32_t>(state.seed);
        auto k1 = static_cast<std::uint32_t>(state.seed >> 32);
        for (int round = 0; round < 10; ++round) {
            for (std::size_t i = 0; i < lanes; ++i) {
                const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * x0[i];
                const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * x2[i];
                const auto y0 = static_cast<std::uint32_t>(p1 >> 32) ^ x1[i] ^ k0;
                const auto y2 = static_cast<std::uint32_t>(p0 >> 32) ^ x3[i] ^ k1;
                x1[i] = static_cast<std::uint32_t>(p1);
                x3[i] = static_cast<std::uint32_t>(p0);
                x0[i] = y0;
                x2[i] = y2;
            }
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
    }

    // Words as they are numbered: four a counter.
    void write(std::uint32_t* to) const {
        for (std::size_t i = 0; i < lanes; ++i) {
            to[4 * i] = x0[i];
            to[4 * i + 1] = x1[i];
            to[4 * i + 2] = x2[i];
            to[4 * i + 3] = x3[i];
        }
    }
};

template <class T>
T to_unit(std::uint32_t word) {
    return static_cast<T>(word >> 8) * T(0x1p-24);
}

} // namespace

Random Random::split(std::uint64_t index) const {
    const Philox<1> mixed({state_.seed ^ 0x5bd1e9955bd1e995u, state_.stream, 0}, index);
    Random other;
    other.state_ = {state_.seed, std::uint64_t{mixed.x1[0]} << 32 | mixed.x0[0], 0};
    return other;
}

// Two numbers a counter.
std::uint64_t Random::next() {
    const Philox<1> words(state_, state_.position >> 1);
    const bool second = state_.position++ & 1;
    return second ? std::uint64_t{words.x3[0]} << 32 | words.x2[0]
                  : std::uint64_t{words.x1[0]} << 32 | words.x0[0];
}

double Random::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

double Random::normal() {
    const double u = 1.0 - uniform(), v = uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

std::size_t Random::below(std::size_t n) {
    if (n == 0) fail("Random::below", "the range is empty");
    const std::uint64_t last = ~std::uint64_t{0} - (~std::uint64_t{0} % n + 1) % n;
    std::uint64_t drawn = next();
    while (drawn > last) drawn = next();
    return drawn % n;
}

template <class T>
void Random::fill_uniform(T* to, std::size_t n, T low, T high) {
    constexpr std::size_t lanes = 16;
    std::array<std::uint32_t, 4 * lanes> words;
    state_.position += state_.position & 1;
    for (std::size_t begin = 0; begin < n; begin += words.size()) {
        Philox<lanes>(state_, state_.position >> 1).write(words.data());
        const std::size_t count = std::min(words.size(), n - begin);
        for (std::size_t i = 0; i < count; ++i)
            to[begin + i] = low + (high - low) * to_unit<T>(words[i]);
        state_.position += (count + 3) / 4 * 2;
    }
}

template <class T>
void Random::fill_normal(T* to, std::size_t n, T mean, T deviation) {
    for (std::size_t i = 0; i < n; ++i)
        to[i] = static_cast<T>(static_cast<double>(mean) +
                               static_cast<double>(deviation) * normal());
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

} // namespace unroll
