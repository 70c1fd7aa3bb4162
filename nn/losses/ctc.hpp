#pragma once

#include <unroll/core/autograd/record.hpp>
#include <unroll/nn/text/batches.hpp>

#include <span>
#include <vector>

namespace unroll::nn {

enum class Reduction {
    none, // [B]
    sum,
    mean // of each loss divided by the length of its target, or by 1 where that is empty
};

struct CtcOptions {
    std::int64_t blank = 0;
    Reduction reduction = Reduction::mean;
    bool zero_impossible = false; // such losses are 0 instead of +inf
};

template <class T>
struct CtcLoss {
    Variable<T> loss;
    std::size_t impossible = 0; // sequences that are too short for their targets, or forbid them
};

// Connectionist temporal classification (Graves et al. 2006): -log of the probability of a target,
// the sum over all paths of one symbol a step that are the target once repetitions and then blanks
// are left out. By the forward recursion in log space, in operations, one a step:
//   alpha_t(s) = log(e^alpha(s) + e^alpha(s-1) + [e^alpha(s-2)]) of t-1, + log p_t(symbol of s)
// over the states s of the target with blanks around each symbol; s-2 where symbols s, s-2 differ.
// x: log-probabilities [T, B, V], as log_softmax gives them; what they hold beyond `lengths`, all T
// where none are given, changes nothing. Where no path is possible the loss is +inf and its
// gradient is 0; of length 0 there is one path, of the empty target. Throws Error for shapes and
// lengths that do not fit, a blank outside [0, V), and targets that hold it or no symbol.
template <class T>
CtcLoss<T> ctc_loss(const Variable<T>& x, std::span<const std::size_t> lengths,
                    const PaddedBatch& targets, const CtcOptions& options = {});

// The likeliest path of each target, a symbol or blank for each of its steps (Viterbi 1967); of
// equals the one that is further on in the target. Throws Error as ctc_loss() does, and where no
// path is possible.
template <class T>
std::vector<std::vector<std::int64_t>>
ctc_align(const Tensor<T>& x, std::span<const std::size_t> lengths, const PaddedBatch& targets,
          std::int64_t blank = 0);

// A path without repetitions, then without blanks, and the step at which each symbol begins.
struct CtcSymbols {
    std::vector<std::int64_t> symbols;
    std::vector<std::size_t> steps;
};
CtcSymbols ctc_collapse(std::span<const std::int64_t> path, std::int64_t blank = 0);

// The likeliest symbol of every step, collapsed. Throws Error for shapes and lengths that do not
// fit.
template <class T>
std::vector<CtcSymbols> ctc_greedy(const Tensor<T>& x, std::span<const std::size_t> lengths = {},
                                   std::int64_t blank = 0);

namespace detail {
// Every sequence's length. Throws Error, for `owner`, for shapes, lengths and a blank that do not
// fit.
std::vector<std::size_t> checked_ctc(const char* owner, const Shape& x,
                                     std::span<const std::size_t> lengths, std::int64_t blank);
} // namespace detail

} // namespace unroll::nn
