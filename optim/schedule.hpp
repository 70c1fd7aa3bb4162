#pragma once

#include <cstdint>
#include <functional>

namespace unroll::optim {

// A rate for each step, from 0 on: adam.set_rate(schedule(adam.steps())).
using Schedule = std::function<double(std::uint64_t step)>;

Schedule constant(double rate);
// rate factor^floor(step / every)
Schedule stepwise(double rate, double factor, std::uint64_t every);
// rate factor^step
Schedule exponential(double rate, double factor);
// Half a cosine wave from `rate` down to `last` in `steps` steps  (Loshchilov and Hutter 2017)
Schedule cosine(double rate, std::uint64_t steps, double last = 0);
// Rises linearly from rate / steps over the first `steps`, then `after`, which begins at step 0.
Schedule warm_up(std::uint64_t steps, Schedule after);

// Multiplies the rate by `factor` whenever a loss has not fallen for `patience` reports.
class Plateau {
public:
    Plateau(double rate, double factor = 0.5, std::uint64_t patience = 3);
    double rate() const { return rate_; }
    // Takes the latest loss, and returns the rate from here on.
    double report(double loss);

private:
    double rate_, factor_, best_;
    std::uint64_t patience_, waited_ = 0;
};

} // namespace unroll::optim
