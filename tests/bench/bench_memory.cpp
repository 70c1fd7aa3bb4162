// Memory held and allocated by a training step of an LSTM. Nothing is timed, so it also runs as a
// test; the exit status is 1 if a target is missed.

#include "measure.hpp"

#include <unroll/unroll.hpp>

#include <atomic>
#include <cstdlib>
#include <new>

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

int main() {
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
    return ratio <= 1.1 && each == 0 ? 0 : 1;
}
