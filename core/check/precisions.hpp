#pragma once

#include <unroll/core/autograd/tape.hpp>

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace unroll {

struct PrecisionOptions {
    double ulps = 4;         // by which an operation in float may be wrong
    double margin = 8;       // times the effect of that, as measured, passes
    std::size_t samples = 3; // of random errors
    std::uint64_t seed = 1;
};

struct PrecisionReport {
    // The value of the function, and the gradient of every parameter: the worst element.
    struct Entry {
        std::string name;
        std::size_t index = 0;
        double in_float = 0, in_double = 0;
        double error = 0, tolerance = 0; // relative to the largest element
        bool passed = false;
    };
    std::vector<Entry> entries;

    bool passed() const;
    explicit operator bool() const { return passed(); }
    std::string text() const;
};
std::ostream& operator<<(std::ostream& out, const PrecisionReport& report);

// Compares the gradients of one model in float and in double, whose parameters have the same paths
// in the same order. Those in double are set to the values of those in float for the time of the
// call. Both functions must read the same data, which a float can hold, and are called with the
// same random numbers. The tolerance comes from the operations: the model in double runs again with
// every result and every gradient that arrives at a rule changed at random by some units in the
// last place of a float (`ulps`, and more for operations that sum), and the largest effect on a
// gradient, times `margin`, is what float may be wrong by. Throws Error for parameters that do not
// match, and for a function that gives nothing that depends on them.
PrecisionReport compare_precisions(const std::function<Variable<float>()>& in_float,
                                   const Parameters<float>& float_parameters,
                                   const std::function<Variable<double>()>& in_double,
                                   const Parameters<double>& double_parameters,
                                   const PrecisionOptions& options = {});

} // namespace unroll
