// A custom recurrent cell, bidirectional and over sequences of different lengths. Task: find the
// largest step of a sequence, which requires both directions.
#include <unroll/unroll.hpp>

#include <iostream>
using namespace unroll;

// The minimal gated unit: h' = f h + (1 - f) tanh(n), with gates f, n = W x + U h + b.
template <class T>
struct MinimalCell {
    MinimalCell(std::size_t input, std::size_t hidden)
        : from_input({.input = input, .output = 2 * hidden}),
          from_state({.input = hidden, .output = 2 * hidden, .bias = false}) {}

    Variable<T> project(const Variable<T>& x) const { return from_input(x); } // all steps at once
    Variable<T> step(const Variable<T>& z, const Variable<T>& h) const {
        const Variable<T> gates = z + from_state(h), f = sigmoid(block(gates, 0, 2));
        return f * h + (1 - f) * tanh(block(gates, 1, 2));
    }
    void members(nn::Members<T>& m) { m("input", from_input)("state", from_state); }

    nn::Linear<T> from_input, from_state;
};

int main() {
    nn::Recurrent<MinimalCell<double>> small({.input = 1, .hidden = 2, .bidirectional = true});
    std::vector<std::size_t> lengths{3, 1};
    std::cout << gradcheck([&](const auto& x) { return small(x[0], {}, lengths).output; },
                           {Tensor<double>({3, 2, 1}, {1, 2, 3, 4, 5, 6})}, parameters(small));

    nn::Recurrent<MinimalCell<float>> net({.input = 1, .hidden = 16, .bidirectional = true});
    nn::Linear<float> score({.input = net.output_width(), .output = 1});
    optim::Adam<float> adam(parameters(net, score), {.learning_rate = 1e-2});
    const std::size_t steps = 10, batch = 64;
    Random random(1);
    for (int round = 0; round <= 400; ++round) {
        Tensor<float> x = Tensor<float>::zeros({steps, batch, 1});
        random.fill_normal(x.data(), x.size(), 0.f, 1.f);
        Indices largest = Indices::zeros({batch});
        lengths.assign(batch, 0);
        for (std::size_t b = 0; b < batch; ++b) {
            lengths[b] = 2 + random.below(steps - 1);
            for (std::size_t t = 1; t < lengths[b]; ++t)
                if (x(t, b, 0) > x(largest(b), b, 0)) largest(b) = static_cast<std::int64_t>(t);
        }
        Tape tape;
        const auto scores = transpose(squeeze(score(net(x, {}, lengths).output), 2)); // [B, T]
        const Mask inside = nn::length_mask(lengths, steps);
        const auto loss = -mean(pick(log_softmax(scores, inside), largest));
        tape.backward(loss);
        adam.step();
        if (round % 100 != 0) continue;
        const Indices guess = argmax(softmax(scores, inside));
        int right = 0;
        for (std::size_t b = 0; b < batch; ++b) right += guess(b) == largest(b);
        std::cout << round << ": loss " << loss.item() << ", found " << right << " of 64\n";
    }
}
