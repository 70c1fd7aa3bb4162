#pragma once

#include <unroll/core/autograd/tape.hpp>
#include <unroll/core/tensor/random.hpp>
#include <unroll/nn/text/vocabulary.hpp>

#include <array>
#include <vector>

namespace unroll::nn {

// Decoders write sequences with any step function
//   step(state, tokens [N]) -> Prediction<State, T>
// of N unfinished sequences side by side. Between steps they reorder the state: row i of the new
// one is row parents[i] of the old, and rows may be repeated or left out. They run with recording
// off. Ties go to the better ranked parent, then to the lowest token. See docs/attention.md.

template <class State, class T>
struct Prediction {
    State state;
    Variable<T> log_probabilities; // [N, V]
    Variable<T> weights = {};      // [N, S] of an attention, for pictures; or nothing
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
// Reorders which of a memory's first sequences each row of a decoder reads. Returns whether any
// reads another one now: hypotheses of one sequence change places, and the memory stays as it is.
bool reorder_sources(Indices& sources, const Indices& parents);
} // namespace detail

// A sequence that was written.
template <class T>
struct Hypothesis {
    std::vector<std::int64_t> tokens; // without the start; with the end, where that came
    double log_probability = 0;       // the sum over its tokens
    double score = 0;                 // the same, normalised by length
    bool ended = false;               // false: stopped at the length limit
    Tensor<T> weights;                // [tokens, S]; without memory where the step gave none
};

// The words of a hypothesis. In place of one that the vocabulary does not know stands the word of
// the source that the attention looked at most as it was written (Jean et al. 2015), where there
// are weights for every word of the source.
template <class T>
Tokens words_of(const Hypothesis<T>& written, const Vocabulary& vocabulary, const Tokens& source);

struct DecodeLimits {
    std::int64_t end = -1; // a token that ends a sequence; below 0: none does
    std::size_t max_length = 100;
};

// Temperature 0 and top_k 1 take the likeliest token, temperature infinity any allowed one alike.
struct SampleOptions {
    double temperature = 1;
    std::size_t top_k = 0; // of the k likeliest; 0, or as many as there are: of all
    double top_p = 1;      // of the fewest that have this much probability together, at least one
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
    double length_penalty = 0; // a; 0: sums are compared, 1 with `power`: means a token
    Penalty penalty = Penalty::power;
    std::int64_t end = -1;
    std::size_t max_length = 100;
};

// The distribution that a token is drawn from: temperature, then top_k, then top_p, of each row of
// log-probabilities [N, V]. Throws Error for options that make no sense, and for a row that allows
// nothing or holds NaN.
template <class T>
Tensor<T> sampling_distribution(const Tensor<T>& log_probabilities, const SampleOptions& options);

// What all decoders keep: rows in progress, their tokens, and how they came about.
template <class T>
class Search {
public:
    Search(const char* name, const Indices& start, const DecodeLimits& limits);

    bool is_done() const { return rows_.empty(); }
    // What the next step is asked: the last token of each row, and the rows it came from.
    Indices tokens() const;
    Indices parents() const;
    bool keeps_order() const; // parents are 0 ... n - 1 of as many rows

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
    // Makes rows of the chosen continuations, of which those that end or have reached the limit
    // go to finish().
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
template <class T>
class Sampling final : public Search<T> {
public:
    Sampling(const Indices& start, const SampleOptions& options);
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
template <class T>
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

template <class Search, class Step, class State>
auto decode(Search search, const Step& step, State state) {
    const NoRecording<scalar_of_step<Step, State>> paused;
    while (!search.is_done()) {
        if (!search.keeps_order()) state = reorder(state, search.parents());
        auto next = step(std::as_const(state), search.tokens());
        search.advance(next.log_probabilities, next.weights);
        state = std::move(next.state);
    }
    return search.results();
}

} // namespace detail

// Tokens drawn one after the other, a hypothesis for each of the start tokens [B]. Throws Error for
// options that make no sense and for steps that return no log-probabilities or allow no token.
template <class Step, class State, class T = detail::scalar_of_step<Step, State>>
std::vector<Hypothesis<T>> sample(const Step& step, const State& state, const Indices& start,
                                  const SampleOptions& options) {
    return detail::decode(Sampling<T>(start, options), step, state);
}

// The likeliest token each time.
template <class Step, class State, class T = detail::scalar_of_step<Step, State>>
std::vector<Hypothesis<T>> greedy(const Step& step, const State& state, const Indices& start,
                                  const DecodeLimits& limits) {
    return sample(step, state, start,
                  {.temperature = 0, .end = limits.end, .max_length = limits.max_length});
}

// The `beam` likeliest continuations of all hypotheses of a sequence go on; those that end are set
// aside, and at the length limit the others as well. The search for a sequence is over when none of
// the hypotheses that go on can still come among the n best. Returns these, best first: fewer where
// fewer were found, first found first among equals. A beam of 1 is greedy(). Throws Error as
// sample() does, a sequence that allows no token before any hypothesis was set aside included.
template <class Step, class State, class T = detail::scalar_of_step<Step, State>>
std::vector<std::vector<Hypothesis<T>>> beam_search(const Step& step, const State& state,
                                                    const Indices& start,
                                                    const BeamOptions& options) {
    return detail::decode(Beam<T>(start, options), step, state);
}

} // namespace unroll::nn
