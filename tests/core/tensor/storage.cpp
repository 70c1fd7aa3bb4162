#include "support.hpp"

#include <unroll/core/kernels/threads.hpp>
#include <unroll/core/tensor/storage.hpp>
#include <unroll/nn/module.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/optim/parallel.hpp>

#include <condition_variable>
#include <cstdio>
#include <deque>
#include <mutex>
#include <thread>

#include <unistd.h>

using namespace test;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNROLL_MEASURES_MEMORY 0
#else
#define UNROLL_MEASURES_MEMORY 1
#endif

namespace {

constexpr std::size_t megabyte = std::size_t{1} << 20;

std::size_t resident() {
    std::size_t pages = 0;
    std::FILE* const file = std::fopen("/proc/self/statm", "r");
    REQUIRE(file != nullptr);
    REQUIRE(std::fscanf(file, "%*u %zu", &pages) == 1);
    std::fclose(file);
    return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

// Runs `step` repeatedly and expects the memory of the process to stop growing early on.
template <class F>
void stays_flat(int steps, const F& step) {
    if (!UNROLL_MEASURES_MEMORY) steps /= 100;
    std::size_t early = 0, early_free = 0;
    for (int i = 0; i < steps; ++i) {
        step(i);
        if (i == steps / 10) early = resident(), early_free = memory_use().bytes_free;
    }
    if (!UNROLL_MEASURES_MEMORY) return;
    CHECK(resident() < early + 24 * megabyte);
    CHECK(memory_use().bytes_free < early_free + 8 * megabyte);
}

// Tensors of a step over a sequence of random length, up to 2 MB in all.
std::vector<Tensor<float>> sequence(Random& random) {
    const std::size_t steps = 1 + random.below(100);
    std::vector<Tensor<float>> all;
    all.push_back(Tensor<float>::zeros({steps, 4, 32}));
    all.push_back(Tensor<float>({steps, 4, 16 + random.below(300)}));
    for (std::size_t t = 0; t < steps; t += 10) all.push_back(Tensor<float>({4, 32}));
    return all;
}

// A queue of at most 4.
class Queue {
public:
    void push(std::vector<Tensor<float>> x) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return all_.size() < 4; });
        all_.push_back(std::move(x));
        changed_.notify_all();
    }
    std::vector<Tensor<float>> pop() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return !all_.empty(); });
        auto x = std::move(all_.front());
        all_.pop_front();
        changed_.notify_all();
        return x;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::vector<Tensor<float>>> all_;
};

} // namespace

TEST_CASE("storage is reused from the thread's cache") {
    const auto use = [] {
        const Tensor<float> x({1000}), y = Tensor<float>::zeros({33, 7});
        return x.copy().size() + y.copy().size();
    };
    use();
    const std::size_t held = memory_use().bytes_in_use;
    const std::size_t asked = memory_use().system_allocations;
    for (int i = 0; i < 10; ++i) use();
    CHECK(memory_use().bytes_in_use == held);
#if !defined(__SANITIZE_ADDRESS__)
    CHECK(memory_use().system_allocations == asked);
#else
    CHECK(memory_use().system_allocations > asked);
#endif
}

TEST_CASE("adopted memory is released once, with its last tensor") {
    int released = 0;
    std::vector<double> numbers{1, 2, 3};
    {
        const StorageRef storage(Storage::adopt(numbers.data(), &released,
                                                [](void* owner) { ++*static_cast<int*>(owner); }));
        const Tensor<double> x(storage, numbers.data(), {3}, {1});
        const Tensor<double> last = x.select(0, 2);
        CHECK(last.item() == 3.0);
        CHECK(released == 0);
    }
    CHECK(released == 1);
}

