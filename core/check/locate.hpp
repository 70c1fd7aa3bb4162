#pragma once

#include <unroll/core/autograd/tape.hpp>

#include <functional>
#include <string>
#include <vector>

namespace unroll {

// Finds the operation that makes a gradient wrong along a line. Along it the derivative of
// <cotangent, y> is a sum over the recorded operations: what the rule of each one gives for the
// gradient that it received, times how its inputs change, must be that gradient times how its
// results change. So each rule is compared with differences of its own operation, at the values of
// this program. An operation that reads a constant which changes along the line is named as well.
//   run:  computes y on the tape, and its inputs.
//   move: shifts the inputs along the line by a step; 0 puts them back.
// The text names the first operation, in the order of recording, of which this does not hold; empty
// if there is none.
std::string locate_wrong_rule(
    const std::function<Variable<double>(Tape<double>&, std::vector<Variable<double>>&)>& run,
    const Tensor<double>& cotangent, const std::function<void(double)>& move, double step,
    double tolerance);

} // namespace unroll
