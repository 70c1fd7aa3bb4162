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
    double language = 1; // weight of the language model's log-probabilities
    double bonus = 0; // added per symbol, to offset a language model's preference for short outputs
    std::int64_t end = -1; // the end token of the language model; below 0: none
};

struct CtcHypothesis {
    std::vector<std::int64_t> symbols;
    double log_probability = 0; // of all its paths in the search
    double score = 0;           // with language model and bonus; -inf: cannot end here
};

namespace detail {

// log(e^a + e^b); -inf if both are.
double log_add(double a, double b);

// Language model log-probabilities of each symbol after a prefix, [1, V or more]. Prefixes are
// numbered in the order of the calls; the first call is for the empty prefix, with parent `none`.
inline constexpr std::size_t none = ~std::size_t{0};
template <class T>
using Continue = std::function<Tensor<T>(std::size_t prefix, std::int64_t symbol)>;

// The search over one sequence [T, V]; without a language model if `language_model` is empty.
template <class T>
std::vector<CtcHypothesis> ctc_search(const Tensor<T>& x, const CtcBeamOptions& options,
                                      const Continue<T>& language_model, std::int64_t start);
std::vector<std::size_t> checked_search(const Shape& x, std::span<const std::size_t> lengths,
                                        const CtcBeamOptions& options);

} // namespace detail

// Prefix beam search: the likeliest symbol sequences for CTC log-probabilities x [T, B, V]. Each
// step keeps the `beam` best prefixes, each with the total probability of its paths (Graves et al.
// 2006; with a language model: Hannun et al. 2014). Best first, fewer than n_best if fewer are
// possible; ties go to the earlier prefix, then to the lower symbol. Throws Error for invalid
// options, shapes and lengths, for NaN, and if no sequence is possible.
template <class T>
std::vector<std::vector<CtcHypothesis>> ctc_beam_search(const Tensor<T>& x,
                                                        std::span<const std::size_t> lengths,
                                                        const CtcBeamOptions& options = {});

// The same with a language model: a step function as in decode.hpp, called for one prefix at a
// time: step(state, tokens [1]) -> Prediction, over the same symbols; the blank is never used.
// Starts with `state` and the token `start`.
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
        const auto language_model = [&](std::size_t prefix, std::int64_t symbol) {
            const State& before = prefix == detail::none ? state : states[prefix];
            auto next = step(before, Indices({1}, {symbol}));
            states.push_back(std::move(next.state));
            return next.log_probabilities.value();
        };
        found.push_back(detail::ctc_search<T>(x.select(1, b).slice(0, 0, ends[b]), options,
                                              language_model, start));
    }
    return found;
}

} // namespace unroll::nn
