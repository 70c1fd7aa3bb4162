// Time and memory of a training step of every recurrent layer, for sequences of 1,024 to 16,384
// steps: 64 units, one sequence.

#include "measure.hpp"

#include <unroll/unroll.hpp>

using namespace unroll;

namespace {

constexpr std::size_t width = 64, shortest = 1024, longest = 16384;

struct Cost {
    double seconds;
    std::size_t bytes;
};

template <class Net>
Cost cost(const Net& net, std::size_t steps) {
    const auto x = Tensor<float>::full({steps, 1, width}, 0.1f);
    Cost least{1e9, 0};
    for (int round = 0; round < 3; ++round) {
        const std::size_t before = memory_use().bytes_in_use;
        const double seconds = bench::seconds([&] {
            Tape<float> tape;
            const auto loss = mean(square(net(x).output));
            least.bytes = memory_use().bytes_in_use - before;
            tape.backward(loss);
        });
        least.seconds = std::min(least.seconds, seconds);
    }
    return least;
}

template <class Net>
void row(const char* name) {
    const Net net({.input = width, .hidden = width});
    std::printf("| `%s` |", name);
    Cost first{}, last{};
    for (std::size_t steps = shortest; steps <= longest; steps *= 4) {
        last = cost(net, steps);
        if (steps == shortest) first = last;
        std::printf(" %.1f, %.0f |", 1e3 * last.seconds, static_cast<double>(last.bytes) / 1e6);
        std::fflush(stdout);
    }
    constexpr double ratio = static_cast<double>(longest) / shortest;
    std::printf(" %.2f, %.2f |\n", last.seconds / first.seconds / ratio,
                static_cast<double>(last.bytes) / static_cast<double>(first.bytes) / ratio);
}

} // namespace

int main() {
    std::printf("Milliseconds and megabytes of a forward and backward pass; the last column is "
                "their growth from 1,024 to 16,384 steps, relative to that of the length.\n\n"
                "| layer | 1,024 | 4,096 | 16,384 | growth |\n|---|---|---|---|---|\n");
    row<nn::Rnn<float>>("Rnn");
    row<nn::Lstm<float>>("Lstm");
    row<nn::Gru<float>>("Gru");
    row<nn::MinGru<float>>("MinGru");
    row<nn::MinLstm<float>>("MinLstm");
    row<nn::Sru<float>>("Sru");
    row<nn::Qrnn<float>>("Qrnn");
    row<nn::IndRnn<float>>("IndRnn");
    row<nn::Lru<float>>("Lru");
    row<nn::RgLru<float>>("RgLru");
    row<nn::S5<float>>("S5");
    row<nn::Mamba<float>>("Mamba");
    row<nn::SLstm<float>>("SLstm");
    row<nn::MLstm<float>>("MLstm");
}
