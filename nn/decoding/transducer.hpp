#pragma once

#include <unroll/nn/decoding/transducer_search.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/losses/transducer.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/recurrent/recurrent.hpp>
#include <unroll/ops/softmax.hpp>

namespace unroll::nn {

template <class C>
struct TransducerOptions {
    std::size_t vocabulary = 0;         // number of symbols, the blank included
    std::size_t encoded = 0;            // width of the encoder's output
    std::size_t joint = 0;              // width of the joint network
    RecurrentOptions<C> predictor = {}; // its input is the width of a symbol's embedding
    double dropout = 0;                 // of the embeddings and of the predictor's output
    std::int64_t blank = 0;             // also the symbol before the first
};

// The RNN transducer (Graves 2012, arXiv 1211.3711; joint network: Graves et al. 2013) on top of
// any encoder. A recurrent network, the predictor, reads the embeddings of the blank and the
// symbols so far. In frame t after u symbols
//   logits = W tanh(W_e encoded_t + b_e + W_p predictor_u) + b
template <class C>
class Transducer {
    static_assert(detail::require_cell<C>());

public:
    using value_type = cell_scalar<C>;
    using T = value_type;
    using Options = TransducerOptions<C>;
    using Lengths = std::span<const std::size_t>;

    // Throws Error for invalid options.
    explicit Transducer(const Options& options, Where where = Where::current());

    // Logits [B, T, L + 1, V] for encoded frames [T, B, encoded] and targets [L, B]; frames after
    // `lengths` and symbols after the end of a target are not read. Throws Error if shapes or
    // lengths do not match, and for a target that contains the blank or an invalid symbol.
    Variable<T> operator()(const Variable<T>& encoded, const PaddedBatch& targets,
                           Lengths lengths = {}, Where caller = Where::current()) const;
    // transducer_loss() of these logits.
    Variable<T> loss(const Variable<T>& encoded, const PaddedBatch& targets, Lengths lengths = {},
                     Reduction reduction = Reduction::mean, Where caller = Where::current()) const;
    // transducer_align() of these logits.
    std::vector<std::vector<std::size_t>> align(const Variable<T>& encoded,
                                                const PaddedBatch& targets, Lengths lengths = {},
                                                Where caller = Where::current()) const;
    // The symbols of each sequence; see transducer_search.hpp.
    std::vector<TransducerHypothesis> greedy(const Variable<T>& encoded, Lengths lengths = {},
                                             std::size_t max_symbols = 10,
                                             Where caller = Where::current()) const;
    // The blank is that of this module.
    std::vector<std::vector<TransducerHypothesis>>
    beam_search(const Variable<T>& encoded, Lengths lengths = {},
                TransducerBeamOptions options = {}, Where caller = Where::current()) const;
    void members(Members<T>& m) {
        m(module_name)("embedding", embedding)("predictor", predictor);
        m("from_encoder", from_encoder)("from_predictor", from_predictor)("output", output);
    }

    const Options& options() const { return options_; }

    Embedding<T> embedding;
    Recurrent<C> predictor;
    Linear<T> from_encoder, from_predictor; // W_e, W_p
    Linear<T> output;                       // W
    ModuleName module_name{"Transducer"};

private:
    // The predictor after a prefix.
    struct Prefix {
        typename Recurrent<C>::States state;
        Variable<T> projected; // W_p times its output, [1, joint]
    };

    static Op op() { return Op::unplaced("Transducer"); }
    Prefix predict(const Prefix& before, const Indices& tokens) const;
    // W_e encoded + b_e, [T, B, joint].
    Variable<T> project(const Variable<T>& encoded, Lengths lengths) const;
    // Calls search(number of frames, joint, predict, first state) for each sequence.
    template <class Search>
    void search_each(const Variable<T>& encoded, Lengths lengths, const Search& search) const;
    static const Options& checked(const Options& options, Where where);

