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
        directions, // random directions for each input and parameter, then some of its elements
        together,   // the same over all inputs and parameters at once: the cost does not depend on
                    // size
        jacobian,   // every element of the result with respect to every element
        taylor,     // random directions: the order at which the first-order remainder vanishes
        transpose   // <u, J v> = <J^T u, v> by double backward, without differences
    };
    Mode mode = Mode::automatic;
    int order = 1; // 2: check the gradient of the recorded gradient, by differences of the gradient
    double tolerance = 1e-6; // largest relative error that passes
    double smallest = 1e-4;  // see GradcheckReport::Verdict::passed
    double step = 1e-4;      // first step of the differences, relative to the values
    std::size_t full =
        300; // largest number of elements, over inputs and parameters, for `elements`
    std::size_t directions = 3; // for each input and parameter, or over all of them
    std::size_t elements = 6;   // after the directions: the largest, the smallest that is not zero,
                                // up to two zeros, the rest at random
    bool locate = false;        // on failure, find the operation whose rule is wrong
    std::uint64_t seed = 1;
};

// The result: for every input and parameter the element or direction of largest error.
struct GradcheckReport {
    enum class Verdict {
        zero, // analytic and numeric derivative are 0 at all checked elements
        // They agree within the tolerance; or they differ by no more than rounding, and by less
        // than tolerance * smallest times the largest effect of changing any element by its own
        // magnitude, or the slope of the function at large steps.
        passed,
        kink,  // the function has a kink here, and the derivative is between the one-sided ones
        noisy, // they disagree, but by no more than the error of the difference
        failed
    };
    struct Entry {
        std::string name;
        std::size_t index = 0;  // of the element in row-major order, or of the direction
        std::size_t output = 0; // element of the result; 0 except for a Jacobian
        bool is_direction = false;
        double analytic = 0, numeric = 0;
        double uncertainty = 0; // of `numeric`, estimated from differences at several steps
        double absolute = 0, relative = 0;
        double step = 0; // of `numeric`; along a direction, relative to the values
        // The first step left the domain of the function, or no two estimates agreed.
        bool is_step_reduced = false;
        bool is_one_sided = false; // the function is not finite on the other side
        double slope = 0; // taylor: the order of the remainder; infinite if it is all rounding
        Verdict verdict = Verdict::zero;
        const char* reason = ""; // why it passed with a relative error above the tolerance
    };
    // taylor: |f(x + h d) - f(x) - h <g, d>| at each step h.
    struct Remainder {
        std::string name;
        std::vector<double> steps, remainders;
        double slope;
    };
    std::vector<Entry> entries;
    std::vector<Remainder> remainders;
    // The difference if two calls with the same inputs differ; nothing else is checked then.
    std::string indeterminate;
    // With `locate`, after a failure: the first operation whose rule disagrees with differences of
    // the operation itself, with its line.
    std::string located;
    std::size_t evaluations = 0; // of the function

    // Nothing failed or is noisy, and not everything is zero.
    bool passed() const;
    bool zero_everywhere() const;
    // Nothing failed, but something is noisy.
    bool undecided() const;
    explicit operator bool() const { return passed(); }
    std::string text() const;
    std::string json() const;
    // taylor: the remainders over the steps, both logarithmic, as SVG.
    std::string svg() const;
};
std::ostream& operator<<(std::ostream& out, const GradcheckReport& report);

using GradcheckFunction =
    std::function<Variable<double>(const std::vector<Variable<double>>& inputs)>;
GradcheckReport check_gradients(const GradcheckFunction& f,
                                const std::vector<Tensor<double>>& inputs,
                                const Parameters<double>& parameters,
                                const GradcheckOptions& options, Where where = Where());

// Compares the gradient of a function with central differences, in double, under a random
// cotangent. If they disagree, the difference is repeated at larger and smaller steps and
// extrapolated (Richardson), which also estimates its error. Gradients are not zero when the
// backward pass begins, to detect rules that overwrite instead of accumulate. Every call draws the
// same random numbers. Parameters that are not frozen are checked like inputs. Throws Error for
// invalid options. f takes the inputs, as a vector of variables, or nothing if there are none.
template <class F>
GradcheckReport gradcheck(const F& f, const std::vector<Tensor<double>>& inputs,
                          const Parameters<double>& parameters = {},
                          const GradcheckOptions& options = {}, Where where = Where::current()) {
    if constexpr (std::invocable<const F&>)
        return check_gradients([&f](const std::vector<Variable<double>>&) { return f(); }, inputs,
                               parameters, options, where);
    else
        return check_gradients(f, inputs, parameters, options, where);
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
template <class F, class... X>
requires(std::same_as<X, Tensor<float>> || ...) GradcheckReport gradcheck(const F&, const X&...) {
    static_assert(sizeof(F) == 0, "gradients are checked in double: write Tensor<double>, and "
                                  "layers of double such as nn::Linear<double>");
    return {};
}

} // namespace unroll
