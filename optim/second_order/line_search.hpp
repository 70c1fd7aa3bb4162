#pragma once

#include <unroll/core/tensor/tensor.hpp>

#include <functional>

namespace unroll::optim {

// A point x + step d of a line: the loss, its derivative by the step, and its gradient.
template <class T>
struct LinePoint {
    double step = 0, loss = 0, slope = 0;
    Tensor<T> gradient = {};
};

// A step that satisfies the strong Wolfe conditions:
//   loss <= start.loss + 1e-4 step start.slope,  |slope| <= 0.9 |start.slope|
// by bracketing and zoom with cubic interpolation (Nocedal and Wright 2006, algorithms 3.5 and
// 3.6), as in PyTorch's LBFGS. `start` has step 0 and a negative slope; `evaluate` returns an
// infinite loss where it is not finite, which is treated as too high. If no step is found within 25
// evaluations, or the bracket becomes narrower than `least_width`, returns the evaluated point with
// the lowest loss of the bracket, possibly `start`.
template <class T>
LinePoint<T> strong_wolfe(const std::function<LinePoint<T>(double step)>& evaluate,
                          const LinePoint<T>& start, double first_step, double least_width);

} // namespace unroll::optim
