// One training step of a causal Transformer with the gradient of its input, compared with
// PyTorch's, and the time of its matrix products alone.

#include "torch.hpp"

#include <unroll/unroll.hpp>

#include <optional>

using namespace unroll;

namespace {

struct Sizes {
    std::size_t width, heads, layers, steps, batch;
    std::string text(const char* between) const {
        return bench::joined({width, heads, layers, steps, batch}, between);
    }
};

// The batch in two shards if the layer is small, otherwise each operation is split.
class Ours {
public:
    explicit Ours(const Sizes& s)
        : sizes_(s), shards_(s.width <= 256 ? 2 : 1), stack_({.width = s.width,
                                                              .heads = s.heads,
                                                              .layers = s.layers,
                                                              .activation = nn::Activation::gelu,
                                                              .norm_first = true,
                                                              .final_norm = false,
                                                              .is_causal = true}),
          tapes_(shards_), x_({s.steps, s.batch, s.width}) {
        Random(1).fill_normal(x_.data(), x_.size(), 0.f, 1.f);
        for (auto& tape : tapes_) tape.keep_gradients_apart(true);
    }

    void step() {
        if (shards_ > 1) {
            threads::for_shards(shards_, [&](std::size_t i) { part(i); });
        } else {
            const threads::ParallelRegion region;
            part(0);
        }
    }

    // Profile of a step on one thread.
    std::string profile() {
        std::optional<Profile<float>> seen;
        for (int i = 0; i < 20; ++i) {
            if (i == 19) seen.emplace(tapes_[0]);
            part(0);
        }
        return seen->text();
    }

private:
    void part(std::size_t i) {
        const std::size_t width = sizes_.batch / shards_;
        Tape<float>& tape = tapes_[i];
        const Recording<float> recording(tape);
        tape.clear();
        const auto x = tape.variable(x_.slice(1, i * width, (i + 1) * width));
        const auto out = stack_(x);
        tape.backward(out, Tensor<float>::ones(out.shape()));
    }

    Sizes sizes_;
    std::size_t shards_;
    nn::TransformerStack<float> stack_;
    std::vector<Tape<float>> tapes_;
    Tensor<float> x_;
};

// Floating-point operations of all products of a step.
double operations(const Sizes& s) {
    const auto E = static_cast<double>(s.width), T = static_cast<double>(s.steps),
               B = static_cast<double>(s.batch);
    return 3 * 2 * static_cast<double>(s.layers) * T * B * (12 * E * E + 2 * T * E);
}

} // namespace

int main(int argc, char**) {
    bench::Torch torch(TORCH_SCRIPT);
    for (const Sizes& s : {Sizes{128, 4, 4, 64, 12}, {256, 8, 2, 128, 16}, {512, 8, 1, 128, 16}}) {
        Ours ours(s);
        if (argc > 1) {
            std::printf("%s\n", ours.profile().c_str());
            continue;
        }
        std::vector<bench::Run> runs{bench::timed([&] { ours.step(); })};
        const std::string name = "transformer." + s.text("x");
        for (auto& run : torch.steps(name, s.text(" "))) runs.push_back(std::move(run));
        const std::vector<double> times = bench::in_turn(runs);
        std::printf("%-28s unroll %8.3f ms, %5.1f GFLOP/s in products", name.c_str(),
                    times[0] * 1e3, operations(s) / times[0] * 1e-9);
        if (times.size() > 1) {
            const double best = *std::min_element(times.begin() + 1, times.end());
            std::printf("   PyTorch %8.3f ms\n", best * 1e3);
            bench::figure(name + ".pytorch", best / times[0], "ratio", ">=", 1);
        } else {
            std::printf("\n");
        }
    }
}
