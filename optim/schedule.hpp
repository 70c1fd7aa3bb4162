#pragma once

#include <cstdint>
#include <functional>

namespace unroll::optim {

// The learning rate as a function of the step, counted from 0:
// adam.set_learning_rate(schedule(adam.steps())).
using Schedule = std::function<double(std::uint64_t step)>;

Schedule constant(double learning_rate);
// learning_rate factor^floor(step / every)
Schedule stepwise(double learning_rate, double factor, std::uint64_t every);
// learning_rate factor^step
Schedule exponential(double learning_rate, double factor);
// Half a cosine wave from `learning_rate` down to `last` in `steps` steps  (Loshchilov and Hutter
// 2017)
Schedule cosine(double learning_rate, std::uint64_t steps, double last = 0);
// Linear warm-up over the first `steps`, starting at after(0) / steps; then `after`, starting from
// its step 0.
Schedule warm_up(std::uint64_t steps, Schedule after);

// Multiplies the learning rate by `factor` when the loss has not improved for `patience` reports.
class Plateau {
public:
    Plateau(double learning_rate, double factor = 0.5, std::uint64_t patience = 3);
    double learning_rate() const { return learning_rate_; }
    // Takes the latest loss and returns the new learning rate.
    double report(double loss);

private:
    double learning_rate_, factor_, best_;
    std::uint64_t patience_, waited_ = 0;
};

} // namespace unroll::optim
