#include "model.hpp"

#include <algorithm>

namespace speech {

namespace {

// The symbols found by a search in the step-wise probabilities, with their steps.
template <class T>
std::vector<Recognition> hear_by_steps(const Tensor<T>& x, std::span<const std::size_t> lengths,
                                       const Search& search) {
    std::vector<std::vector<std::int64_t>> symbols;
    const nn::CtcBeamOptions options{.beam = search.beam, .end = search.lexicon ? 0 : -1};
    if (search.lexicon) {
        if constexpr (std::same_as<T, float>)
            for (auto& best :
                 nn::ctc_beam_search(x, lengths, options, *search.lexicon, std::string(), 0))
                symbols.push_back(std::move(best.front().symbols));
    } else if (search.beam == 1) {
        for (auto& best : nn::ctc_greedy(x, lengths)) symbols.push_back(std::move(best.symbols));
    } else {
        for (auto& best : nn::ctc_beam_search(x, lengths, options))
            symbols.push_back(std::move(best.front().symbols));
    }
    const auto paths = nn::ctc_align(x, lengths, nn::pad_sequences(symbols, 0));
    std::vector<Recognition> recognised;
    for (std::size_t b = 0; b < symbols.size(); ++b) {
        Tensor<float> weights = Tensor<float>::zeros({symbols[b].size(), paths[b].size()});
        std::size_t symbol = 0;
        for (std::size_t t = 0; t < paths[b].size(); ++t) {
            if (paths[b][t] == 0) continue;
            if (t > 0 && paths[b][t] == paths[b][t - 1]) --symbol;
            weights(symbol++, t) = 1;
        }
        recognised.push_back({std::move(symbols[b]), std::move(weights)});
    }
    return recognised;
}

nn::TransformerOptions layers_of(const Settings& s, bool decoder) {
    return {.width = s.hidden,
            .heads = 4,
            .layers = decoder ? 2u : 3u,
            .hidden = 4 * s.hidden,
            .memory = decoder ? s.hidden : 0,
            .dropout = s.dropout,
            .norm_first = true,
            .is_causal = decoder,
            .positions = nn::Positions::sinusoidal};
}

template <class T>
nn::Subsampling<T> subsampling(const Settings& s) {
    return nn::Subsampling<T>(
        {.input = s.input, .channels = s.channels, .filters = 16, .width = s.hidden});
}

// Convolutions and self-attention.
template <class T>
struct AttentiveEncoder {
    explicit AttentiveEncoder(const Settings& s)
        : convolutions(subsampling<T>(s)), stack(layers_of(s, false)) {}

    nn::Frames<T> operator()(const Variable<T>& x, std::span<const std::size_t> lengths) const {
        auto frames = convolutions(x, lengths);
        frames.x = stack(frames.x,
                         {.key_padding_mask = nn::length_mask(frames.lengths, frames.x.shape(0))});
        return frames;
    }
    std::size_t output_width() const { return stack.options.width; }
    std::size_t factor() const { return 4; }
    void members(nn::Members<T>& m) { m("convolutions", convolutions)("stack", stack); }

    nn::Subsampling<T> convolutions;
    nn::TransformerStack<T> stack;
};

// Letters need more steps than digits.
template <class T>
nn::Pyramid<nn::LstmCell<T>> recurrent_encoder(const Settings& s) {
    return nn::Pyramid<nn::LstmCell<T>>({.input = s.input,
                                         .hidden = s.hidden,
                                         .factors = {2, s.symbols == "digits" ? 2u : 1u},
                                         .dropout = s.dropout});
}

template <class T, class Encoder>
class Ctc final : public Recogniser<T> {
public:
    using typename Recogniser<T>::Lengths;

    Ctc(Encoder encoder, const Settings& s, const Alphabet& alphabet)
        : encoder(std::move(encoder)),
          output({.input = this->encoder.output_width(), .output = alphabet.size()}),
          dropped(s.dropout) {}

