// Cost of a Hessian-vector product of a language model, relative to its gradient.

#include "measure.hpp"

#include <unroll/unroll.hpp>

using namespace unroll;

int main() {
    constexpr std::size_t steps = 64, batch = 16, vocabulary = 65;
    nn::Embedding<float> embed({.vocabulary = vocabulary, .width = 64});
    nn::Lstm<float> lstm({.input = 64, .hidden = 256, .layers = 2});
    nn::Linear<float> head({.input = 256, .output = vocabulary});
    const auto all = parameters(embed, lstm, head);
    std::vector<Tensor<float>> v;
    Random random(1);
    for (const auto& p : all) {
        v.emplace_back(p.shape());
        random.fill_normal(v.back().data(), v.back().size(), 0.f, 1.f);
    }
    Indices x({steps, batch}), y({steps, batch});
    for (std::size_t i = 0; i < x.size(); ++i) {
        x.data()[i] = static_cast<std::int64_t>(random.below(vocabulary));
        y.data()[i] = static_cast<std::int64_t>(random.below(vocabulary));
    }

    Tape<float> tape;
    const threads::ParallelRegion region;
    const auto loss = [&] {
        tape.clear();
        return cross_entropy(head(lstm(embed(x)).output), y);
    };
    const auto times =
        bench::in_turn({bench::timed([&] { tape.backward(loss()); }),
                        bench::timed([&] { hessian_vector_product(loss(), all, v); })},
                       7, 3);
    bench::figure("second_order.gradient", times[0] * 1e3, "ms", "<=", 1000);
    bench::figure("second_order.hvp", times[1] / times[0], "gradients", "<=", 4);
}
