// Memory held and allocated by a training step of an LSTM, and by one over 4,096 steps with and
// without recomputation, which is timed, too. With the argument "untimed" it runs as a test; the
// exit status is 1 if a target for memory is missed.

#include "measure.hpp"

#include <unroll/unroll.hpp>

#include <atomic>
#include <cstdlib>
#include <ctime>
#include <new>
#include <string_view>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace unroll;

namespace {
std::atomic<std::size_t> allocations{0};
}

void* operator new(std::size_t bytes) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* memory = std::malloc(bytes)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

// A training step of an LSTM over a long sequence, with checkpoint_every.
class LongStep {
public:
    explicit LongStep(std::size_t every)
        : lstm_({.input = width, .hidden = width, .checkpoint_every = every}),
          x_(Tensor<float>::full({steps, batch, width}, 0.1f)) {}

    // The bytes that the tape keeps besides the input.
    std::size_t operator()() {
        Tape<float> tape;
        const auto loss = mean(lstm_(tape.variable(x_)).output);
        const std::size_t kept = tape.kept_bytes() - x_.size() * sizeof(float);
        tape.backward(loss);
        for (const auto& p : parameters(lstm_)) p.clear_gradient();
        return kept;
    }

private:
    static constexpr std::size_t steps = 4096, batch = 16, width = 128;
    nn::Lstm<float> lstm_;
    Tensor<float> x_;
};

struct Use {
    std::size_t kept = 0, peak = 0; // bytes; of the process
};
// Of one step, in a process of its own.
Use use_of(std::size_t every) {
    int ends[2];
    if (pipe(ends) != 0) return {};
    const pid_t child = fork();
    if (child == 0) {
        Use use;
        use.kept = LongStep(every)();
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        use.peak = static_cast<std::size_t>(usage.ru_maxrss) * 1024;
        _exit(write(ends[1], &use, sizeof use) == sizeof use ? 0 : 1);
    }
    Use use;
    close(ends[1]);
    if (read(ends[0], &use, sizeof use) != sizeof use) use = {};
    close(ends[0]);
    waitpid(child, nullptr, 0);
    return use;
}

bool recomputes(bool is_timed) {
    const Use plain = use_of(0), again = use_of(64);
    const auto megabytes = [](std::size_t bytes) { return static_cast<double>(bytes) / 1e6; };
    std::printf("LSTM over 4096 steps: the tape keeps %.0f MB, with checkpoint_every = 64 %.1f MB, "
                "besides the input; peak of the process %.0f and %.0f MB\n",
                megabytes(plain.kept), megabytes(again.kept), megabytes(plain.peak),
                megabytes(again.peak));
    const double ratio = static_cast<double>(plain.kept) / static_cast<double>(again.kept);
    bench::figure("memory.checkpoint", ratio, "x less", ">=", 64);
    if (is_timed) {
        // Processor time of one thread, which other programs disturb little.
        const std::size_t count = threads::count();
        threads::set(1);
        LongStep without(0), with(64);
        const auto seconds = [](LongStep& step) {
            return [&step] {
                const std::clock_t start = std::clock();
                step();
                return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
            };
        };
        const auto times = bench::in_turn({seconds(without), seconds(with)}, 9, 5);
        std::printf("%.3f s, with checkpoint_every = 64 %.3f s\n", times[0], times[1]);
        bench::figure("memory.checkpoint_time", times[1] / times[0], "x", "<=", 1.35);
        threads::set(count);
    }
    return plain.kept > 0 && ratio >= 64;
}

} // namespace

int main(int argc, char** argv) {
    const bool has_fallen = recomputes(argc < 2 || std::string_view(argv[1]) != "untimed");
    constexpr std::size_t steps = 50, batch = 16, width = 128;
    nn::Lstm<float> lstm({.input = width, .hidden = width});
    nn::Linear<float> head({.input = width, .output = 10});
    optim::Adam<float> adam(parameters(lstm, head), {.learning_rate = 1e-3});
    const auto x = Tensor<float>::full({steps, batch, width}, 0.1f);
    const auto labels = Indices::zeros({steps, batch});

    Tape<float> tape;
    std::size_t kept = 0, held = 0;
    const auto step = [&](bool measures) {
        tape.clear();
        const std::size_t before = memory_use().bytes_in_use;
        {
            const auto loss = cross_entropy(head(lstm(tape.variable(x)).output), labels);
            if (measures) {
                held = memory_use().bytes_in_use - before;
                kept = tape.kept_bytes() - x.size() * sizeof(float);
            }
            tape.backward(loss);
        }
        optim::clip_norm(adam.parameters(), 5.0);
        adam.step();
    };
    for (int i = 0; i < 3; ++i) step(i == 2);
    const std::size_t warm = allocations + memory_use().system_allocations;
    constexpr int rounds = 10;
    for (int i = 0; i < rounds; ++i) step(false);
    const double each =
        static_cast<double>(allocations + memory_use().system_allocations - warm) / rounds;
    const double ratio = static_cast<double>(held) / static_cast<double>(kept);
    std::printf("%zu nodes hold %zu bytes, of which rules need %zu\n", tape.size(), held, kept);
    bench::figure("memory.kept", ratio, "ratio", "<=", 1.1);
    bench::figure("memory.allocations", each, "a step", "<=", 0);
    return has_fallen && ratio <= 1.1 && each == 0 ? 0 : 1;
}
