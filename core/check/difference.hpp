#pragma once

#include <functional>
#include <map>
#include <vector>

namespace unroll {

// Differences of functions along a line, at steps start * 4^rung for every rung that is asked for.
// A function is known by how much it changes from its value at the start.
class Differences {
public:
    // By output: the change a step up and a step down the line, and the sizes of the values that
    // changed. Not finite outside the domain of the function.
    struct Sample {
        std::vector<double> up, down, size;
    };
    // The sample at a step; may throw.
    using Sampler = std::function<Sample(double step)>;

    struct Estimate {
        double value = 0, error = 0; // the derivative, and what it may be wrong by
        double step = 0;
        double rounding = 0;     // of the value, from that of the function's value alone
        int rung = 0;            // of the smallest step that agrees with it
        bool is_reduced = false; // the first step and wider ones do not
        bool is_flat = false;    // at smaller steps nothing changes
        bool is_one_sided = false;
    };

    // Steps below `least` are lost in the rounding of the place itself.
    Differences(double start, double least, Sampler sampler)
        : start_(start), least_(least), sampler_(std::move(sampler)) {}

    // One central difference; its error is not known, but for the rounding.
    Estimate first(std::size_t output);
    // Extrapolated from two steps (Richardson), whose difference gives the error.
    Estimate second(std::size_t output);
    // Tries further steps and picks the one with the smallest estimated error, by agreement with
    // its neighbours (Ridders 1982). Stops early once the error is at most `accuracy`.
    Estimate best(std::size_t output, double accuracy);
    // Whether the slopes on the two sides, at the step of an estimate, differ by something that
    // does not shrink with the step, and `slope` lies between them, but for `slack`.
    bool is_kink(std::size_t output, const Estimate& at, double slope, double slack);

private:
    static constexpr int highest = 4, lowest = -40;

    double step(int rung) const;
    // Null where the function is not finite on both sides, or the step too small.
    const Sample* sample(int rung);
    bool slope(int rung, std::size_t output, double& value, bool& is_one_sided);
    double rounding(int rung, std::size_t output);

    double start_, least_;
    Sampler sampler_;
    std::map<int, Sample> samples_;
};

} // namespace unroll
