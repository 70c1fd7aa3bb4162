#pragma once

#include <unroll/ops/operand.hpp>

#include <functional>
#include <span>

namespace unroll::nn {

// Runge-Kutta methods for y' = f(t, y).
enum class OdeMethod {
    rk4,            // the classical method of order 4, in equal steps
    dormand_prince, // order 5, in steps that an error estimate of order 4 chooses
};

struct OdeOptions {
    OdeMethod method = OdeMethod::dormand_prince;
    std::size_t steps = 1; // rk4: between two times
    // dormand_prince: accepts a step if the root mean square, over all elements of y, of
    // error / (absolute_tolerance + relative_tolerance |y|) is at most 1.
    double relative_tolerance = 1e-5, absolute_tolerance = 1e-6;
    double first_step = 0;         // 0: chosen from f
    std::size_t max_steps = 10000; // accepted and rejected
    // Recomputation: the tape keeps y and f(t, y) at each step, and the backward pass runs the step
    // again, with the same gradients bit for bit. What f refers to must live until then.
    bool checkpoint = false;
};

template <class T = float>
struct OdeSolution {
    Variable<T> values; // y at each of the times: [times, ...]
    std::size_t accepted = 0, rejected = 0, evaluations = 0;
};

// f(t, y) for y [...], of the same shape.
template <class T = float>
using OdeFunction = std::function<Variable<T>(double t, const Variable<T>& y)>;

// Integrates y' = f(t, y) from y(times[0]) = y0 [...] to each of the times, which rise or fall, as
// a neural ODE does (Chen et al. 2018, arXiv:1806.07366). Gradients flow back through the accepted
// steps to y0 and to the parameters that f reads; the lengths of steps are constants. Methods:
// Kutta 1901; Dormand and Prince 1980, with steps as in Hairer, Nørsett and Wanner 1993, section
// II.4. Throws Error for invalid options and times, if f returns another shape, or if y is no
// longer finite, a step is too short or max_steps are too few to continue.
template <class T>
OdeSolution<T> odeint(const std::type_identity_t<OdeFunction<T>>& f, const Variable<T>& y0,
                      std::span<const double> times, const OdeOptions& options = {},
                      Op op = "odeint");
template <TensorOperand Y>
auto odeint(const OdeFunction<scalar_t<Y>>& f, const Y& y0, std::span<const double> times,
            const OdeOptions& options = {}, Op op = "odeint") {
    return odeint<scalar_t<Y>>(f, unroll::detail::variable(y0), times, options, op);
}

} // namespace unroll::nn
