#pragma once

#include <unroll/nn/attention/attention.hpp>
#include <unroll/nn/attention/bridge.hpp>
#include <unroll/nn/decoding/decode.hpp>
#include <unroll/nn/layers/layers.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/nn/recurrent/recurrent.hpp>
#include <unroll/ops/index.hpp>

namespace unroll::nn {

// Replaces attention by a context that is the same at every step: the encoder's summary (Cho et al.
// 2014), or nothing, so that the decoder depends on its initial state only (Sutskever et al. 2014).
struct FixedContextOptions {
    std::size_t query = 0, memory = 0;
    bool empty = false;
};
template <class T = float>
class FixedContext {
public:
    using value_type = T;
    using Options = FixedContextOptions;

    explicit FixedContext(const Options& options) : options(options) {}
    std::size_t context_width() const { return options.empty ? 0 : options.memory; }
    // The summary, [1, B, M].
    KeyValues<T> prepare(const Variable<T>& summary, const Mask& mask = {}) const;
    static constexpr bool answers_all = true;
    AttentionOutput<T> operator()(const Variable<T>& queries, const KeyValues<T>& memory) const;
    AttentionOutput<T> step(const Variable<T>& query, const KeyValues<T>& memory,
                            const Variable<T>& previous = {}) const;
    void members(Members<T>&) {}

    Options options;
};

// Probability that a decoder step in training receives the target rather than the model's own last
// output, drawn for each sequence and step from the tape's generator: scheduled sampling (Bengio et
// al. 2015).
struct TeacherForcing {
    enum class Feedback { likeliest, sampled };
    double teacher_forcing_ratio = 1; // 1: teacher forcing
    Feedback feedback = Feedback::likeliest;
};
// Schedules for TeacherForcing::teacher_forcing_ratio: max(start - slope i, lowest); k^i, k < 1; k
// / (k + e^(i / k)), k >= 1.
double linear_decay(std::size_t i, double start, double slope, double lowest = 0);
double exponential_decay(std::size_t i, double k);
double inverse_sigmoid_decay(std::size_t i, double k);

// The attention of a decoder can be any class A that has
//   Options { query, memory, ... }, from which it is constructed, members(m), context_width()
//   prepare: memory [S, B, M], mask [B, S] -> KeyValues<T>
//   step: query [B, Q], KeyValues<T>, previous [B, S] -> AttentionOutput<T>
// With `static constexpr bool answers_all = true` it also takes the queries of all steps [T, B, Q]
// at once, as operator()(queries, memory); a decoder uses this if it attends after the step, has no
// input feeding and receives all targets.
template <class A, class T>
concept AttentionLayer = detail::ListsMembers<A, T> &&
    std::constructible_from<A, const typename detail::OptionsOf<A>::type&>&& requires(
        const A& attention, const Variable<T>& x, const Mask& mask, const KeyValues<T>& memory) {
    { attention.context_width() } -> std::convertible_to<std::size_t>;
    { attention.prepare(x, mask) } -> std::convertible_to<KeyValues<T>>;
    { attention.step(x, memory, x) } -> std::convertible_to<AttentionOutput<T>>;
};

namespace detail {

// Reports in one static_assert what a type lacks as the attention of a decoder.
template <class A, class T>
consteval bool require_attention() {
    constexpr bool is_made = std::constructible_from<A, const typename OptionsOf<A>::type&> &&
                             requires(typename OptionsOf<A>::type options) {
        options.query = options.memory;
    };
    constexpr bool has_width = requires(const A& attention) {
        { attention.context_width() } -> std::convertible_to<std::size_t>;
    };
    constexpr bool prepares = requires(const A& attention, const Variable<T>& x, const Mask& mask) {
        { attention.prepare(x, mask) } -> std::convertible_to<KeyValues<T>>;
    };
    constexpr bool steps =
        requires(const A& attention, const Variable<T>& x, const KeyValues<T>& memory) {
        { attention.step(x, memory, x) } -> std::convertible_to<AttentionOutput<T>>;
    };
    static_assert(is_made,
                  "an attention is constructed from its type Options, with the widths `query` and "
                  "`memory`");
    static_assert(!is_made || has_width,
                  "an attention needs a public function std::size_t context_width() const");
    static_assert(!is_made || !has_width || prepares,
                  "an attention needs a public function KeyValues<T> prepare(const Variable<T>& "
                  "memory, const Mask& mask) const, with the T of the decoder's cell");
    static_assert(!is_made || !has_width || !prepares || steps,
                  "an attention needs a public function AttentionOutput<T> step(const Variable<T>& "
                  "query, const KeyValues<T>& memory, const Variable<T>& previous) const");
    if constexpr (is_made && has_width && prepares && steps) can_be_member<A, T>();
    return true;
}

} // namespace detail

template <class Cell, class Attention>
struct DecoderOptions {
    // When the context is computed: before the cells' step, from their previous state (Bahdanau et
    // al. 2015), or after it, from the new one (Luong et al. 2015).
    enum class Attend { before, after };

