// A training step of the transducer loss from logits to their gradient, including log-softmax,
// compared with a loop over the diagonals in PyTorch. In two shards, and as a whole on one tape and
// thread.

#include "torch.hpp"

#include <unroll/unroll.hpp>

using namespace unroll;

namespace {

struct Sizes {
    std::size_t batch, frames, target, symbols;
    std::string text(const char* between) const {
        return bench::joined({batch, frames, target, symbols}, between);
    }
};

class Ours {
public:
    Ours(const Sizes& s, std::size_t shards) : tapes_(shards) {
        const std::size_t width = s.batch / shards;
        Random random(1);
        for (std::size_t i = 0; i < shards; ++i) {
            tapes_[i].keep_gradients_apart(true);
            logits_.emplace_back(Shape{width, s.frames, s.target + 1, s.symbols});
            random.fill_normal(logits_[i].data(), logits_[i].size(), 0.f, 1.f);
            Indices targets(Shape{s.target, width});
            for (std::size_t j = 0; j < targets.size(); ++j)
                targets.data()[j] = 1 + static_cast<std::int64_t>(random.below(s.symbols - 1));
            targets_.push_back({targets, {}});
        }
    }

    void step() {
        const auto one = [&](std::size_t i) {
            Tape<float>& tape = tapes_[i];
            const Recording<float> recording(tape);
            tape.clear();
            const auto x = tape.variable(logits_[i]);
            tape.backward(nn::transducer_loss(log_softmax(x), {}, targets_[i]).loss);
        };
        if (tapes_.size() > 1)
            threads::for_shards(tapes_.size(), one);
        else
            one(0);
    }
    std::size_t nodes() const { return tapes_[0].size(); }

private:
    std::vector<Tape<float>> tapes_;
    std::vector<Tensor<float>> logits_;
    std::vector<nn::PaddedBatch> targets_;
};

} // namespace

int main() {
    bench::Torch torch(TORCH_SCRIPT);
    for (const Sizes& s : {Sizes{16, 100, 20, 30}, {16, 60, 5, 11}, {4, 300, 60, 30}}) {
        const std::string name = "transducer." + s.text("x");
        Ours shards(s, 2), single(s, 1);
        std::vector<bench::Run> runs{bench::timed([&] { shards.step(); }),
                                     bench::timed([&] { single.step(); })};
        for (auto& run : torch.steps(name, s.text(" "))) runs.push_back(std::move(run));
        const std::vector<double> times = bench::in_turn(runs);
        std::printf("%-24s two shards %7.3f ms   one %7.3f ms (%zu nodes)", name.c_str(),
                    times[0] * 1e3, times[1] * 1e3, single.nodes());
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