    Options options_;
};

// ---- implementation ----

namespace detail {

// Throws Error for invalid options.
void check_transducer(const Op& op, std::size_t vocabulary, std::size_t encoded, std::size_t joint,
                      std::size_t width, bool is_bidirectional, double dropout, std::int64_t blank);
// The inputs of the predictor [L + 1, B]: the blank, then the targets, padded with blanks.
Indices predictor_inputs(const Op& op, const PaddedBatch& targets, std::size_t batch,
                         std::size_t vocabulary, std::int64_t blank);
// tanh(e + p), [B, T, U, joint], for e [T, B, joint] and p [U, B, joint].
template <class T>
Variable<T> transducer_joint(const Variable<T>& e, const Variable<T>& p);

} // namespace detail

template <class C>
const TransducerOptions<C>& Transducer<C>::checked(const Options& o, Where where) {
    detail::check_transducer(Op("Transducer", where), o.vocabulary, o.encoded, o.joint,
                             o.predictor.input, o.predictor.bidirectional, o.dropout, o.blank);
    return o;
}

template <class C>
Transducer<C>::Transducer(const Options& options, Where where)
    : embedding(
          {.vocabulary = checked(options, where).vocabulary, .width = options.predictor.input},
          where),
      predictor(options.predictor, where),
      from_encoder({.input = options.encoded, .output = options.joint}, where),
      from_predictor({.input = predictor.output_width(), .output = options.joint, .bias = false},
                     where),
      output({.input = options.joint, .output = options.vocabulary}, where), options_(options) {}

template <class C>
Variable<cell_scalar<C>> Transducer<C>::project(const Variable<T>& encoded, Lengths lengths) const {
    if (encoded.dimension() != 3 || encoded.shape(2) != options_.encoded)
        fail(op(), "encoded frames have shape " + to_string(encoded.shape()) +
                       ", expected [T, B, " + std::to_string(options_.encoded) + "]");
    return from_encoder(without_padding(encoded, lengths, op()));
}

template <class C>
Variable<cell_scalar<C>> Transducer<C>::operator()(const Variable<T>& encoded,
                                                   const PaddedBatch& targets, Lengths lengths,
                                                   Where caller) const {
    const Scope scope(module_name, caller);
    const Variable<T> frames = project(encoded, lengths);
    const Indices inputs = detail::predictor_inputs(op(), targets, frames.shape(1),
                                                    options_.vocabulary, options_.blank);
    const Variable<T> predicted = predictor(dropout(embedding(inputs), options_.dropout)).output;
    return output(
        detail::transducer_joint(frames, from_predictor(dropout(predicted, options_.dropout))));
}

template <class C>
Variable<cell_scalar<C>> Transducer<C>::loss(const Variable<T>& encoded, const PaddedBatch& targets,
                                             Lengths lengths, Reduction reduction,
                                             Where caller) const {
    const Variable<T> logits = (*this)(encoded, targets, lengths, caller);
    return transducer_loss(log_softmax(logits), lengths, targets, {options_.blank, reduction},
                           caller)
        .loss;
}

template <class C>
std::vector<std::vector<std::size_t>> Transducer<C>::align(const Variable<T>& encoded,
                                                           const PaddedBatch& targets,
                                                           Lengths lengths, Where caller) const {
    const NoRecording<T> paused;
    const Variable<T> logits = (*this)(encoded, targets, lengths, caller);
    return transducer_align(log_softmax(logits).value(), lengths, targets, options_.blank, caller);
}

template <class C>
typename Transducer<C>::Prefix Transducer<C>::predict(const Prefix& before,
                                                      const Indices& tokens) const {
    const auto found = predictor(expand_dims(embedding(tokens), 0), before.state);
    return {found.state, from_predictor(select(found.output, 0, 0))};
}

template <class C>
template <class Search>
void Transducer<C>::search_each(const Variable<T>& encoded, Lengths lengths,
                                const Search& search) const {
    const NoRecording<T> paused;
    const Variable<T> frames = project(encoded, lengths);
    const auto ends = checked_lengths(op(), frames.shape(0), frames.shape(1), lengths);
    const auto step = [this](const Prefix& before, const Indices& tokens) {
        return predict(before, tokens);
    };
    const Prefix first = step({}, Indices({1}, {options_.blank}));
    for (std::size_t b = 0; b < ends.size(); ++b) {
        const Variable<T> sequence = select(frames, 1, b);
        const auto joint = [&](std::size_t t, const Prefix& prefix) {
            return log_softmax(output(tanh(slice(sequence, 0, t, t + 1) + prefix.projected)));
        };
        search(ends[b], joint, step, first);
    }
}

template <class C>
std::vector<TransducerHypothesis> Transducer<C>::greedy(const Variable<T>& encoded, Lengths lengths,
                                                        std::size_t max_symbols,
                                                        Where caller) const {
    const Scope scope(module_name, caller);
    std::vector<TransducerHypothesis> found;
    search_each(encoded, lengths, [&](std::size_t steps, const auto&... model) {
        found.push_back(transducer_greedy(steps, model..., options_.blank, max_symbols));
    });
    return found;
}

template <class C>
std::vector<std::vector<TransducerHypothesis>>
Transducer<C>::beam_search(const Variable<T>& encoded, Lengths lengths,
                           TransducerBeamOptions options, Where caller) const {
    const Scope scope(module_name, caller);
    options.blank = options_.blank;
    std::vector<std::vector<TransducerHypothesis>> found;
    search_each(encoded, lengths, [&](std::size_t steps, const auto&... model) {
        found.push_back(transducer_beam_search(steps, model..., options));
    });
    return found;
}

} // namespace unroll::nn
