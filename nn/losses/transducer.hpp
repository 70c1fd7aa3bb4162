#pragma once

#include <unroll/nn/losses/ctc.hpp>

namespace unroll::nn {

using TransducerLossOptions = CtcOptions;
// `impossible` counts targets without a possible alignment.
template <class T = float>
using TransducerLoss = CtcLoss<T>;

// The loss of an RNN transducer (Graves 2012, arXiv 1211.3711): -log of the probability of a target
// of U symbols, summed over all alignments. An alignment emits the symbols in order, any number of
// them in a frame, and ends each of the T frames with a blank. y and blank after u symbols:
//   alpha(t, u) = log(e^(alpha(t-1, u) + log blank(t-1, u)) + e^(alpha(t, u-1) + log y(t, u-1)))
//   loss = -(alpha(T-1, U) + log blank(T-1, U))
// Computed in log space by diagonals t + u of the lattice, one operation per diagonal.
// x: log-probabilities [B, T, L + 1, V], as from log_softmax, in frame t after u symbols of the
// targets [L, B]; frames after `lengths` (default: all T) and symbols after the end of a target are
// ignored. If no alignment is possible the loss is +inf and its gradient is 0; length 0 has one,
// for the empty target. Throws Error if shapes or lengths do not match, for a blank outside [0, V),
// and for targets that contain the blank or an invalid symbol.
template <class T>
TransducerLoss<T> transducer_loss(const Variable<T>& x, std::span<const std::size_t> lengths,
                                  const PaddedBatch& targets,
                                  const TransducerLossOptions& options = {},
                                  Where caller = Where::current());

// The likeliest alignment of each target: the frame of each symbol (Viterbi 1967); ties go to the
// earlier frame. Throws Error as transducer_loss() does, and if no alignment is possible.
template <class T>
std::vector<std::vector<std::size_t>>
transducer_align(const Tensor<T>& x, std::span<const std::size_t> lengths,
                 const PaddedBatch& targets, std::int64_t blank = 0,
                 Where where = Where::current());

} // namespace unroll::nn
