#pragma once

#include <unroll/core/autograd/tape.hpp>

#include <vector>

namespace unroll::nn {

struct TransducerBeamOptions {
    std::size_t beam = 16;
    std::size_t n_best = 1;
    std::int64_t blank = 0;
    std::size_t max_symbols = 10; // in a frame
};

struct TransducerHypothesis {
    std::vector<std::int64_t> symbols;
    double log_probability = 0; // of its alignments that the search visited
};

namespace detail {

// A transducer as a search sees it, with numbered prefixes.
class TransducerSteps {
public:
    virtual ~TransducerSteps() = default;
    virtual std::vector<double> log_probabilities(std::size_t frame, std::size_t prefix) = 0;
    // Numbers a prefix: the empty one is 0, then in the order of the calls.
    virtual void extend(std::size_t prefix, std::int64_t symbol) = 0;
};

template <class Joint, class Predict, class State>
class TransducerStates final : public TransducerSteps {
public:
    using T = typename std::invoke_result_t<const Joint&, std::size_t, const State&>::value_type;

    TransducerStates(const char* name, const Joint& joint, const Predict& predict, State state)
        : name_(name), joint_(joint), predict_(predict), states_{std::move(state)} {}

    std::vector<double> log_probabilities(std::size_t frame, std::size_t prefix) override {
        const Tensor<T> row = joint_(frame, states_[prefix]).value();
        if (row.dimension() != 2 || row.shape(0) != 1)
            fail(name_, "the joint network returned shape " + to_string(row.shape()) +
                            ", expected [1, V]");
        const auto values = row.to_vector();
        return {values.begin(), values.end()};
    }
    void extend(std::size_t prefix, std::int64_t symbol) override {
        states_.push_back(predict_(states_[prefix], Indices({1}, {symbol})));
    }

private:
    const char* name_;
    const Joint& joint_;
    const Predict& predict_;
    std::vector<State> states_;
    NoRecording<T> paused_;
};

inline constexpr const char* transducer_greedy_name = "transducer_greedy";
inline constexpr const char* transducer_beam_search_name = "transducer_beam_search";
TransducerHypothesis transducer_path(std::size_t frames, TransducerSteps& steps, std::int64_t blank,
                                     std::size_t max_symbols);
std::vector<TransducerHypothesis> transducer_search(std::size_t frames, TransducerSteps& steps,
                                                    const TransducerBeamOptions& options);

} // namespace detail

// Searches over the frames of one sequence, with any model of
//   joint(frame, state) -> Variable<T> of log-probabilities [1, V], the blank included
//   predict(state, tokens [1]) -> the state after one more symbol
// that starts with the state of the empty prefix. Nothing is recorded. Throw Error for invalid
// options, for NaN, and if no symbol is possible.

// Emits the likeliest symbol of a frame until it is the blank, at most `max_symbols` times. Ties go
// to the lower symbol.
template <class Joint, class Predict, class State>
TransducerHypothesis transducer_greedy(std::size_t frames, const Joint& joint,
                                       const Predict& predict, const State& state,
                                       std::int64_t blank = 0, std::size_t max_symbols = 10) {
    detail::TransducerStates<Joint, Predict, State> steps(detail::transducer_greedy_name, joint,
                                                          predict, state);
    return detail::transducer_path(frames, steps, blank, max_symbols);
}

// The likeliest symbol sequences (Graves 2012): each frame keeps the `beam` best prefixes, each
// with the total probability of its alignments. Within a frame all prefixes grow by one symbol at a
// time, as long as one is more probable than the worst of `beam` prefixes that ended the frame.
// Best first, fewer than n_best if fewer are possible; ties go to the prefix that was found first.
template <class Joint, class Predict, class State>
std::vector<TransducerHypothesis>
transducer_beam_search(std::size_t frames, const Joint& joint, const Predict& predict,
                       const State& state, const TransducerBeamOptions& options = {}) {
    detail::TransducerStates<Joint, Predict, State> steps(detail::transducer_beam_search_name,
                                                          joint, predict, state);
    return detail::transducer_search(frames, steps, options);
}

} // namespace unroll::nn
