#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace unroll {

// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers:
// as easy as 1, 2, 3", SC 2011). The i-th number depends on (seed, stream, i) alone, so streams that
// were split off give the same numbers on whatever thread they are drawn.
class Random {
public:
    struct State {
        std::uint64_t seed, stream, position;
        friend bool operator==(const State&, const State&) = default;
    };

    explicit Random(std::uint64_t seed = 0) : state_{seed, 0, 0} {}
    static Random restore(const State& state) {
        Random random;
        random.state_ = state;
        return random;
    }
    State state() const { return state_; }

    // Another stream of the same seed, a function of this one's stream and `index`, not of how many
    // numbers were drawn.
    Random split(std::uint64_t index) const;

    std::uint64_t next(); // 64 random bits
    double uniform();     // [0, 1)
    double normal();      // mean 0, deviation 1
    // [0, n), without bias; throws Error for n = 0.
    std::size_t below(std::size_t n);

    template <class T>
    void fill_uniform(T* to, std::size_t n, T low, T high);
    template <class T>
    void fill_normal(T* to, std::size_t n, T mean, T deviation);
    // 0 ... n-1 in random order.
    std::vector<std::size_t> permutation(std::size_t n);

private:
    State state_;
};

} // namespace unroll
