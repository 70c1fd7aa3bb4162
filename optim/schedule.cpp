#include <unroll/core/base/error.hpp>
#include <unroll/optim/schedule.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace unroll::optim {

Schedule constant(double learning_rate) {
    return [learning_rate](std::uint64_t) { return learning_rate; };
}

Schedule stepwise(double learning_rate, double factor, std::uint64_t every) {
    if (every == 0) fail("stepwise", "`every` must be at least 1, got 0");
    return [=](std::uint64_t step) {
        return learning_rate * std::pow(factor, static_cast<double>(step / every));
    };
}

Schedule exponential(double learning_rate, double factor) {
    return [=](std::uint64_t step) {
        return learning_rate * std::pow(factor, static_cast<double>(step));
    };
}

Schedule cosine(double learning_rate, std::uint64_t steps, double last) {
    if (steps == 0) fail("cosine", "at least one step is needed, got 0");
    return [=](std::uint64_t step) {
        const double done = static_cast<double>(std::min(step, steps)) / static_cast<double>(steps);
        return last + (learning_rate - last) * (1 + std::cos(std::numbers::pi * done)) / 2;
    };
}

Schedule warm_up(std::uint64_t steps, Schedule after) {
    return [steps, after = std::move(after)](std::uint64_t step) {
        if (step >= steps) return after(step - steps);
        return after(0) * static_cast<double>(step + 1) / static_cast<double>(steps);
    };
}

Plateau::Plateau(double learning_rate, double factor, std::uint64_t patience)
    : learning_rate_(learning_rate), factor_(factor),
      best_(std::numeric_limits<double>::infinity()), patience_(patience) {
    if (!(factor > 0 && factor < 1))
        fail("Plateau", "the factor must be in (0, 1), got " + std::to_string(factor));
}

double Plateau::report(double loss) {
    if (loss < best_) {
        best_ = loss;
        waited_ = 0;
    } else if (++waited_ >= patience_) {
        learning_rate_ *= factor_;
        waited_ = 0;
    }
    return learning_rate_;
}

} // namespace unroll::optim
