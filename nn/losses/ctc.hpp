#pragma once

#include <unroll/core/autograd/record.hpp>
#include <unroll/nn/text/batches.hpp>
#include <unroll/ops/loss.hpp>

#include <span>
#include <vector>

namespace unroll::nn {

using unroll::Reduction;

struct CtcOptions {
    std::int64_t blank = 0;
    // none: [B]; mean: of the losses, each divided by the length of its target, or by 1 if that is
    // empty
    Reduction reduction = Reduction::mean;
    bool zero_impossible = false; // impossible targets give loss 0 instead of +inf
};

template <class T = float>
struct CtcLoss {
    Variable<T> loss;
    std::size_t impossible =
        0; // sequences too short for their targets, or whose emissions exclude them
};

// Connectionist temporal classification (Graves et al. 2006): -log of the probability of a target,
// summed over all paths of one symbol per step that collapse to the target when first repetitions
// and then blanks are removed. Computed by the forward recursion in log space, one operation per
// step:
//   alpha_t(s) = log(e^alpha(s) + e^alpha(s-1) + [e^alpha(s-2)]) of t-1, + log p_t(symbol of s)
// over the states s of the target with blanks around each symbol; s-2 where symbols s, s-2 differ.
// x: log-probabilities [T, B, V], as from log_softmax; steps after `lengths` (default: all T) are
// ignored. If no path is possible the loss is +inf and its gradient is 0; length 0 has one path,
// for the empty target. Throws Error if shapes or lengths do not match, for a blank outside [0, V),
// and for targets that contain the blank or an invalid symbol.
template <class T>
CtcLoss<T> ctc_loss(const Variable<T>& x, std::span<const std::size_t> lengths,
                    const PaddedBatch& targets, const CtcOptions& options = {},
                    Where caller = Where::current());

// The likeliest path of each target, a symbol or blank for each step (Viterbi 1967); ties go to the
// path that has advanced further in the target. Throws Error as ctc_loss() does, and if no path is
// possible.
template <class T>
std::vector<std::vector<std::int64_t>>
ctc_align(const Tensor<T>& x, std::span<const std::size_t> lengths, const PaddedBatch& targets,
          std::int64_t blank = 0, Where where = Where::current());

// A collapsed path: repetitions removed, then blanks; and the first step of each symbol.
struct CtcSymbols {
    std::vector<std::int64_t> symbols;
    std::vector<std::size_t> steps;
};
CtcSymbols ctc_collapse(std::span<const std::int64_t> path, std::int64_t blank = 0);

// The likeliest symbol of every step, collapsed. Throws Error if shapes or lengths do not match.
template <class T>
std::vector<CtcSymbols> ctc_greedy(const Tensor<T>& x, std::span<const std::size_t> lengths = {},
                                   std::int64_t blank = 0, Where where = Where::current());

namespace detail {
// Throws Error for a blank outside [0, symbols).
void check_blank(const Op& op, std::int64_t blank, std::size_t symbols);
// The length of every sequence. Throws Error, naming `op`, for invalid shapes, lengths or blank.
std::vector<std::size_t> checked_ctc(const Op& op, const Shape& x,
                                     std::span<const std::size_t> lengths, std::int64_t blank);

struct CheckedTargets {
    Indices symbols;                  // [L, B], contiguous
    std::vector<std::size_t> lengths; // of the B targets
};
// Throws Error, naming `op`, or `target_op` for a length, for targets that are not [L, B] or
// contain the blank or a symbol outside [0, symbols).
CheckedTargets checked_targets(const Op& op, const Op& target_op, const PaddedBatch& targets,
                               std::size_t batch, std::size_t symbols, std::int64_t blank);

// The result of a loss from the loss of each target [B], +inf if it is impossible. Throws Error for
// a negative one, which log-probabilities do not give.
template <class T>
CtcLoss<T> ctc_result(const Op& op, Variable<T> losses, std::span<const std::size_t> target_lengths,
                      const CtcOptions& options);
} // namespace detail

} // namespace unroll::nn
