#pragma once

#include <unroll/core/autograd/parameter.hpp>

namespace unroll::optim {

// Scales all gradients so that their global Euclidean norm is at most `most`, and returns the norm
// before clipping. Computed in double, so float gradients of 1e30 do not overflow. Throws Error,
// changing nothing, if no parameter has a gradient, if the norm is not finite and if `most` is not
// positive.
template <class T>
double clip_norm(const Parameters<T>& parameters, double most, Where where = Where::current());
// Clamps every element of every gradient to [-most, most]. Throws Error if no parameter has a
// gradient and if `most` is not positive.
template <class T>
void clip_value(const Parameters<T>& parameters, double most, Where where = Where::current());

} // namespace unroll::optim
