// Cost of monitors: a training step of an LSTM and a chain of small nodes, with a profile, with
// statistics and in checking mode, relative to none.

#include "measure.hpp"

#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/unroll.hpp>

#include <array>
#include <functional>

using namespace unroll;

namespace {

struct None {
    explicit None(Tape<float>&) {}
};

using Step = std::function<void(Tape<float>&)>;

template <class Watch>
double watched(Tape<float>& tape, const Step& step) {
    const Watch watch(tape);
    tape.clear();
    return bench::seconds([&] { step(tape); });
}

// The slowdown of a step: the median over pairs of consecutive runs, so that both see the same
// machine state.
template <class Watch>
double cost(Tape<float>& tape, const Step& step, int pairs) {
    std::vector<double> ratios;
    for (int i = 0; i < pairs; ++i) {
        const bool off_first = i % 2 == 0;
        const double first = off_first ? watched<None>(tape, step) : watched<Watch>(tape, step);
        const double second = off_first ? watched<Watch>(tape, step) : watched<None>(tape, step);
        ratios.push_back(off_first ? second / first : first / second);
    }
    return bench::median(ratios);
}

void compare(const std::string& name, int pairs, const Step& step) {
    Tape<float> tape;
    tape.keep_gradients_apart(true);
    for (int i = 0; i < 3; ++i) watched<None>(tape, step);
    bench::figure(name + ".profile", 100 * (cost<Profile<float>>(tape, step, pairs) - 1), "% more",
                  "<=", 5);
    bench::figure(name + ".statistics", cost<Statistics<float>>(tape, step, pairs), "times",
                  ">=", 1);
    bench::figure(name + ".checking", cost<Checking<float>>(tape, step, pairs), "times", ">=", 1);
}

} // namespace

int main() {
    for (const auto& [input, hidden, steps, batch] :
         {std::array<std::size_t, 4>{32, 64, 50, 1}, {64, 128, 64, 16}, {128, 256, 64, 32}}) {
        const nn::Lstm<float> lstm({.input = input, .hidden = hidden});
        Tensor<float> x({steps, batch, input});
        Random(1).fill_normal(x.data(), x.size(), 0.f, 1.f);
        const std::string sizes = std::to_string(input) + "," + std::to_string(hidden) + "," +
                                  std::to_string(steps) + "," + std::to_string(batch);
        compare("watched.lstm." + sizes, static_cast<int>(2000 / (1 + hidden * batch / 64)),
                [&](Tape<float>& tape) {
                    const auto out = lstm(tape.variable(x)).output;
                    tape.backward(out, Tensor<float>::ones(out.shape()));
                });
    }
    compare("watched.nodes.100000", 15, [](Tape<float>& tape) {
        Variable<float> x = tape.variable(Tensor<float>::full({4}, 0.5f));
        for (int i = 0; i < 100000; ++i)
            x = fuse(
                "step", [](auto v) { return v * 1.0001f + 0.001f; }, x);
        tape.backward(x, Tensor<float>::ones({4}));
    });
}
