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
        automatic,  // elements if there are few, otherwise directions
        elements,   // every element separately
        directions, // random directions for each input and parameter
        together,   // random directions through all of them at once: cost independent of size
        jacobian    // every element of the result with respect to every element
    };
    Mode mode = Mode::automatic;
    int order = 1;              // 2: check the gradient of the recorded gradient
    double tolerance = 1e-6;    // relative error that passes
    double smallest = 1e-4;     // smaller derivatives are compared as if they had this magnitude
    double step = 1e-4;         // of the differences, times max(1, |x|)
    std::size_t full = 300;     // elements of inputs and parameters together that count as few
    std::size_t directions = 3; // for each input and parameter, or for all of them
    std::uint64_t seed = 1;
};

// The result: for every input and parameter the element or direction of largest error.
struct GradcheckReport {
    enum class Verdict {
        zero, // analytic and numeric derivatives are 0 at every point checked
        passed,
        kink, // the function has a corner here, and the derivative is between the one-sided ones
        failed
    };
    struct Entry {
        std::string name;
        std::size_t index;  // of the element in row-major order, or of the direction
        std::size_t output; // element of the result; 0 unless a Jacobian is checked
        bool is_direction;
        double analytic, numeric, absolute, relative;
        Verdict verdict;
    };
    std::vector<Entry> entries;
    // If two calls with the same inputs differ: how. Nothing else is checked then.
    std::string indeterminate;

    // Nothing failed, and not all derivatives are zero.
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
// random cotangent. Gradients are nonzero before the backward pass, so that a rule that overwrites
// instead of accumulating is detected. The tape's random numbers are the same in every call.
// Parameters that are not frozen are checked like inputs. Throws Error for invalid options. f takes
// the inputs, as a vector of variables, or nothing if there are none.
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

// For a function of variables only: gradcheck([](auto a, auto b) { return a * b; }, a, b).
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
