#pragma once

#include <unroll/core/autograd/tape.hpp>
#include <unroll/nn/losses/ctc.hpp>

#include <functional>
#include <span>
#include <vector>

namespace unroll::nn {

struct CtcBeamOptions {
    std::size_t beam = 16;
    std::size_t n_best = 1;
    std::int64_t blank = 0;
    double language = 1;   // weight of the language model's log-probabilities
    double bonus = 0;      // for every symbol, against a language model's liking for short words
    std::int64_t end = -1; // what a language model calls the end of a sequence; below 0: nothing
};

struct CtcHypothesis {
    std::vector<std::int64_t> symbols;
    double log_probability = 0; // of all its paths that the search has followed
    double score = 0; // and of the language model, weighted, and the bonus; -inf: must not end here
};

namespace detail {

// What a language model says of each symbol behind a prefix, [1, V or more]. Prefixes are numbered
// in the order of the calls; the first one is the empty prefix, behind `none`.
inline constexpr std::size_t none = ~std::size_t{0};
template <class T>
using Continue = std::function<Tensor<T>(std::size_t prefix, std::int64_t symbol)>;

// The search over one sequence [T, V]; without a language model where `behind` is empty.
template <class T>
std::vector<CtcHypothesis> ctc_search(const Tensor<T>& x, const CtcBeamOptions& options,
                                      const Continue<T>& behind, std::int64_t start);
std::vector<std::size_t> checked_search(const Shape& x, std::span<const std::size_t> lengths,
                                        const CtcBeamOptions& options);

} // namespace detail

// The likeliest symbol sequences behind log-probabilities x [T, B, V] of connectionist temporal
// classification: step by step the `beam` best prefixes go on, each with the probability of all
// paths to it (Graves et al. 2006; with a language model: Hannun et al. 2014). Best first, fewer
// than n_best where fewer are possible; of equals the earlier prefix, then the lower symbol. Throws
// Error for options, shapes and lengths that make no sense, for NaN, and where nothing is possible.
template <class T>
std::vector<std::vector<CtcHypothesis>> ctc_beam_search(const Tensor<T>& x,
                                                        std::span<const std::size_t> lengths,
                                                        const CtcBeamOptions& options = {});

// The same with a language model, a step function as decoders take (nn/decode.hpp), of one prefix
// at a time: step(state, tokens [1]) -> Prediction, over the same symbols, of which the blank is
// never asked for. It begins with `state` and the token `start`.
template <class T, class Step, class State>
std::vector<std::vector<CtcHypothesis>>
ctc_beam_search(const Tensor<T>& x, std::span<const std::size_t> lengths,
                const CtcBeamOptions& options, const Step& step, const State& state,
                std::int64_t start) {
    const auto ends = detail::checked_search(x.shape(), lengths, options);
    const NoRecording<T> paused;
    std::vector<std::vector<CtcHypothesis>> found;
    for (std::size_t b = 0; b < ends.size(); ++b) {
        std::vector<State> states;
        const auto behind = [&](std::size_t prefix, std::int64_t symbol) {
            const State& before = prefix == detail::none ? state : states[prefix];
            auto next = step(before, Indices({1}, {symbol}));
            states.push_back(std::move(next.state));
            return next.log_probabilities.value();
        };
        found.push_back(
            detail::ctc_search<T>(x.select(1, b).slice(0, 0, ends[b]), options, behind, start));
    }
    return found;
}

} // namespace unroll::nn
