#pragma once

#include <unroll/core/autograd/buffer.hpp>

#include <functional>
#include <vector>

namespace unroll {

// A function whose arguments and modules are captured, and what it returns.
template <class T>
using Recomputed = std::function<std::vector<Variable<T>>()>;

// Recomputation (Chen et al. 2016, arXiv:1604.06174): runs f without recording, and records its
// results as one operation on `tape`. The rule of the operation runs f again, recorded on a tape of
// its own, and passes the gradients of the results through that tape, so gradients are those of f
// as if it had been recorded; a recorded pass records the second run for further differentiation.
// Both runs draw the same random numbers, in evaluation mode or not as the first. Whatever f
// captures must live until the backward pass. Results that need no gradient, or that f returns as
// it received them, are returned as they are. The first result is stored in `slot`, if given. The
// backward pass throws Error if a variable or parameter that f read and that needs a gradient was
// changed in between, or if the second run does not have the same results bit for bit, so that a
// change of constants without effect on the results is not noticed. Without a tape it only calls f.
template <class T>
std::vector<Variable<T>> recompute(const Op& op, Tape<T>* tape, const Recomputed<T>& f,
                                   const OutputSlot<T>& slot = {});

// In such an f: x, with its elements copied to `memory`, which has the same shape. The gradient
// remains that of x.
template <class T>
Variable<T> relocated(const Variable<T>& x, const Tensor<T>& memory);

} // namespace unroll
