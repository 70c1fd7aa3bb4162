#pragma once

#include <unroll/core/autograd/record.hpp>
#include <unroll/nn/module.hpp>

#include <span>
#include <string>
#include <vector>

namespace unroll::nn {

// Allowed tag sequences.
struct TagConstraints {
    Mask transitions; // [K, K]: from, to
    Mask starts;      // [K]
    Mask ends;        // [K]
};

// For tags named O, B-x and I-x: I-x may only follow B-x or I-x, and may not be the first. Throws
// Error for a name of another form, a name listed twice, and for no tags.
TagConstraints bio_constraints(std::span<const std::string> tags);

struct CrfOptions {
    std::size_t tags = 0;
    TagConstraints constraints = {}; // empty masks: no constraints
};

// Linear-chain conditional random field (Lafferty, McCallum and Pereira 2001; on a recurrent
// network: Huang, Xu and Yu 2015). For emissions e [T, B, K] a path y of tags has the score
//   start[y_0] + sum_t e[t, y_t] + sum_t transitions[y_(t-1), y_t] + end[y_(T-1)]
// and the probability exp(score - log Z), Z the sum of exp(score) over all paths. Z is computed by
// the forward recursion; its gradient with respect to e contains the marginal probabilities.
// Forbidden paths, and those with an emission of -inf, have probability 0.
//
// `lengths`, one for each of the B sequences, are within [0, T]; a sequence of length 0 has one
// path, empty, with score 0. Emissions and tags after the end of a sequence are ignored, NaN
// included. All throw Error if shapes or lengths do not match.
template <class T = float>
class Crf {
public:
    using value_type = T;
    using Lengths = std::span<const std::size_t>;
    // Initialised uniformly within 0.1. Throws Error if there are no tags or constraints have the
    // wrong shape.
    explicit Crf(const CrfOptions& options, Where where = Where::current());

    // log Z, [B]; -inf if no path is possible.
    Variable<T> log_partition(const Variable<T>& emissions, Lengths lengths = {},
                              Where caller = Where::current()) const;
    // Scores of given paths, tags [T, B] -> [B]. Throws Error, with the position, for a tag outside
    // [0, K) and for a step that is forbidden.
    Variable<T> score(const Variable<T>& emissions, const Indices& tags, Lengths lengths = {},
                      Where caller = Where::current()) const;
    // score - log Z, [B]; -inf, without a gradient, where the emissions make the path impossible.
    Variable<T> log_likelihood(const Variable<T>& emissions, const Indices& tags,
                               Lengths lengths = {}, Where caller = Where::current()) const;
    // Minus the mean log-likelihood of the B sequences.
    Variable<T> loss(const Variable<T>& emissions, const Indices& tags, Lengths lengths = {},
                     Where caller = Where::current()) const;

    struct Path {
        std::vector<std::int64_t> tags;
        T score = 0;
    };
    // The best path of each sequence (Viterbi 1967); of equals the lower tag, from the end. Throws
    // Error if no path is possible.
    std::vector<Path> decode(const Tensor<T>& emissions, Lengths lengths = {},
                             Where caller = Where::current()) const;

    void members(Members<T>& m);

    CrfOptions options;
    Parameter<T> transitions; // [K, K]: from, to
    Parameter<T> start, end;  // [K]
    ModuleName module_name{"Crf"};

private:
    struct Weights {
        Variable<T> transitions, start, end; // -inf where forbidden
    };
    Weights weights() const;
    Mask check(const Variable<T>& emissions, Lengths lengths) const;
    Indices checked_tags(const Indices& tags, const Mask& active) const;
    Variable<T> partition_of(const Variable<T>& emissions, const Weights& w,
                             const Mask& active) const;
    Variable<T> score_of(const Variable<T>& emissions, const Weights& w, const Indices& tags,
                         const Mask& active) const;
};

} // namespace unroll::nn
