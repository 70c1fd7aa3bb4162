// A physics model by a neural ODE: a network learns the forces on a pendulum with friction from
// measured angles and velocities, then predicts another motion.
#include <unroll/unroll.hpp>

#include <cmath>
#include <cstdio>
using namespace unroll;

// y [B, 2]: angle and angular velocity.
Variable<double> pendulum(double, const Variable<double>& y) {
    const auto angle = slice(y, -1, 0, 1), velocity = slice(y, -1, 1, 2);
    return concatenate({velocity, -4.0 * sin(angle) - 0.2 * velocity}, -1);
}

std::vector<double> equal_times(double end, std::size_t count) {
    std::vector<double> times(count + 1);
    for (std::size_t i = 0; i <= count; ++i)
        times[i] = end * static_cast<double>(i) / static_cast<double>(count);
    return times;
}

int main() {
    nn::seed(1); // seed of the initial weights
    Random random(1);
    Tensor<double> start({32, 2});
    random.fill_uniform(start.data(), start.size(), -2.0, 2.0);
    const auto times = equal_times(1, 10);
    Tensor<double> measured = nn::odeint(pendulum, start, times).values.value().copy();
    for (double& value : std::span(measured.data(), measured.size()))
        value += 0.01 * random.normal(); // the instruments' noise

    nn::Sequential force(
        nn::Linear<double>({.input = 2, .output = 32}), [](const auto& x) { return tanh(x); },
        nn::Linear<double>({.input = 32, .output = 1}));
    const auto model = [&](double, const Variable<double>& y) {
        return concatenate({slice(y, -1, 1, 2), force(y)}, -1);
    };
    optim::Adam<double> adam(parameters(force), {.learning_rate = 3e-2});
    const auto schedule = optim::cosine(3e-2, 3000);
    for (int step = 0; step < 3000; ++step) {
        adam.set_learning_rate(schedule(adam.steps()));
        Tape<double> tape;
        const auto y =
            nn::odeint(model, measured.select(0, 0), times, {.method = nn::OdeMethod::rk4});
        const auto loss = mean_squared_error(y.values, measured);
        tape.backward(loss);
        adam.step();
        if (step % 1000 == 0 || step == 2999)
            std::printf("step %4d: loss %.2g\n", step, loss.item());
    }

    const Tensor<double> unseen({1, 2}, {1.8, 0});
    const auto long_times = equal_times(5, 10);
    const Tensor<double> truth = nn::odeint(pendulum, unseen, long_times).values.value(),
                         found = nn::odeint(model, unseen, long_times).values.value();
    for (std::size_t i = 0; i <= 10; i += 2)
        std::printf("t %.0f: network %6.3f, exact %6.3f\n", long_times[i], found(i, 0, 0),
                    truth(i, 0, 0));
    std::printf("largest error %.2g\n", amax(abs(found - truth)).item());
}
