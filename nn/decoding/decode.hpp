#pragma once

#include <unroll/core/autograd/tape.hpp>
#include <unroll/core/tensor/random.hpp>
#include <unroll/nn/text/vocabulary.hpp>

#include <array>
#include <ranges>
#include <vector>

namespace unroll::nn {

// Decoders generate sequences with any step function
//   step(state, tokens [N]) -> Prediction<State, T>
// for a batch of N unfinished sequences. Between steps they reorder the state: row i of the new
// state is row parents[i] of the old one; rows may be repeated or dropped. Nothing is recorded.
// Ties go to the higher-ranked parent, then to the lowest token. See docs/attention.md.

template <class State, class T = float>
struct Prediction {
    State state;
    Variable<T> log_probabilities; // [N, V]
    Variable<T> weights = {};      // attention weights [N, S], to draw; or empty
};

// How states are reordered: a variable along its batch axis, the last but one ([B, H] of a cell,
// [layers, B, H] of a recurrent network); arrays and vectors element by element; anything else by
// its own function `reordered(parents)`.
template <class T>
Variable<T> reorder(const Variable<T>& state, const Indices& parents);
template <class State>
requires requires(const State& state, const Indices& parents) { state.reordered(parents); }
State reorder(const State& state, const Indices& parents) { return state.reordered(parents); }
template <class X>
std::vector<X> reorder(std::vector<X> states, const Indices& parents);
template <class X, std::size_t N>
std::array<X, N> reorder(std::array<X, N> states, const Indices& parents) {
    for (auto& state : states) state = reorder(state, parents);
    return states;
}
template <class X>
std::vector<X> reorder(std::vector<X> states, const Indices& parents) {
    for (auto& state : states) state = reorder(state, parents);
    return states;
}

namespace detail {
// Reorders the indices of the original sequences that the rows of a decoder attend to. Returns
// whether any index changed: if only hypotheses of the same sequence are exchanged, the memory is
// unchanged.
bool reorder_sources(Indices& sources, const Indices& parents);
} // namespace detail

// A generated sequence.
template <class T = float>
struct Hypothesis {
    std::vector<std::int64_t> tokens; // without the start; including the end token, if generated
    double log_probability = 0;       // the sum over its tokens
    double score = 0;                 // the same, normalised by length
    bool ended = false;               // false: stopped at the length limit
    Tensor<T> weights;                // [tokens, S]; empty if the step returned none
};

// The words of a hypothesis. An unknown word is replaced by the source word with the largest
// attention weight at that step (Jean et al. 2015), if there are weights for every source word.
template <class T>
Tokens words_of(const Hypothesis<T>& written, const Vocabulary& vocabulary, const Tokens& source);

struct DecodeLimits {
    std::int64_t end = -1; // the end token; below 0: none
    std::size_t max_length = 100;
};

// Temperature 0 or top_k 1: the likeliest token; infinite temperature: uniform over allowed tokens.
struct SampleOptions {
    double temperature = 1;
    std::size_t top_k = 0; // only the k likeliest; 0: all
    double top_p = 1;      // only the fewest with at least this total probability
    std::int64_t end = -1;
    std::size_t max_length = 100;
    Random random = Random(1); // sequence b draws from its own stream, random.split(b)
};

// Scores are log p / penalty(n) for n tokens, the end included.
struct BeamOptions {
    enum class Penalty {
        power, // n^a
        wu     // ((5 + n) / 6)^a  (Wu et al. 2016)
    };
    std::size_t beam = 4;
    std::size_t n_best = 1;
    double length_penalty = 0; // a; 0: compares sums; 1 with `power`: compares means per token
    Penalty penalty = Penalty::power;
    std::int64_t end = -1;
    std::size_t max_length = 100;
};

// The distribution that a token is drawn from: temperature, then top_k, then top_p, applied to each
// row of log-probabilities [N, V]. Throws Error for invalid options, and for a row that allows no
// token or contains NaN.
template <class T>
Tensor<T> sampling_distribution(const Tensor<T>& log_probabilities, const SampleOptions& options);

// The state shared by all decoders: rows in progress and their token histories.
template <class T = float>
class Search {
public:
    Search(const char* name, const Indices& start, const DecodeLimits& limits);

    bool is_done() const { return rows_.empty(); }
    // Inputs of the next step: the last token of each row, and its parent row.
    Indices tokens() const;
    Indices parents() const;
    bool keeps_order() const; // parents are 0 ... n - 1 of n rows
    // Throws Error unless a state of the first step has a row for each start token.
    void require_batch(const Shape& state) const;

protected:
    struct Row {
        std::size_t sequence; // of the batch
        std::size_t parent;   // row of the last step
        std::int64_t token;
        double log_probability;
        std::ptrdiff_t trace; // of its last token; -1: none yet
    };

