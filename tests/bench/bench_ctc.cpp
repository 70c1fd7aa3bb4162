// A training step of CTC from logits to their gradient, including log-softmax, compared with
// PyTorch's. In two shards, and as a whole on one tape and thread.

#include "torch.hpp"

#include <unroll/unroll.hpp>

using namespace unroll;

namespace {

struct Sizes {
    std::size_t steps, batch, symbols, target;
    std::string text(const char* between) const {
        return bench::joined({steps, batch, symbols, target}, between);
    }
};

class Ours {
public:
    Ours(const Sizes& s, std::size_t shards) : sizes_(s), tapes_(shards) {
        const std::size_t width = s.batch / shards;
        Random random(1);
        for (std::size_t i = 0; i < shards; ++i) {
            tapes_[i].keep_gradients_apart(true);
            logits_.emplace_back(Shape{s.steps, width, s.symbols});
            random.fill_normal(logits_[i].data(), logits_[i].size(), 0.f, 1.f);
            Indices targets(Shape{s.target, width});
            for (std::size_t j = 0; j < targets.size(); ++j)
                targets.data()[j] = 1 + static_cast<std::int64_t>(random.below(s.symbols - 1));
            targets_.push_back({targets, std::vector<std::size_t>(width, s.target)});
        }
    }

    void step() {
        const auto one = [&](std::size_t i) {
            Tape<float>& tape = tapes_[i];
            const Recording<float> recording(tape);
            tape.clear();
            const auto x = tape.variable(logits_[i]);
            tape.backward(nn::ctc_loss(log_softmax(x), {}, targets_[i]).loss);
        };
        if (tapes_.size() > 1)
            threads::for_shards(tapes_.size(), one);
        else
            one(0);
    }

    // Memory traffic of a step: per state and time two indices and emissions, five operands and a
    // result forward; these and their gradients backward.
    double bytes() const {
        const double states = static_cast<double>(2 * sizes_.target + 3);
        const double places = static_cast<double>(sizes_.steps * sizes_.batch) * states;
        return places * (8 + 8 + 4 * (1 + 6 + 5 + 4 * 2 + 2));
    }
    std::size_t nodes() const { return tapes_[0].size(); }

private:
    Sizes sizes_;
    std::vector<Tape<float>> tapes_;
    std::vector<Tensor<float>> logits_;
    std::vector<nn::PaddedBatch> targets_;
};

} // namespace

int main() {
    bench::Torch torch(TORCH_SCRIPT);
    for (const Sizes& s : {Sizes{200, 32, 30, 40}, {100, 16, 12, 6}, {800, 16, 30, 160}}) {
        const std::string name = "ctc." + s.text("x");
        Ours shards(s, 2), single(s, 1);
        std::vector<bench::Run> runs{bench::timed([&] { shards.step(); }),
                                     bench::timed([&] { single.step(); })};
        for (auto& run : torch.steps(name, s.text(" "))) runs.push_back(std::move(run));
        const std::vector<double> times = bench::in_turn(runs);
        std::printf("%-20s two shards %7.3f ms   one %7.3f ms (%zu nodes, %.1f GB/s)", name.c_str(),
                    times[0] * 1e3, times[1] * 1e3, single.nodes(),
                    single.bytes() / times[1] / 1e9);
        if (times.size() > 2)
            std::printf("   PyTorch %7.3f ms, on one thread %7.3f", times[3] * 1e3, times[2] * 1e3);
        std::printf("\n");
        if (times.size() > 2) {
            const double best = std::min(times[2], times[3]);
            bench::figure(name + ".pytorch", best / times[0], "ratio", ">=", 1);
            bench::figure(name + ".one_thread", times[2] / times[1], "ratio", ">=", 1);
        }
    }
}
