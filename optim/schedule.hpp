#pragma once

#include <unroll/core/base/error.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace unroll::optim {

// The learning rate as a function of the step, counted from 0:
// adam.set_learning_rate(schedule(adam.steps())).
// The functions below throw Error for a learning rate or a factor that is negative or not finite,
// and for a period of 0 steps.
using Schedule = std::function<double(std::uint64_t step)>;

Schedule constant(double learning_rate, Where where = Where::current());
// learning_rate factor^floor(step / every)
Schedule stepwise(double learning_rate, double factor, std::uint64_t every,
                  Where where = Where::current());
// learning_rate factor^(number of milestones up to and including `step`). Milestones in ascending
// order.
Schedule multi_step(double learning_rate, double factor,
                    const std::vector<std::uint64_t>& milestones, Where where = Where::current());
// learning_rate factor^step
Schedule exponential(double learning_rate, double factor, Where where = Where::current());
// From `learning_rate` to `last` in `steps` steps:
// last + (learning_rate - last) (1 - step / steps)^power
Schedule polynomial(double learning_rate, std::uint64_t steps, double power = 1, double last = 0,
                    Where where = Where::current());
// Half a cosine wave from `learning_rate` down to `last` in `steps` steps  (Loshchilov and Hutter
// 2017)
Schedule cosine(double learning_rate, std::uint64_t steps, double last = 0,
                Where where = Where::current());
// The same, again from the start after each period; each is `factor` times as long as the one
// ahead of it.
Schedule cosine_restarts(double learning_rate, std::uint64_t first_period, std::uint64_t factor = 1,
                         double last = 0, Where where = Where::current());

struct CyclicOptions {
    std::uint64_t down = 0;  // steps from most to least; 0: as many as up
    double cycle_factor = 1; // of the height, per cycle
    double step_factor = 1;  // of the height, per step
};
// Linear from `least` to `most` in `up` steps, and back, again and again (Smith 2017).
Schedule cyclic(double least, double most, std::uint64_t up, const CyclicOptions& options = {},
                Where where = Where::current());

struct OneCycleOptions {
    double warm_up = 0.3;     // share of the steps with an increasing learning rate
    double first_factor = 25; // starts from most / first_factor
    double last_factor = 1e4; // ends at most / (first_factor last_factor)
    bool linear = false;      // instead of half cosine waves
};
// Up to `most` and down to almost 0, once, in `steps` steps (Smith and Topin 2019).
Schedule one_cycle(double most, std::uint64_t steps, const OneCycleOptions& options = {},
                   Where where = Where::current());

// Linear warm-up over the first `steps`, starting at after(0) / steps; then `after`, starting from
// its step 0.
Schedule warm_up(std::uint64_t steps, Schedule after);

// Multiplies the learning rate by `factor` when the loss has not improved for `patience` reports.
class Plateau {
public:
    Plateau(double learning_rate, double factor = 0.5, std::uint64_t patience = 3,
            Where where = Where::current());
    double learning_rate() const { return learning_rate_; }
    // Takes the latest loss and returns the new learning rate.
    double report(double loss);

    // What a checkpoint stores as metadata: the learning rate, the best loss, the reports since.
    std::string state() const;
    // Throws Error, changing nothing, for text that state() did not return.
    void restore(const std::string& state, Where where = Where::current());

private:
    double learning_rate_, factor_, best_;
    std::uint64_t patience_, waited_ = 0;
};

} // namespace unroll::optim