TEST_CASE("memory stays bounded over sequences of random lengths") {
    Random random(3);
    stays_flat(200'000, [&](int) { sequence(random); });
}

TEST_CASE("threads: memory stays bounded over sequences of random lengths on a pool") {
    threads::set(2);
    std::vector<Random> random{Random(3), Random(4), Random(5), Random(6)};
    std::vector<std::vector<Tensor<float>>> kept(4);
    // The thread that runs a shard frees tensors that another has allocated.
    stays_flat(50'000, [&](int) {
        threads::for_shards(4, [&](std::size_t i) { kept[i] = sequence(random[i]); });
    });
}

TEST_CASE("threads: memory stays bounded when one thread creates tensors and another frees them") {
    const int steps = UNROLL_MEASURES_MEMORY ? 200'000 : 2'000;
    Queue queue;
    std::thread loader([&] {
        Random random(3);
        for (int i = 0; i < steps; ++i) queue.push(sequence(random));
    });
    stays_flat(UNROLL_MEASURES_MEMORY ? steps : 100 * steps, [&](int) { queue.pop(); });
    loader.join();
}

TEST_CASE("threads: blocks of fixed sizes return to the thread that allocated them") {
    Queue queue, back;
    std::size_t asked = 0;
    std::thread loader([&] {
        for (int i = 0; i < 1000; ++i) {
            if (i == 10) asked = memory_use().system_allocations;
            queue.push({Tensor<float>({100, 10}), Tensor<float>({3})});
            back.pop();
        }
        asked = memory_use().system_allocations - asked;
    });
    for (int i = 0; i < 1000; ++i) {
        queue.pop();
        back.push({});
    }
    loader.join();
    if (UNROLL_MEASURES_MEMORY) CHECK(asked == 0);
}

TEST_CASE("threads: blocks of an ended thread return to the system when they are freed") {
    std::vector<Tensor<float>> made;
    const std::size_t used = memory_use().bytes_in_use, free = memory_use().bytes_free;
    std::thread([&] {
        for (int i = 0; i < 64; ++i) made.push_back(Tensor<float>({megabyte / 4}));
        const Tensor<float> own({megabyte});
    }).join();
    CHECK(memory_use().bytes_in_use >= used + 64 * megabyte);
    CHECK(memory_use().bytes_free <= free);
    made.clear();
    CHECK(memory_use().bytes_in_use < used + megabyte);
    CHECK(memory_use().bytes_free <= free);
}

TEST_CASE("threads: blocks change hands while threads begin and end") {
    const std::size_t used = memory_use().bytes_in_use;
    {
        std::mutex mutex;
        std::vector<Tensor<float>> shared(100);
        for (std::uint64_t round = 0; round < 20; ++round) {
            std::vector<std::thread> threads;
            for (std::uint64_t t = 0; t < 4; ++t)
                threads.emplace_back([&, t] {
                    Random random(4 * round + t);
                    for (int i = 0; i < 200; ++i) {
                        auto x = Tensor<float>::zeros({random.below(1000)});
                        const std::lock_guard lock(mutex);
                        std::swap(shared[random.below(100)], x);
                    }
                });
            for (std::thread& thread : threads) thread.join();
        }
    }
    CHECK(memory_use().bytes_in_use == used);
}

TEST_CASE("a thread keeps at most its peak of free memory") {
    std::thread([] {
        const std::size_t before = memory_use().bytes_free;
        // Each size in a different class.
        for (std::size_t size = 8 * megabyte; size > megabyte; size -= size / 8)
            const Tensor<float> x({size / 4});
        CHECK(memory_use().bytes_free - before < 2 * 8 * megabyte + 8 * megabyte);
    }).join();
}

TEST_CASE("threads: creating and destroying shards leaks no memory") {
    threads::set(2);
    Parameter<float> w("w", Tensor<float>::ones({4, 2}));
    const auto x = Tensor<float>::ones({3, 4});
    stays_flat(20'000, [&](int) {
        optim::DataParallel<float> shards(4, parameters(w));
        shards.backward([&](std::size_t) { return mean(matmul(x, w)); });
    });
}