    std::size_t vocabulary = 0;
    std::size_t width = 0; // of a token's embedding
    std::size_t hidden = 0;
    std::size_t layers = 1;
    std::size_t memory = 0; // width of the attended sequence; set by EncoderDecoder
    double dropout = 0;     // of layer inputs and of the readout
    Attend attend = Attend::before;
    bool input_feeding = false; // the cells also receive the previous readout (Luong et al. 2015)
    std::int64_t start = 0;     // the token before the first
    cell_options<Cell> cell = {};
    // Its query and memory widths are set by the decoder.
    typename detail::OptionsOf<Attention>::type attention = {};
};

// Generates tokens from a memory. At every step, with token y and state h of the top layer,
//   in = [embedding(y); context if attended before; last readout if fed],  states' = cells(in)
//   readout = tanh(W [h'; context; embedding(y) if attended before]),  logits = W' readout + b'
template <class Cell, class Attention>
class Decoder {
    static_assert(detail::require_cell<Cell>());
    static_assert(detail::require_attention<Attention, cell_scalar<Cell>>());

public:
    using value_type = cell_scalar<Cell>;
    using T = value_type;
    using Options = DecoderOptions<Cell, Attention>;
    using Widths = std::array<std::size_t, cell_states<Cell>()>;

    // The state between steps, for B sequences.
    struct DecoderState {
        std::vector<cell_state<Cell>> cells; // of each layer, [B, width of the state]
        Variable<T> readout;                 // [B, hidden]
        Variable<T> weights; // of the attention, [B, S]; empty before the first step
        KeyValues<T> memory;
        Indices sources; // index of the original sequence that each row attends to

        DecoderState reordered(const Indices& parents) const;
    };
    struct Output {
        DecoderState state;
        Variable<T> logits; // [B, V]
    };
    struct Sequence {
        Variable<T> logits;  // [T, B, V]
        Variable<T> weights; // [T, B, S]
    };

    // Throws Error for invalid options.
    explicit Decoder(const Options& options, Where where = Where::current())
        : Decoder(options, state_widths(options, where), where) {}

    // From the initial states of each layer and a memory prepared by the attention.
    DecoderState start(std::vector<cell_state<Cell>> cells, KeyValues<T> memory,
                       Where caller = Where::current()) const;
    Output step(const DecoderState& state, const Indices& tokens,
                Where caller = Where::current()) const;
    // Targets [T, B]: step t receives target t - 1, the first step the start token. Targets below
    // 0, which losses ignore, are replaced by the start token.
    Sequence operator()(DecoderState state, const Indices& targets, TeacherForcing forcing = {},
                        Where caller = Where::current()) const;
    // The step function that decoders call.
    Prediction<DecoderState, T> predict(const DecoderState& state, const Indices& tokens,
                                        Where caller = Where::current()) const {
        Output out = step(state, tokens, caller);
        const Variable<T> weights = out.state.weights;
        return {std::move(out.state), log_softmax(out.logits), weights};
    }
    void members(Members<T>& m);

    const Options& options() const { return options_; }
    // The width of each state, h first.
    const Widths& widths() const { return widths_; }

    Attention attention;
    Embedding<T> embedding;
    List<Cell> cells;
    Linear<T> readout; // W
    Linear<T> output;  // W'
    ModuleName module_name{"Decoder"};

private:
    Decoder(const Options& options, const Widths& widths, Where where);
    // `shown`: what pictures show as the tokens, of which they are a copy.
    DecoderState advance(const DecoderState& state, const Indices& tokens, const Indices& shown,
                         Where caller) const;
    Variable<T> dropped(const Variable<T>& x) const { return dropout(x, options_.dropout); }
    Variable<T> logits(const Variable<T>& readout, Where caller) const {
        return output(dropped(readout), caller);
    }
    // All steps at once, if no step reads the context of the previous one.
    Sequence at_once(const DecoderState& state, const Indices& tokens, const Indices& targets,
                     Where caller) const;
    bool before() const { return options_.attend == Options::Attend::before; }
    // Determined from a temporary cell.
    static Widths state_widths(const Options& options, Where where);
    static typename detail::OptionsOf<Attention>::type attention_options(const Options& options,
                                                                         std::size_t h);

