#pragma once

#include <unroll/core/check/difference.hpp>
#include <unroll/core/check/gradcheck.hpp>

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace unroll {

// A function under gradcheck: its analytic derivative, and its values as inputs and parameters are
// perturbed along a line.
class Perturbed {
public:
    Perturbed(const GradcheckFunction& f, const std::vector<Tensor<double>>& inputs,
              const Parameters<double>& parameters, const GradcheckOptions& options, Where where);
    ~Perturbed();
    Perturbed(const Perturbed&) = delete;
    Perturbed& operator=(const Perturbed&) = delete;

protected:
    using Variables = std::vector<Variable<double>>;

    // What is perturbed: an input, or a parameter's value.
    struct Subject {
        std::string name;
        Tensor<double> value;
        ParameterRef<double> parameter; // empty for an input
        Tensor<double> analytic;        // [observed outputs, elements]
        double typical = 1;             // root mean square of the elements; 1 if all are 0

        // The scale of a relative change of an element.
        double scale(std::size_t element) const;
    };

    // Per subject.
    struct Direction {
        std::vector<Tensor<double>> starts, components;
    };

    // The function, or its gradient, on a tape of the caller. Differences are those of the ordinary
    // gradient, so that a recorded one that is wrong is detected, too.
    Variable<double> evaluate(Tape<double>& tape, Variables& subjects, bool is_recorded = true);
    void differentiate();
    static double analytic(const Subject& s, std::size_t output, std::size_t element);
    Tensor<double> value();
    // The observed outputs: all elements of the result, or their sum under the cotangent.
    Differences::Sample sample(double step, const std::function<void(double)>& move);
    Differences element_line(Subject& s, std::size_t k, double scale);
    // Small elements are perturbed by the typical scale of the others, to limit rounding errors.
    Differences element_line(Subject& s, std::size_t k);
    // A random direction, in which every element changes relative to its size.
    Direction direction(std::span<Subject> moved, double& analytic_slope);
    static void move(std::span<Subject> moved, const Direction& d, double by);
    Differences direction_line(std::span<Subject> moved, const Direction& d);

    const GradcheckFunction& f_;
    GradcheckOptions options_;
    Random random_;
    std::vector<Subject> subjects_;
    // With their values: running means, which the function changes, are restored.
    std::vector<std::pair<ParameterRef<double>, Tensor<double>>> frozen_;
    std::size_t elements_ = 0, outputs_ = 1, evaluations_ = 0;
    Tensor<double> cotangent_, start_;
    std::vector<double> sizes_;   // per output: sum of magnitudes of the terms
    std::vector<double> effects_; // per output

private:
    // The gradient of y under a separate cotangent, as one vector.
    Variable<double> gradient_of(Tape<double>& tape, const Variable<double>& y,
                                 const Variables& subjects, bool is_recorded) const;
    // Gradients under the cotangent. They start from nonzero values, which are subtracted
    // afterwards, so that a rule that overwrites instead of accumulating is detected.
    void backward(Tape<double>& tape, const Variable<double>& y, const Variables& x);
};

} // namespace unroll
