#pragma once

#include <functional>
#include <map>
#include <vector>

namespace unroll {

// Differences of functions along a line, at steps start * 4^rung for every requested rung. A
// function is given by its change relative to its value at the start.
class Differences {
public:
    // Per output: the changes for a step in either direction, and the magnitudes of the values. Not
    // finite outside the domain of the function.
    struct Sample {
        std::vector<double> up, down, size;
    };
    // The sample at a step; may throw.
    using Sampler = std::function<Sample(double step)>;

    struct Estimate {
        double value = 0, error = 0; // the derivative and its error
        double step = 0;
        double rounding = 0; // rounding error of `value` due to rounding of the function's value
        double largest = 0;  // magnitude of the slope at the first and larger steps
        int rung = 0;        // of the smallest step that agrees with it
        bool is_reduced = false; // the first step and larger ones do not
        bool is_flat = false;    // at smaller steps nothing changes
        bool is_one_sided = false;
    };

    // Steps below `least` are lost in the rounding of the position itself.
    Differences(double start, double least, Sampler sampler)
        : start_(start), least_(least), sampler_(std::move(sampler)) {}

    // One central difference; of its error only the rounding part is known.
    Estimate first(std::size_t output);
    // Extrapolated from two steps (Richardson), whose difference gives the error.
    Estimate second(std::size_t output);
    // Tries further steps and picks the one with the smallest estimated error, by agreement with
    // its neighbours (Ridders 1982). Stops early once the error is at most `accuracy`.
    Estimate best(std::size_t output, double accuracy);
    // Whether the one-sided slopes at the step of an estimate differ by an amount that does not
    // decrease with the step, and `slope` is between them, up to `slack`.
    bool is_kink(std::size_t output, const Estimate& at, double slope, double slack);

private:
    static constexpr int highest = 4, lowest = -40;

    double step(int rung) const;
    // Null if the function is not finite on both sides, or the step is too small.
    const Sample* sample(int rung);
    bool slope(int rung, std::size_t output, double& value, bool& is_one_sided);
    double rounding(int rung, std::size_t output);

    double start_, least_;
    Sampler sampler_;
    std::map<int, Sample> samples_;
};

} // namespace unroll
