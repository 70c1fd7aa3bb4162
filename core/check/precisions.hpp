#pragma once

#include <unroll/core/autograd/tape.hpp>

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace unroll {

struct PrecisionOptions {
    double ulps = 4;         // error of an operation in float
    double margin = 8;       // tolerance, relative to the measured effect of such errors
    std::size_t samples = 3; // number of runs with random errors
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
// in the same order. During the call, those in double are set to the values of those in float. Both
// functions must read the same data, representable in float, and are called with the same random
// numbers. The tolerance is measured: the model in double runs again with every result and every
// gradient received by a rule perturbed randomly by some float units in the last place (`ulps`, and
// more for operations that sum). The tolerance of a gradient is the largest effect on it, times
// `margin`. Throws Error if the parameters do not match, and if the result does not depend on them.
PrecisionReport compare_precisions(const std::function<Variable<float>()>& in_float,
                                   const Parameters<float>& float_parameters,
                                   const std::function<Variable<double>()>& in_double,
                                   const Parameters<double>& double_parameters,
                                   const PrecisionOptions& options = {},
                                   Where where = Where::current());

} // namespace unroll
