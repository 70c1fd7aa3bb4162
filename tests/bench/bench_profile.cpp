// What watching a tape costs: a training step of an LSTM and a chain of small nodes, without a
// monitor, with a profile, with statistics and in checking mode.

#include "measure.hpp"

#include <unroll/ops/fuse.hpp>
#include <unroll/unroll.hpp>

#include <optional>

using namespace unroll;

namespace {

struct None {
    explicit None(Tape<float>&) {}
};

// A step under a monitor that is there while it is timed; its tape and memory stay.
template <class Watch>
bench::Run watched(Tape<float>& tape, const std::function<void(Tape<float>&)>& step) {
    auto watch = std::make_shared<std::optional<Watch>>();
    return [&tape, watch, step] {
        watch->emplace(tape);
        tape.clear();
        const double seconds = bench::seconds([&] { step(tape); });
        watch->reset();
        return seconds;
    };
}

void compare(const std::string& name, double target, int rounds,
             const std::function<void(Tape<float>&)>& step) {
    Tape<float> tape;
    tape.keep_gradients_apart(true);
    const auto times = bench::in_turn(
        {watched<None>(tape, step), watched<Profile<float>>(tape, step),
         watched<Statistics<float>>(tape, step), watched<Checking<float>>(tape, step)},
        rounds);
    bench::figure(name + ".off", times[0] * 1e3, "ms", ">=", 0);
    bench::figure(name + ".profile", 100 * (times[1] / times[0] - 1), "% more", "<=", target);
    bench::figure(name + ".statistics", times[2] / times[0], "times", ">=", 1);
    bench::figure(name + ".checking", times[3] / times[0], "times", ">=", 1);
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
        compare("watched.lstm." + sizes, 5, 15, [&](Tape<float>& tape) {
            const auto out = lstm(tape.variable(x)).output;
            tape.backward(out, Tensor<float>::ones(out.shape()));
        });
    }
    compare("watched.nodes.100000", 5, 7, [](Tape<float>& tape) {
        Variable<float> x = tape.variable(Tensor<float>::full({4}, 0.5f));
        for (int i = 0; i < 100000; ++i)
            x = fuse(
                "step", [](auto v) { return v * 1.0001f + 0.001f; }, x);
        tape.backward(x, Tensor<float>::ones({4}));
    });
}
