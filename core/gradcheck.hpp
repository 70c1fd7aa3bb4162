#pragma once

#include <unroll/core/tape.hpp>

#include <concepts>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace unroll {

struct GradcheckOptions {
    double tolerance = 1e-6;    // relative error that passes
    double smallest = 1e-4;     // derivatives below this are compared as if they were this large
    double step = 1e-4;         // of the differences, times max(1, |x|)
    std::size_t full = 300;     // up to so many elements every one is checked, beyond it directions
    std::size_t directions = 3; // random ones, for each input and parameter
    std::uint64_t seed = 1;
};

// The outcome: for every input and parameter the worst place.
struct GradcheckReport {
    struct Entry {
        std::string name;
        std::size_t index; // of the element in row-major order, or of the direction
        bool is_direction;
        double analytic, numeric, absolute, relative;
        bool passed;
    };
    std::vector<Entry> entries;

    bool passed() const;
    explicit operator bool() const { return passed(); }
    std::string text() const;
};
std::ostream& operator<<(std::ostream& out, const GradcheckReport& report);

// Compares the gradient of a function with central differences of fourth order, in double, under a
// random cotangent. The gradients hold other values when the backward pass begins, so that a rule
// which overwrites instead of adding is caught. Randomness of the tape is the same in every call.
// Elements of `parameters` are checked like inputs.
using GradcheckFunction = std::function<Variable<double>(
    Tape<double>& tape, const std::vector<Variable<double>>& inputs)>;
GradcheckReport check_gradients(const GradcheckFunction& f,
                                const std::vector<Tensor<double>>& inputs,
                                const std::vector<Parameter<double>*>& parameters,
                                const GradcheckOptions& options);
template <class F>
GradcheckReport gradcheck(const F& f, const std::vector<Tensor<double>>& inputs,
                          const std::vector<Parameter<double>*>& parameters = {},
                          const GradcheckOptions& options = {}) {
    return check_gradients(f, inputs, parameters, options);
}

// For a function of variables alone: gradcheck([](auto a, auto b) { return a * b; }, a, b).
template <class F, std::same_as<Tensor<double>>... X>
GradcheckReport gradcheck(const F& f, const X&... inputs) {
    return check_gradients(
        [&f](Tape<double>&, const std::vector<Variable<double>>& x) -> Variable<double> {
            return [&]<std::size_t... i>(std::index_sequence<i...>) { return f(x[i]...); }
            (std::index_sequence_for<X...>{});
        },
        {inputs...}, {}, {});
}

} // namespace unroll
