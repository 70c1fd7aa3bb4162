#include "support.hpp"

#include <unroll/core/kernels/threads.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/views.hpp>

#include <atomic>
#include <optional>
#include <vector>

using namespace test;

TEST_CASE("threads: each shard runs once, and the first exception is rethrown") {
    threads::set(2);
    std::vector<std::atomic<int>> runs(37);
    threads::for_shards(37, [&](std::size_t i) { ++runs[i]; });
    for (const auto& n : runs) CHECK(n == 1);
    CHECK(contains(error_of([&] {
                       threads::for_shards(8, [&](std::size_t i) {
                           if (i >= 3) fail("shard", std::to_string(i));
                       });
                   }),
                   "shard: 3"));
    CHECK(contains(error_of([] { threads::set(0); }), "at least one thread"));
}

TEST_CASE("threads: pieces cover the range once, with and without a parallel region") {
    threads::set(2);
    for (const bool with_region : {false, true}) {
        std::optional<threads::ParallelRegion> region;
        if (with_region) region.emplace();
        for (std::size_t total : {0u, 1u, 63u, 64u, 65u, 1000u}) {
            std::vector<std::atomic<int>> seen(total);
            threads::for_pieces(total, 64, [&](std::size_t begin, std::size_t end) {
                for (std::size_t i = begin; i < end; ++i) ++seen[i];
            });
            for (const auto& n : seen) CHECK(n == 1);
        }
        for (int round = 0; round < 1000; ++round) {
            std::atomic<std::size_t> sum{0};
            threads::for_pieces(128, 1,
                                [&](std::size_t begin, std::size_t end) { sum += end - begin; });
            REQUIRE(sum == 128);
        }
        CHECK(contains(error_of([&] {
                           threads::for_pieces(128, 1, [](std::size_t, std::size_t end) {
                               if (end == 128) fail("piece", "last");
                           });
                       }),
                       "piece: last"));
        const threads::ParallelRegion inner;
        threads::for_pieces(128, 1, [&](std::size_t, std::size_t) {});
    }
}

TEST_CASE("threads: operations inside a shard are not split") {
    threads::set(2);
    threads::for_shards(4, [&](std::size_t) {
        REQUIRE_FALSE(threads::worth_splitting(1e12));
        const threads::ParallelRegion nothing;
        REQUIRE_FALSE(threads::worth_splitting(1e12));
    });
}

TEST_CASE("threads: denormals are flushed on every computing thread") {
    threads::set(2);
    threads::for_shards(4, [&](std::size_t) {
        volatile float small = 1e-38f;
        REQUIRE(small * 1e-3f == 0.0f);
    });
}

TEST_CASE("threads: gradients of overlapping shifted views are not split") {
    threads::set(2);
    const threads::ParallelRegion region;
    const std::size_t n = 100'000;
    Tape<float> tape;
    for (int round = 0; round < 20; ++round) {
        tape.clear();
        const auto x = tape.variable(Tensor<float>::ones({n + 2}));
        const auto y = fuse(
            "shifted", [](auto a, auto b, auto c) { return a + b + c; }, slice(x, 0, 2, n + 2),
            slice(x, 0, 1, n + 1), slice(x, 0, 0, n));
        tape.backward(y, Tensor<float>::ones({n}));
        const auto g = tape.gradient(x).to_vector();
        REQUIRE(std::count(g.begin() + 2, g.end() - 2, 3.f) == static_cast<long>(n) - 2);
    }
}