    nn::Frames<T> log_probabilities(const Variable<T>& x, Lengths lengths) const {
        auto frames = encoder(x, lengths);
        frames.x = log_softmax(output(dropout(frames.x, dropped)));
        return frames;
    }
    Variable<T> loss(const Batch<T>& batch) const override {
        const auto frames = log_probabilities(Variable(batch.x), batch.lengths);
        return nn::ctc_loss(frames.x, frames.lengths, batch.symbols, {.zero_impossible = true})
            .loss;
    }
    std::vector<Recognition> recognise(const Tensor<T>& x, Lengths lengths,
                                       const Search& search) const override {
        const auto frames = log_probabilities(Variable(x), lengths);
        return hear_by_steps(frames.x.value(), frames.lengths, search);
    }
    std::size_t factor() const override { return encoder.factor(); }
    void members(nn::Members<T>& m) override { m("encoder", encoder)("output", output); }

    Encoder encoder;
    nn::Linear<T> output;
    double dropped;
};

template <class T>
class Transducer final : public Recogniser<T> {
public:
    using typename Recogniser<T>::Lengths;

    Transducer(const Settings& s, const Alphabet& alphabet)
        : encoder(recurrent_encoder<T>(s)),
          transducer({.vocabulary = alphabet.size(),
                      .encoded = encoder.output_width(),
                      .joint = s.hidden,
                      .predictor = {.input = s.hidden / 4, .hidden = s.hidden / 2},
                      .dropout = s.dropout}),
          dropped(s.dropout) {}

    nn::Frames<T> encode(const Variable<T>& x, Lengths lengths) const {
        auto frames = encoder(x, lengths);
        frames.x = dropout(frames.x, dropped);
        return frames;
    }
    Variable<T> loss(const Batch<T>& batch) const override {
        const auto frames = encode(Variable(batch.x), batch.lengths);
        return transducer.loss(frames.x, batch.symbols, frames.lengths);
    }
    std::vector<Recognition> recognise(const Tensor<T>& x, Lengths lengths,
                                       const Search& search) const override {
        const auto frames = encode(Variable(x), lengths);
        std::vector<std::vector<std::int64_t>> symbols;
        if (search.beam == 1) {
            for (auto& best : transducer.greedy(frames.x, frames.lengths))
                symbols.push_back(std::move(best.symbols));
        } else {
            for (auto& best :
                 transducer.beam_search(frames.x, frames.lengths, {.beam = search.beam}))
                symbols.push_back(std::move(best.front().symbols));
        }
        const auto steps =
            transducer.align(frames.x, nn::pad_sequences(symbols, 0), frames.lengths);
        std::vector<Recognition> recognised;
        for (std::size_t b = 0; b < symbols.size(); ++b) {
            auto weights = Tensor<float>::zeros({symbols[b].size(), frames.lengths[b]});
            for (std::size_t i = 0; i < symbols[b].size(); ++i) weights(i, steps[b][i]) = 1;
            recognised.push_back({std::move(symbols[b]), std::move(weights)});
        }
        return recognised;
    }
    std::size_t factor() const override { return encoder.factor(); }
    void members(nn::Members<T>& m) override { m("encoder", encoder)("transducer", transducer); }

    nn::Pyramid<nn::LstmCell<T>> encoder;
    nn::Transducer<nn::LstmCell<T>> transducer;
    double dropped;
};

// The output of a step function from a given state to the end symbol.
template <class Step, class State>
std::vector<Recognition> write(const Step& step, const State& state, std::size_t batch,
                               std::size_t frames, std::size_t beam) {
    std::vector<Recognition> recognised;
    for (auto& found : nn::beam_search(
             step, state, Indices::zeros({batch}),
             {.beam = beam, .length_penalty = 1, .end = 0, .max_length = frames / 5 + 10})) {
        auto& best = found.front();
        best.tokens.resize(best.tokens.size() - (best.ended ? 1 : 0));
        Tensor<float> weights(Shape{best.tokens.size(), best.weights.shape(1)});
        for (std::size_t i = 0; i < weights.size(); ++i)
            weights.data()[i] = static_cast<float>(best.weights.data()[i]);
        recognised.push_back({std::move(best.tokens), std::move(weights)});
    }
    return recognised;
}

template <class T>
Variable<T> spelling_loss(const Variable<T>& logits, const Batch<T>& batch) {
    return cross_entropy(logits, batch.spelled, {.smoothing = 0.1});
}

template <class T>
class ListenAttendSpell final : public Recogniser<T> {
public:
    using typename Recogniser<T>::Lengths;
    using Speller = nn::Decoder<nn::LstmCell<T>, nn::LocationAttention<T>>;

