// One training step of a convolution of 64 images, with the gradients of input and weights,
// compared with PyTorch's conv2d.

#include "torch.hpp"

#include <unroll/unroll.hpp>

using namespace unroll;

namespace {

struct Sizes {
    std::size_t batch, input, output, side, kernel, stride;
    std::string text(const char* between) const {
        return bench::joined({batch, input, output, side, kernel, stride}, between);
    }
};

class Ours {
public:
    explicit Ours(const Sizes& s)
        : layer_({.input = s.input,
                  .output = s.output,
                  .kernel = s.kernel,
                  .stride = s.stride,
                  .padding = s.kernel / 2}),
          x_({s.batch, s.input, s.side, s.side}) {
        Random(1).fill_normal(x_.data(), x_.size(), 0.f, 1.f);
        tape_.keep_gradients_apart(true);
    }
    void step() {
        const threads::ParallelRegion region;
        tape_.clear();
        const auto y = layer_(tape_.variable(x_));
        if (seed_.shape() != y.shape()) seed_ = Tensor<float>::ones(y.shape());
        tape_.backward(y, seed_);
    }

private:
    nn::Convolution<float> layer_;
    Tape<float> tape_;
    Tensor<float> x_, seed_;
};

} // namespace

int main() {
    bench::Torch torch(TORCH_SCRIPT);
    for (const Sizes& s : {Sizes{64, 1, 32, 28, 3, 1},
                           {64, 32, 64, 14, 3, 1},
                           {64, 3, 32, 32, 3, 1},
                           {64, 32, 32, 32, 3, 1},
                           {64, 64, 64, 16, 3, 1},
                           {64, 128, 128, 8, 3, 1},
                           {64, 32, 64, 32, 3, 2},
                           {64, 256, 256, 4, 1, 1}}) {
        Ours ours(s);
        std::vector<bench::Run> runs{bench::timed([&] { ours.step(); })};
        const std::string name = "convolution." + s.text("x");
        for (auto& run : torch.steps(name, s.text(" "))) runs.push_back(std::move(run));
        const std::vector<double> times = bench::in_turn(runs);
        const auto out = static_cast<double>((s.side + s.stride - 1) / s.stride);
        const double operations = 6.0 * static_cast<double>(s.batch * s.output * s.input) * out *
                                  out * static_cast<double>(s.kernel * s.kernel);
        std::printf("%-30s unroll %8.3f ms, %5.1f GFLOP/s", name.c_str(), times[0] * 1e3,
                    operations / times[0] * 1e-9);
        if (times.size() == 1) {
            std::printf("\n");
            continue;
        }
        const double best = *std::min_element(times.begin() + 1, times.end());
        std::printf("   PyTorch %8.3f ms\n", best * 1e3);
        bench::figure(name + ".pytorch", best / times[0], "ratio", ">=", 1);
    }
}
