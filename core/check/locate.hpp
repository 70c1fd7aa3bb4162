#pragma once

#include <unroll/core/autograd/tape.hpp>

#include <functional>
#include <string>
#include <vector>

namespace unroll {

// Finds the operation that makes a gradient wrong along a line. For every operation, the
// contributions of its rule times the change of its inputs must equal the received gradient times
// the change of its results. Each rule is therefore compared with differences of its own operation,
// at the values of this program. An operation that reads a constant which changes along the line is
// reported as well.
//   run:  computes y on the tape, and its inputs.
//   move: shifts the inputs along the line by a step; 0 puts them back.
// Returns a description of the first operation, in recording order, for which this does not hold;
// empty if there is none.
std::string locate_wrong_rule(
    const std::function<Variable<double>(Tape<double>&, std::vector<Variable<double>>&)>& run,
    const Tensor<double>& cotangent, const std::function<void(double)>& move, double step,
    double tolerance);

} // namespace unroll