    Options options_;
    Widths widths_;
};

template <class EncoderCell, class DecoderCell, class Attention>
struct EncoderDecoderOptions {
    RecurrentOptions<EncoderCell> encoder;
    DecoderOptions<DecoderCell, Attention> decoder;
    BridgeKind bridge = BridgeKind::project;
};

// A recurrent encoder reads x, a decoder generates tokens:
//   model(x, targets, lengths).logits          to train
//   beam_search(model.step(), model.start(x, lengths), model.starts(B), {...})
// Attention: Attention<any score>, MultiHeadAttention, FixedContext, or your own AttentionLayer.
template <class EncoderCell, class DecoderCell, class Attention>
class EncoderDecoder {
public:
    using value_type = cell_scalar<EncoderCell>;
    using T = value_type;
    using Options = EncoderDecoderOptions<EncoderCell, DecoderCell, Attention>;
    using Writer = Decoder<DecoderCell, Attention>;
    using DecoderState = typename Writer::DecoderState;

    explicit EncoderDecoder(const Options& options, Where where = Where::current());

    // x [S, B, in], targets [T, B] -> logits [T, B, V] and weights [T, B, S]. Throws Error if
    // shapes or lengths do not match.
    typename Writer::Sequence operator()(const Variable<T>& x, const Indices& targets,
                                         std::span<const std::size_t> lengths = {},
                                         TeacherForcing forcing = {},
                                         Where caller = Where::current()) const;
    // The encoder's part: the decoder's state before its first step.
    DecoderState start(const Variable<T>& x, std::span<const std::size_t> lengths = {},
                       Where caller = Where::current()) const;
    // The decoder's part, as a step function and its first tokens.
    auto step() const {
        return [this](const DecoderState& state, const Indices& tokens) {
            return decoder.predict(state, tokens);
        };
    }
    Indices starts(std::size_t batch) const {
        return Indices::full({batch}, decoder.options().start);
    }
    void members(Members<T>& m) { m("encoder", encoder)("bridge", bridge)("decoder", decoder); }

