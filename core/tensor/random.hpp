#pragma once

#include <unroll/core/base/error.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace unroll {

// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011). The i-th number depends on (seed, stream, i) alone, so a
// split stream gives the same numbers on any thread, and the whole state is three integers. Two
// threads must not draw from one object: split instead.
class Random {
public:
    struct State {
        std::uint64_t seed, stream;
        std::uint64_t position; // of the next 64-bit number
        friend bool operator==(const State&, const State&) = default;
    };

    explicit Random(std::uint64_t seed = 0) : state_{seed, 0, 0} {}
    static Random restore(const State& state) {
        Random random;
        random.state_ = state;
        return random;
    }
    State state() const { return state_; }

    // Another stream of the same seed. Depends on this one's stream and `index`, not on how many
    // numbers were drawn.
    Random split(std::uint64_t index) const;

    std::uint64_t next(); // 64 random bits
    double uniform();     // [0, 1)
    double normal();      // mean 0, standard deviation 1
    // [0, n), without bias; throws Error for n = 0.
    std::size_t below(std::size_t n, Where where = Where::current());

    // T: float or double. A fill starts at an even position and consumes 32 numbers at a time. Its
    // i-th value depends only on seed, stream, that position and i (for normal values, the last
    // bits also depend on the instruction set that the library was built for).
    template <class T>
    void fill_uniform(T* to, std::size_t n, T low, T high); // low + (high - low) u
    template <class T>
    void fill_normal(T* to, std::size_t n, T mean, T deviation);
    // `value` with the given probability, otherwise 0: a dropout mask. Throws Error outside [0, 1].
    template <class T>
    void fill_bernoulli(T* to, std::size_t n, double probability, T value,
                        Where where = Where::current());
    // A random permutation of 0 ... n-1.
    std::vector<std::size_t> permutation(std::size_t n);

    // The underlying function: ten rounds on a counter of four words with a key of two words.
    static std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                               std::array<std::uint32_t, 2> key);

private:
    template <class T, class Map>
    void fill(T* to, std::size_t n, Map map);

    State state_;
};

// The generator of random operations on this thread. The first thread to use it gets Random(0),
// other threads streams split from that. Assign to seed it:
//   thread_random() = Random(7);
Random& thread_random();

} // namespace unroll
