#pragma once

#include <unroll/core/autograd/formula.hpp>

#include <string>

namespace unroll {

// "c' = σ(f)·c + σ(i)·tanh(g)": one line for each output in order of evaluation. Long terms that
// are used more than once get a separate line and a name ("t1 = ...").
std::string text(const Formula& formula);
std::string latex(const Formula& formula);

} // namespace unroll
