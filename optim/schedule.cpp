#include <unroll/optim/schedule.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numbers>
#include <string>

#include <fmt/format.h>

namespace unroll::optim {

namespace {

void require(const Op& op, bool holds, const std::string& what, double got) {
    if (!holds) fail(op, what + ", got " + fmt::to_string(got));
}

void require_rate(const Op& op, double value, const char* what = "the learning rate") {
    require(op, value >= 0 && std::isfinite(value),
            std::string(what) + " must be at least 0 and finite", value);
}

void require_factor(const Op& op, double value, const char* what = "the factor") {
    require_rate(op, value, what);
}

void require_steps(const Op& op, std::uint64_t steps, const char* what) {
    if (steps == 0) fail(op, std::string(what) + " must be at least 1, got 0");
}

// From `first`, at 0, to `last`, at 1.
double half_wave(double first, double last, double done) {
    return last + (first - last) * (1 + std::cos(std::numbers::pi * done)) / 2;
}

// `step` of `steps`, as a number from 0 to 1.
double share(std::uint64_t step, std::uint64_t steps) {
    return static_cast<double>(std::min(step, steps)) / static_cast<double>(steps);
}

} // namespace

Schedule constant(double learning_rate, Where where) {
    require_rate(Op("constant", where), learning_rate);
    return [learning_rate](std::uint64_t) { return learning_rate; };
}

Schedule stepwise(double learning_rate, double factor, std::uint64_t every, Where where) {
    const Op op("stepwise", where);
    require_rate(op, learning_rate);
    require_factor(op, factor);
    require_steps(op, every, "`every`");
    return [=](std::uint64_t step) {
        return learning_rate * std::pow(factor, static_cast<double>(step / every));
    };
}

Schedule multi_step(double learning_rate, double factor,
                    const std::vector<std::uint64_t>& milestones, Where where) {
    const Op op("multi_step", where);
    require_rate(op, learning_rate);
    require_factor(op, factor);
    if (!std::is_sorted(milestones.begin(), milestones.end()))
        fail(op, "the milestones must be in ascending order");
    return [=](std::uint64_t step) {
        const auto passed = std::upper_bound(milestones.begin(), milestones.end(), step);
        return learning_rate * std::pow(factor, static_cast<double>(passed - milestones.begin()));
    };
}

Schedule exponential(double learning_rate, double factor, Where where) {
    const Op op("exponential", where);
    require_rate(op, learning_rate);
    require_factor(op, factor);
    return [=](std::uint64_t step) {
        return learning_rate * std::pow(factor, static_cast<double>(step));
    };
}

Schedule polynomial(double learning_rate, std::uint64_t steps, double power, double last,
                    Where where) {
    const Op op("polynomial", where);
    require_rate(op, learning_rate);
    require_rate(op, last, "the last learning rate");
    require(op, power > 0 && std::isfinite(power), "the power must be positive and finite", power);
    require_steps(op, steps, "`steps`");
    return [=](std::uint64_t step) {
        return last + (learning_rate - last) * std::pow(1 - share(step, steps), power);
    };
}

Schedule cosine(double learning_rate, std::uint64_t steps, double last, Where where) {
    const Op op("cosine", where);
    require_rate(op, learning_rate);
    require_rate(op, last, "the last learning rate");
    require_steps(op, steps, "`steps`");
    return [=](std::uint64_t step) { return half_wave(learning_rate, last, share(step, steps)); };
}

Schedule cosine_restarts(double learning_rate, std::uint64_t first_period, std::uint64_t factor,
                         double last, Where where) {
    const Op op("cosine_restarts", where);
    require_rate(op, learning_rate);
    require_rate(op, last, "the last learning rate");
    require_steps(op, first_period, "the first period");
    require_steps(op, factor, "the factor");
    return [=](std::uint64_t step) {
        std::uint64_t period = first_period;
        if (factor == 1) step %= period;
        while (step >= period) {
            step -= period;
            // A longer period than there are steps.
            if (period > std::numeric_limits<std::uint64_t>::max() / factor) break;
            period *= factor;
        }
        return half_wave(learning_rate, last, share(step, period));
    };
}

Schedule cyclic(double least, double most, std::uint64_t up, const CyclicOptions& options,
                Where where) {
    const Op op("cyclic", where);
    require_rate(op, least, "the least learning rate");
    require_rate(op, most, "the largest learning rate");
    require(op, most >= least, "the largest learning rate must be at least the least", most);
    require_factor(op, options.cycle_factor, "cycle_factor");
    require_factor(op, options.step_factor, "step_factor");
    require_steps(op, up, "`up`");
    const std::uint64_t down = options.down != 0 ? options.down : up;
    return [=](std::uint64_t step) {
        const std::uint64_t cycle = step / (up + down), within = step % (up + down);
        const double height = within <= up ? share(within, up) : 1 - share(within - up, down);
        return least + (most - least) * height *
                           std::pow(options.cycle_factor, static_cast<double>(cycle)) *
                           std::pow(options.step_factor, static_cast<double>(step));
    };
}

Schedule one_cycle(double most, std::uint64_t steps, const OneCycleOptions& options, Where where) {
    const Op op("one_cycle", where);
    require_rate(op, most, "the largest learning rate");
    require_steps(op, steps, "`steps`");
    require(op, options.warm_up >= 0 && options.warm_up < 1, "warm_up must be in [0, 1)",
            options.warm_up);
    require(op, options.first_factor > 0 && std::isfinite(options.first_factor),
            "first_factor must be positive and finite", options.first_factor);
    require(op, options.last_factor > 0 && std::isfinite(options.last_factor),
            "last_factor must be positive and finite", options.last_factor);
    const double first = most / options.first_factor, last = first / options.last_factor;
    const auto end = static_cast<double>(steps - 1);
    const double peak = options.warm_up * static_cast<double>(steps) - 1;
    const bool linear = options.linear;
    return [=](std::uint64_t step) {
        const double at = std::min(static_cast<double>(step), end);
        const auto between = [&](double from, double to, double done) {
            return linear ? from + (to - from) * done : half_wave(from, to, done);
        };
        if (peak > 1e-9 && at < peak) return between(first, most, at / peak);
        return between(most, last, (at - peak) / (end - peak));
    };
}

Schedule warm_up(std::uint64_t steps, Schedule after) {
    return [steps, after = std::move(after)](std::uint64_t step) {
        if (step >= steps) return after(step - steps);
        return after(0) * static_cast<double>(step + 1) / static_cast<double>(steps);
    };
}

Plateau::Plateau(double learning_rate, double factor, std::uint64_t patience, Where where)
    : learning_rate_(learning_rate), factor_(factor),
      best_(std::numeric_limits<double>::infinity()), patience_(patience) {
    const Op op("Plateau", where);
    require_rate(op, learning_rate);
    require(op, factor > 0 && factor < 1, "the factor must be in (0, 1)", factor);
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

std::string Plateau::state() const {
    return fmt::format("{} {} {}", learning_rate_, best_, waited_);
}

void Plateau::restore(const std::string& state, Where where) {
    char* end = nullptr;
    const double learning_rate = std::strtod(state.c_str(), &end), best = std::strtod(end, &end);
    const char* const digits = end + (*end == ' ');
    std::uint64_t waited = 0;
    const auto [rest, error] = std::from_chars(digits, state.c_str() + state.size(), waited);
    if (error != std::errc() || *rest != '\0' || !(learning_rate >= 0) || std::isnan(best))
        fail(Op("Plateau", where), "'" + state + "' is not the state of a Plateau");
    learning_rate_ = learning_rate;
    best_ = best;
    waited_ = waited;
}

} // namespace unroll::optim
