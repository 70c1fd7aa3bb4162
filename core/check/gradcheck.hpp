#pragma once

#include <unroll/core/autograd/tape.hpp>

#include <concepts>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace unroll {

struct GradcheckOptions {
    enum class Mode {
        automatic,  // elements where there are few, else directions
        elements,   // every element by itself
        directions, // random ones for each input and parameter
        together,   // random ones through all of them at once: the cost does not grow with size
        jacobian    // every element of the result by every element
    };
    Mode mode = Mode::automatic;
    int order = 1;              // 2: the gradient of the gradient, which is recorded
    double tolerance = 1e-6;    // relative error that passes
    double smallest = 1e-4;     // derivatives below this are compared as if they were this large
    double step = 1e-4;         // of the differences, times max(1, |x|)
    std::size_t full = 300;     // elements, inputs and parameters together, that are few
    std::size_t directions = 3; // for each input and parameter, or for all of them
    std::uint64_t seed = 1;
};

// The outcome: for every input and parameter the worst place.
struct GradcheckReport {
    enum class Verdict {
        zero, // analytic and numeric derivative are 0 wherever it was looked at
        passed,
        kink, // the function has a corner here, and the derivative lies between those on its sides
        failed
    };
    struct Entry {
        std::string name;
        std::size_t index;  // of the element in row-major order, or of the direction
        std::size_t output; // element of the result; 0 but for a Jacobian
        bool is_direction;
        double analytic, numeric, absolute, relative;
        Verdict verdict;
    };
    std::vector<Entry> entries;
    // Where two calls with the same inputs differ, how; nothing else is checked then.
    std::string indeterminate;

    // Nothing failed, and not everything is zero.
    bool passed() const;
    bool zero_everywhere() const;
    explicit operator bool() const { return passed(); }
    std::string text() const;
    std::string json() const;
};
std::ostream& operator<<(std::ostream& out, const GradcheckReport& report);

using GradcheckFunction =
    std::function<Variable<double>(const std::vector<Variable<double>>& inputs)>;
GradcheckReport check_gradients(const GradcheckFunction& f,
                                const std::vector<Tensor<double>>& inputs,
                                const Parameters<double>& parameters,
                                const GradcheckOptions& options);

// Compares the gradient of a function with central differences of fourth order, in double, under a
// random cotangent. The gradients hold other values when the backward pass begins, so that a rule
// which overwrites instead of adding is caught. Randomness of the tape is the same in every call.
// Parameters that are not frozen are checked like inputs. Throws Error for options that make no
// sense. f takes the inputs, as a vector of variables, or nothing if there are none.
template <class F>
GradcheckReport gradcheck(const F& f, const std::vector<Tensor<double>>& inputs,
                          const Parameters<double>& parameters = {},
                          const GradcheckOptions& options = {}) {
    if constexpr (std::invocable<const F&>)
        return check_gradients([&f](const std::vector<Variable<double>>&) { return f(); }, inputs,
                               parameters, options);
    else
        return check_gradients(f, inputs, parameters, options);
}

// For a function of variables alone: gradcheck([](auto a, auto b) { return a * b; }, a, b).
template <class F, std::same_as<Tensor<double>>... X>
GradcheckReport gradcheck(const F& f, const X&... inputs) {
    return check_gradients(
        [&f](const std::vector<Variable<double>>& x) -> Variable<double> {
            return [&]<std::size_t... i>(std::index_sequence<i...>) { return f(x[i]...); }
            (std::index_sequence_for<X...>{});
        },
        {inputs...}, {}, {});
}

} // namespace unroll
