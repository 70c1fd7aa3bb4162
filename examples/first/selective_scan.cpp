// A selective scan of your own: a state that decays as the input says, so that all steps are one
// operation. Task: at every step, tell the last number that was marked, up to 300 steps ago.
#include <unroll/unroll.hpp>

#include <cstdio>
using namespace unroll;

// h' = a h + (1 - a) v, where a = sigmoid(δ) and v depend on x alone.
template <class T>
struct SelectiveCell {
    static constexpr std::size_t states = 1;

    SelectiveCell(std::size_t input, std::size_t hidden)
        : decay({.input = input, .output = hidden}), value({.input = input, .output = hidden}) {}

    Variable<T> project(const Variable<T>& x) const {
        return concatenate({decay(x), tanh(value(x))}, -1);
    }
    nn::Scanned<T, 1> scan(const Variable<T>& z, const nn::State<T, 1>& state,
                           const LinearScanOptions& options) const {
        const Variable<T> a = sigmoid(block(z, 0, 2)), v = block(z, 1, 2);
        const auto [output, h] = linear_scan(a, (1 - a) * v, state[0], options);
        return {output, {h}};
    }
    nn::State<T, 1> step(const Variable<T>& z, const nn::State<T, 1>& state) const {
        return scan(expand_dims(z, 0), state, {}).state;
    }
    void members(nn::Members<T>& m) { m("decay", decay)("value", value); }

    nn::Linear<T> decay, value;
};

int main() {
    const nn::Recurrent<SelectiveCell<double>> small({.input = 2, .hidden = 3});
    const auto report = gradcheck([&](const auto& x) { return small(x[0]).output; },
                                  {Tensor<double>({3, 1, 2}, {1, 0, 2, 1, 3, 0})});
    std::printf("gradient check %s\n", report.passed() ? "passed" : "failed");

    const std::size_t steps = 300, batch = 16;
    nn::Recurrent<SelectiveCell<float>> net({.input = 2, .hidden = 32});
    nn::Linear<float> out({.input = 32, .output = 1});
    optim::Adam<float> adam(parameters(net, out), {.learning_rate = 1e-2});
    Random random(1);
    for (int round = 0; round <= 600; ++round) {
        Tensor<float> x({steps, batch, 2}), target({steps, batch, 1});
        for (std::size_t b = 0; b < batch; ++b)
            for (std::size_t t = 0; t < steps; ++t) {
                const bool marked = t == 0 || random.below(100) == 0;
                x(t, b, 0) = static_cast<float>(2 * random.uniform() - 1);
                x(t, b, 1) = marked ? 1 : 0;
                target(t, b, 0) = marked ? x(t, b, 0) : target(t - 1, b, 0);
            }
        Tape tape;
        const auto loss = mean_squared_error(out(net(x).output), target);
        tape.backward(loss);
        adam.step();
        if (round % 200 == 0) std::printf("%d: loss %.4f\n", round, loss.item());
    }
}