    // Checks what a step returned. Throws Error.
    Tensor<T> checked(const Variable<T>& log_probabilities, const Variable<T>& weights) const;
    // Turns the chosen continuations into rows; those that end or reach the limit are passed to
    // finish().
    void continue_with(std::vector<Row> chosen, const Variable<T>& weights);
    virtual void finish(const Row& row, Hypothesis<T> hypothesis) = 0;
    ~Search() = default;
    [[noreturn]] void no_token(std::size_t sequence) const;

    const char* name_;
    DecodeLimits limits_;
    std::size_t length_ = 0; // of all rows in progress
    std::vector<Row> rows_;

private:
    struct Trace {
        std::ptrdiff_t parent;
        std::int64_t token;
        Tensor<T> weights; // [S]
    };
    Hypothesis<T> hypothesis(const Row& row) const;

    std::size_t before_ = 0; // rows of the last step
    std::vector<Trace> traces_;
};

// One sequence for each start, drawn token by token.
template <class T = float>
class Sampling final : public Search<T> {
public:
    Sampling(const Indices& start, const SampleOptions& options, const char* name = "sample");
    void advance(const Variable<T>& log_probabilities, const Variable<T>& weights);
    std::vector<Hypothesis<T>> results() { return std::move(results_); }

private:
    using Row = typename Search<T>::Row;
    void finish(const Row& row, Hypothesis<T> hypothesis) override;

    SampleOptions options_;
    std::vector<Random> randoms_;
    std::vector<Hypothesis<T>> results_;
};

// The best few sequences for each start.
template <class T = float>
class Beam final : public Search<T> {
public:
    Beam(const Indices& start, const BeamOptions& options);
    void advance(const Variable<T>& log_probabilities, const Variable<T>& weights);
    std::vector<std::vector<Hypothesis<T>>> results() { return std::move(results_); }

private:
    using Row = typename Search<T>::Row;
    double penalty(std::size_t length) const;
    bool is_decided(std::size_t sequence, double best) const;
    void finish(const Row& row, Hypothesis<T> hypothesis) override;

    BeamOptions options_;
    std::vector<std::vector<Hypothesis<T>>> results_; // best first, n_best at most
};

namespace detail {

// The scalar type of a step function's log-probabilities.
template <class Step, class State>
using scalar_of_step = typename decltype(std::declval<const Step&>()(std::declval<const State&>(),
                                                                     std::declval<const Indices&>())
                                             .log_probabilities)::value_type;

// Of every variable in a state that reorder() goes through.
template <class Search, class State>
void require_batch(const Search& search, const State& state) {
    if constexpr (requires { state.shape(), state.dimension(); }) {
        if (state.dimension() >= 2) search.require_batch(state.shape());
    } else if constexpr (std::ranges::range<State>) {
        for (const auto& part : state) require_batch(search, part);
    }
}

template <class Search, class Step, class State>
auto decode(Search search, const Step& step, State state) {
    const NoRecording<scalar_of_step<Step, State>> paused;
    require_batch(search, state);
    while (!search.is_done()) {
        if (!search.keeps_order()) state = reorder(state, search.parents());
        auto next = step(std::as_const(state), search.tokens());
        search.advance(next.log_probabilities, next.weights);
        state = std::move(next.state);
    }
    return search.results();
}

} // namespace detail

// Draws tokens one by one; one hypothesis for each of the start tokens [B]. Throws Error for
// invalid options, for a state of another batch, and for steps that do not return log-probabilities
// or allow no token.
template <class Step, class State, class T = detail::scalar_of_step<Step, State>>
std::vector<Hypothesis<T>> sample(const Step& step, const State& state, const Indices& start,
                                  const SampleOptions& options, Where where = Where::current()) {
    const Called here(where);
    return detail::decode(Sampling<T>(start, options), step, state);
}

// Takes the likeliest token in each step.
template <class Step, class State, class T = detail::scalar_of_step<Step, State>>
std::vector<Hypothesis<T>> greedy(const Step& step, const State& state, const Indices& start,
                                  const DecodeLimits& limits, Where where = Where::current()) {
    const Called here(where);
    const SampleOptions likeliest{
        .temperature = 0, .end = limits.end, .max_length = limits.max_length};
    return detail::decode(Sampling<T>(start, likeliest, "greedy"), step, state);
}

// Beam search: each step keeps the `beam` likeliest continuations of all hypotheses of a sequence.
// Hypotheses that end, or reach the length limit, are collected. The search for a sequence stops
// when no remaining hypothesis can enter the n best. Returns these, best first, or fewer if fewer
// were found; ties in order of completion. A beam of 1 equals greedy(). Throws Error as sample()
// does, also if a sequence allows no token before any hypothesis is complete.
template <class Step, class State, class T = detail::scalar_of_step<Step, State>>
std::vector<std::vector<Hypothesis<T>>>
beam_search(const Step& step, const State& state, const Indices& start, const BeamOptions& options,
            Where where = Where::current()) {
    const Called here(where);
    return detail::decode(Beam<T>(start, options), step, state);
}

} // namespace unroll::nn
