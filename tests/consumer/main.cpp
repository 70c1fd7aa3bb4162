// A program outside the source tree: a layer, a custom fused operation, a training step and its
// graph.

#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/unroll.hpp>
#include <unroll/xt.hpp>

#include <cstdio>

using namespace unroll;
namespace names = unroll::xt;

int main() {
    nn::Gru<float> gru({.input = 3, .hidden = 4});
    nn::Linear<float> head({.input = 4, .output = 1});
    optim::Sgd<float> sgd(parameters(gru, head), {.learning_rate = 0.1});
    Tape<float> tape;
    double first = 0, last = 0;
    for (int i = 0; i < 20; ++i) {
        tape.clear();
        const auto out = head(gru(Variable(Tensor<float>::ones({5, 2, 3}))).output);
        const auto loss = names::mean(fuse(
            "distance", [](auto x) { return log(1 + (x - 1) * (x - 1)); }, out))();
        tape.backward(loss);
        sgd.step();
        (i == 0 ? first : last) = loss.item();
    }
    std::printf("loss %.4f, then %.4f\n", first, last);
    const bool draws = graph::dot(tape).find("distance") != std::string::npos;
    return last < first && draws ? 0 : 1;
}
