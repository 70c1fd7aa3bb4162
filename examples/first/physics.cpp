// A physics-informed network: y'' + 2 d y' + w^2 y = 0, y(0) = 1, y'(0) = 0, a damped spring. The
// network is trained on the equation alone; the loss contains its second derivative.
#include <unroll/unroll.hpp>

#include <cmath>
#include <cstdio>
using namespace unroll;

int main() {
    nn::seed(3); // seed of the initial weights
    nn::Sequential net(
        nn::Linear<double>({.input = 1, .output = 32}), [](const auto& x) { return tanh(x); },
        nn::Linear<double>({.input = 32, .output = 32}), [](const auto& x) { return tanh(x); },
        nn::Linear<double>({.input = 32, .output = 1}));
    // y = 1 + t^2 net(t) satisfies the initial conditions for any network.
    const auto solution = [&](const Variable<double>& t) { return 1 + square(t) * net(t); };

    const double damping = 0.5, frequency = 3, end = 2;
    const std::size_t points = 64;
    Tensor<double> times({points, 1});
    for (std::size_t i = 0; i < points; ++i)
        times(i, 0) = end * static_cast<double>(i) / (points - 1);

    optim::Adam<double> adam(parameters(net), {.learning_rate = 1e-2});
    const auto schedule = optim::cosine(1e-2, 1500);
    for (int step = 0; step < 1500; ++step) {
        adam.set_learning_rate(schedule(adam.steps()));
        Tape<double> tape;
        const auto t = tape.variable(times, "t");
        const auto y = solution(t);
        // Each y depends only on its own t, so the gradient of their sum contains every dy/dt.
        const auto dy = gradients(sum(y), {t}, {.create_graph = true})[0];
        const auto ddy = gradients(sum(dy), {t}, {.create_graph = true})[0];
        const auto residual = ddy + 2 * damping * dy + frequency * frequency * y;
        const auto loss = mean(square(residual));
        tape.backward(loss);
        adam.step();
        if (step % 300 == 0 || step == 1499)
            std::printf("step %4d: loss %.3g\n", step, loss.item());
    }

    const double w = std::sqrt(frequency * frequency - damping * damping);
    const Tensor<double> y = solution(times).value();
    double worst = 0;
    for (std::size_t i = 0; i < points; ++i) {
        const double t = times(i, 0);
        const double exact =
            std::exp(-damping * t) * (std::cos(w * t) + damping / w * std::sin(w * t));
        worst = std::max(worst, std::abs(y(i, 0) - exact));
        if (i % 9 == 0) std::printf("t %.2f: network %8.5f, exact %8.5f\n", t, y(i, 0), exact);
    }
    std::printf("largest error %.2g\n", worst);
}