    Recurrent<EncoderCell> encoder;
    Writer decoder;
    Bridge<T> bridge;

private:
    static constexpr bool attends = !std::is_same_v<Attention, FixedContext<T>>;
    static std::vector<std::size_t> state_widths(const Recurrent<EncoderCell>& encoder) {
        std::vector<std::size_t> all;
        for (const std::size_t width : encoder.widths())
            all.push_back(width * encoder.directions());
        return all;
    }
    static typename Writer::Options decoder_options(const Recurrent<EncoderCell>& encoder,
                                                    typename Writer::Options options) {
        options.memory = attends ? encoder.output_width() : state_widths(encoder)[0];
        return options;
    }
};

// ---- implementation ----

namespace detail {

// The input tokens of step t of a decoder: the targets of the previous step, or the model's own
// tokens.
template <class T>
class DecoderInputs {
public:
    DecoderInputs(const Indices& targets, std::size_t batch, std::int64_t start,
                  TeacherForcing forcing);
    // Whether all inputs are targets.
    bool is_known() const { return forcing_.teacher_forcing_ratio == 1; }
    Indices operator()(std::size_t t, const Variable<T>& logits = {}) const;

private:
    Indices targets_;
    std::int64_t start_;
    TeacherForcing forcing_;
};

// The vectors of tokens. Pictures show `shown`, of which the tokens are a copy, such as the
// targets.
template <class T>
Variable<T> embedded(const Parameter<T>& weight, const Indices& tokens, const Indices& shown);

void check_decoder(const Op& op, std::size_t vocabulary, std::size_t width, std::size_t layers,
                   double dropout, std::int64_t start);

} // namespace detail

template <class Cell, class Attention>
typename Decoder<Cell, Attention>::Widths
Decoder<Cell, Attention>::state_widths(const Options& options, Where where) {
    const Op op("Decoder", where);
    detail::check_decoder(op, options.vocabulary, options.width, options.layers, options.dropout,
                          options.start);
    require_sizes(op, {{"hidden", options.hidden}});
    return detail::widths(detail::make_cell<Cell>(1, options.hidden, options.cell, where),
                          options.hidden);
}

template <class Cell, class Attention>
typename detail::OptionsOf<Attention>::type
Decoder<Cell, Attention>::attention_options(const Options& options, std::size_t h) {
    auto attention = options.attention;
    attention.query = h;
    attention.memory = options.memory;
    return attention;
}

template <class Cell, class Attention>
Decoder<Cell, Attention>::Decoder(const Options& options, const Widths& widths, Where where)
    : attention(detail::construct<Attention>(where, attention_options(options, widths[0]))),
      embedding(EmbeddingOptions{.vocabulary = options.vocabulary, .width = options.width}, where),
      readout({.input = widths[0] + attention.context_width() +
                        (options.attend == Options::Attend::before ? options.width : 0),
               .output = options.hidden,
               .bias = false},
              where),
      output({.input = options.hidden, .output = options.vocabulary}, where), options_(options),
      widths_(widths) {
    const std::size_t in = options.width + (before() ? attention.context_width() : 0) +
                           (options.input_feeding ? options.hidden : 0);
    for (std::size_t layer = 0; layer < options.layers; ++layer)
        cells.push_back(detail::make_cell<Cell>(layer == 0 ? in : widths[0], options.hidden,
                                                options.cell, where));
}

template <class Cell, class Attention>
void Decoder<Cell, Attention>::members(Members<T>& m) {
    m(module_name)("attention", attention)("embedding", embedding);
    if constexpr (requires(Cell & cell) { cell.members(m); }) m("cells", cells);
    m("readout", readout)("output", output);
}

template <class Cell, class Attention>
typename Decoder<Cell, Attention>::DecoderState
Decoder<Cell, Attention>::DecoderState::reordered(const Indices& parents) const {
    DecoderState next{reorder(cells, parents), reorder(readout, parents), weights, memory, sources};
    if (weights.has_value()) next.weights = reorder(weights, parents);
    if (detail::reorder_sources(next.sources, parents)) next.memory = memory.reordered(parents);
    return next;
}

template <class Cell, class Attention>
typename Decoder<Cell, Attention>::DecoderState
Decoder<Cell, Attention>::start(std::vector<cell_state<Cell>> first, KeyValues<T> memory,
                                Where caller) const {
    const Called here(caller);
    const std::size_t batch = memory.keys.shape(0);
    if (first.size() != options_.layers)
        fail("Decoder", std::to_string(first.size()) + " states for " +
                            std::to_string(options_.layers) + " layers");
    for (const auto& layer : first)
        for (std::size_t s = 0; s < cell_states<Cell>(); ++s)
            if (const Shape expected{batch, widths_[s]}; layer[s].shape() != expected)
                fail("Decoder", "an initial state has shape " + to_string(layer[s].shape()) +
                                    ", expected " + to_string(expected));
    Indices sources(Shape{batch});
    for (std::size_t b = 0; b < batch; ++b) sources.data()[b] = static_cast<std::int64_t>(b);
    const Variable<T> nothing = Tensor<T>::zeros({batch, options_.hidden});
    return {std::move(first), nothing, {}, std::move(memory), sources};
}

template <class Cell, class Attention>
typename Decoder<Cell, Attention>::DecoderState
Decoder<Cell, Attention>::advance(const DecoderState& state, const Indices& tokens,
                                  const Indices& shown, Where caller) const {
    const Scope scope(module_name, caller);
    const detail::LayerRuns runs;
    const Variable<T>& last = state.cells.back()[0];
    if (tokens.shape() != Shape{last.shape(0)})
        fail("Decoder", "tokens have shape " + to_string(tokens.shape()) + ", expected [" +
                            std::to_string(last.shape(0)) + "]");
    const Variable<T> token = detail::embedded(embedding.weight, tokens, shown);
    AttentionOutput<T> found;
    std::vector<Variable<T>> in{token};
    if (before()) {
        found = attention.step(last, state.memory, state.weights);
        in.push_back(found.context);
    }
    if (options_.input_feeding) in.push_back(state.readout);

    DecoderState next = state;
    Variable<T> x = concatenate(in, -1);
    for (std::size_t layer = 0; layer < cells.size(); ++layer) {
        const Scope cell_scope("layer", static_cast<std::int64_t>(layer));
        const Cell& cell = cells[layer];
        next.cells[layer] = detail::step(cell, cell.project(dropped(x)), state.cells[layer]);
        x = next.cells[layer][0];
    }
    if (!before()) found = attention.step(x, state.memory, state.weights);
    std::vector<Variable<T>> inputs{x, found.context};
    if (before()) inputs.push_back(token);
    next.readout = tanh(readout(concatenate(inputs, -1)));
    next.weights = found.weights;
    return next;
}

template <class Cell, class Attention>
typename Decoder<Cell, Attention>::Output Decoder<Cell, Attention>::step(const DecoderState& state,
                                                                         const Indices& tokens,
                                                                         Where caller) const {
    DecoderState next = advance(state, tokens, tokens, caller);
    const Scope scope(module_name, caller);
    const Variable<T> scores = logits(next.readout, caller);
    return {std::move(next), scores};
}

template <class Cell, class Attention>
typename Decoder<Cell, Attention>::Sequence
Decoder<Cell, Attention>::at_once(const DecoderState& state, const Indices& tokens,
                                  const Indices& targets, Where caller) const {
    const Scope scope(module_name, caller);
    Variable<T> x = detail::embedded(embedding.weight, tokens, targets);
    for (std::size_t layer = 0; layer < cells.size(); ++layer) {
        const Scope cell_scope("layer", static_cast<std::int64_t>(layer));
        x = Scan<Cell>::run(cells[layer], dropped(x), state.cells[layer], false, {}).output;
    }
    const AttentionOutput<T> found = attention(x, state.memory);
    return {logits(tanh(readout(concatenate({x, found.context}, -1))), caller), found.weights};
}

template <class Cell, class Attention>
typename Decoder<Cell, Attention>::Sequence
Decoder<Cell, Attention>::operator()(DecoderState state, const Indices& targets,
                                     TeacherForcing forcing, Where caller) const {
    const Called here(caller);
    const std::size_t steps = targets.shape(0), batch = state.readout.shape(0);
    const detail::DecoderInputs<T> inputs(targets, batch, options_.start, forcing);
    if (steps == 0)
        return {Tensor<T>::zeros({0, batch, options_.vocabulary}),
                Tensor<T>::zeros({0, batch, state.memory.steps()})};
    if constexpr (requires { requires Attention::answers_all; }) {
        if (inputs.is_known() && !before() && !options_.input_feeding) {
            Indices tokens(targets.shape());
            for (std::size_t t = 0; t < steps; ++t) tokens.select(0, t).assign(inputs(t));
            return at_once(state, tokens, targets, caller);
        }
    }
    std::vector<Variable<T>> scores, readouts, weights;
    for (std::size_t t = 0; t < steps; ++t) {
        const Scope scope("t", static_cast<std::int64_t>(t));
        state = advance(state, inputs(t, scores.empty() ? state.readout : scores.back()), targets,
                        caller);
        // Computed for all steps together, since no step reads it.
        if (inputs.is_known())
            readouts.push_back(state.readout);
        else
            scores.push_back(logits(state.readout, caller));
        weights.push_back(state.weights);
    }
    return {inputs.is_known() ? logits(stack(readouts), caller) : stack(scores), stack(weights)};
}

template <class EncoderCell, class DecoderCell, class Attention>
EncoderDecoder<EncoderCell, DecoderCell, Attention>::EncoderDecoder(const Options& options,
                                                                    Where where)
    : encoder(options.encoder, where), decoder(decoder_options(encoder, options.decoder), where),
      bridge({options.bridge,
              state_widths(encoder),
              {decoder.widths().begin(), decoder.widths().end()},
              options.decoder.layers},
             where) {}

template <class EncoderCell, class DecoderCell, class Attention>
typename EncoderDecoder<EncoderCell, DecoderCell, Attention>::DecoderState
EncoderDecoder<EncoderCell, DecoderCell, Attention>::start(const Variable<T>& x,
                                                           std::span<const std::size_t> lengths,
                                                           Where caller) const {
    const Called here(caller);
    const auto read = encoder(x, {}, lengths, caller);
    const std::size_t directions = encoder.directions();
    std::vector<cell_state<DecoderCell>> first;
    for (const auto& layer : bridge(read.state, directions, caller)) {
        first.emplace_back();
        std::copy(layer.begin(), layer.end(), first.back().begin());
    }
    if constexpr (attends) {
        const Mask mask = lengths.empty() ? Mask() : length_mask(lengths, x.shape(0));
        return decoder.start(std::move(first), decoder.attention.prepare(read.output, mask));
    } else {
        const Variable<T> summary =
            layer_state(read.state[0], encoder.options().layers - 1, directions);
        return decoder.start(std::move(first), decoder.attention.prepare(expand_dims(summary, 0)));
    }
}

template <class EncoderCell, class DecoderCell, class Attention>
typename Decoder<DecoderCell, Attention>::Sequence
EncoderDecoder<EncoderCell, DecoderCell, Attention>::operator()(
    const Variable<T>& x, const Indices& targets, std::span<const std::size_t> lengths,
    TeacherForcing forcing, Where caller) const {
    return decoder(start(x, lengths, caller), targets, forcing, caller);
}

} // namespace unroll::nn