    ListenAttendSpell(const Settings& s, const Alphabet& alphabet)
        : listener({.input = s.input, .hidden = s.hidden, .factors = {2, 2}, .dropout = s.dropout}),
          speller({.vocabulary = alphabet.size(),
                   .width = s.hidden / 4,
                   .hidden = s.hidden,
                   .memory = listener.output_width(),
                   .dropout = s.dropout,
                   .attention = {.width = s.hidden, .filters = 8, .window = 15}}) {}

    auto start(const Variable<T>& x, Lengths lengths) const {
        const auto recognised = listener(x, lengths);
        const auto memory = speller.attention.prepare(
            recognised.x, nn::length_mask(recognised.lengths, recognised.x.shape(0)));
        nn::State<T, 2> first;
        for (std::size_t i = 0; i < first.size(); ++i)
            first[i] = Variable(Tensor<T>::zeros({x.shape(1), speller.widths()[i]}));
        return speller.start({first}, memory);
    }
    Variable<T> loss(const Batch<T>& batch) const override {
        const auto first = start(Variable(batch.x), batch.lengths);
        return spelling_loss(speller(first, batch.spelled).logits, batch);
    }
    std::vector<Recognition> recognise(const Tensor<T>& x, Lengths lengths,
                                       const Search& search) const override {
        const auto step = [this](const auto& state, const Indices& tokens) {
            return speller.predict(state, tokens);
        };
        return write(step, start(Variable(x), lengths), x.shape(1), x.shape(0), search.beam);
    }
    std::size_t factor() const override { return listener.factor(); }
    void members(nn::Members<T>& m) override { m("listener", listener)("speller", speller); }

    nn::Pyramid<nn::LstmCell<T>> listener;
    Speller speller;
};

template <class T>
class TransformerRecogniser final : public Recogniser<T> {
public:
    using typename Recogniser<T>::Lengths;

    TransformerRecogniser(const Settings& s, const Alphabet& alphabet)
        : convolutions(subsampling<T>(s)), net({.encoder = layers_of(s, false),
                                                .decoder = layers_of(s, true),
                                                .vocabulary = alphabet.size()}) {}

    Variable<T> loss(const Batch<T>& batch) const override {
        const auto frames = convolutions(Variable(batch.x), batch.lengths);
        return spelling_loss(net(frames.x, batch.spelled, frames.lengths).logits, batch);
    }
    std::vector<Recognition> recognise(const Tensor<T>& x, Lengths lengths,
                                       const Search& search) const override {
        const auto frames = convolutions(Variable(x), lengths);
        return write(net.step(), net.start(frames.x, frames.lengths), x.shape(1), x.shape(0),
                     search.beam);
    }
    std::size_t factor() const override { return 4; }
    void members(nn::Members<T>& m) override { m("convolutions", convolutions)("net", net); }

    nn::Subsampling<T> convolutions;
    nn::Transformer<T> net;
};

} // namespace

template <class T>
std::unique_ptr<Recogniser<T>> make_recogniser(const Settings& s, const Alphabet& alphabet) {
    if (s.model == "ctc")
        return std::make_unique<Ctc<T, nn::Pyramid<nn::LstmCell<T>>>>(recurrent_encoder<T>(s), s,
                                                                      alphabet);
    if (s.model == "transducer") return std::make_unique<Transducer<T>>(s, alphabet);
    if (s.model == "las") return std::make_unique<ListenAttendSpell<T>>(s, alphabet);
    if (s.model == "transformer_ctc")
        return std::make_unique<Ctc<T, AttentiveEncoder<T>>>(AttentiveEncoder<T>(s), s, alphabet);
    if (s.model == "transformer") return std::make_unique<TransformerRecogniser<T>>(s, alphabet);
    fail("speech", "there is no model '" + s.model + "'");
}

template std::unique_ptr<Recogniser<float>> make_recogniser(const Settings&, const Alphabet&);
template std::unique_ptr<Recogniser<double>> make_recogniser(const Settings&, const Alphabet&);

} // namespace speech
