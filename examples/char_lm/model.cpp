#include "model.hpp"

#include <algorithm>

namespace char_lm {

void Settings::fields(example::Fields& f) {
    const example::Between size{1, 65536};
    f("--model", model, "", example::OneOf{"recurrent", "transformer"});
    f("--cell", cell, "of a recurrent model", example::OneOf{"rnn", "lstm", "gru"});
    f("--layers", layers, "2 where it is recurrent, else 4", example::Between{1, 64});
    f("--hidden", hidden, "width of a layer: 256 where it is recurrent, else 128", size);
    f("--embedding", embedding, "width of a byte's vector in a recurrent model", size);
    f("--heads", heads, "of a transformer's attention", size);
    f("--context", context, "steps before a piece that a transformer still attends to", size);
    f("--dropout", dropout, "share of values dropped between layers", example::Between{0, 1});
    f.stored("vocabulary", vocabulary);
}

Settings Settings::completed() const {
    const bool attends = model == "transformer";
    Settings all = *this;
    if (layers == 0) all.layers = attends ? 4 : 2;
    if (hidden == 0) all.hidden = attends ? 128 : 256;
    if (attends) all.embedding = all.hidden;
    return all;
}

template <class T>
typename Model<T>::Net Model<T>::network(const Settings& s) {
    if (s.model == "transformer")
        return nn::TransformerStack<T>({.width = s.hidden,
                                        .heads = s.heads,
                                        .layers = s.layers,
                                        .dropout = s.dropout,
                                        .activation = nn::Activation::gelu,
                                        .norm_first = true,
                                        .causal = true,
                                        .positions = nn::Positions::rotary});
    if (s.cell == "lstm")
        return nn::Lstm<T>({.input = s.embedding,
                            .hidden = s.hidden,
                            .layers = s.layers,
                            .dropout = s.dropout,
                            .cell = {.forget_bias = 1}});
    if (s.cell == "gru")
        return nn::Gru<T>(
            {.input = s.embedding, .hidden = s.hidden, .layers = s.layers, .dropout = s.dropout});
    if (s.cell == "rnn")
        return nn::Rnn<T>(
            {.input = s.embedding, .hidden = s.hidden, .layers = s.layers, .dropout = s.dropout});
    fail("char_lm", "cell '" + s.cell + "' is none of rnn, lstm, gru");
}

template <class T>
Model<T>::Model(const Settings& s)
    : settings_(s), embed_({.vocabulary = s.bytes().size(), .width = s.embedding}),
      net_(network(s)), head_({.input = s.hidden, .output = s.bytes().size()}) {}

template <class T>
template <class Recurrent>
Variable<T> Model<T>::run(const Recurrent& net, const Variable<T>& x, Carried* state) const {
    typename Recurrent::States initial;
    if (state != nullptr)
        for (std::size_t s = 0; s < initial.size(); ++s) initial[s] = (*state)[s];
    auto [output, last] = net(x, initial);
    if (state != nullptr)
        for (std::size_t s = 0; s < last.size(); ++s) (*state)[s] = last[s].value();
    return output;
}

template <class T>
Variable<T> Model<T>::run(const nn::TransformerStack<T>& net, const Variable<T>& x,
                          Carried* state) const {
    const std::size_t heads = settings_.heads, width = settings_.hidden / heads;
    auto known = net.start();
    const bool goes_on = state != nullptr && (*state)[0].storage();
    for (std::size_t i = 0; goes_on && i < settings_.layers; ++i) {
        const auto by_head = [&](const Tensor<T>& all) { // [S, B, hidden] -> [B, S, heads, width]
            const Tensor<T> layer = all.select(0, i);
            return swapaxes(
                reshape(Variable<T>(layer), Shape{layer.shape(0), layer.shape(1), heads, width}), 0,
                1);
        };
        known.past[i] = {by_head((*state)[0]), by_head((*state)[1]), {}};
    }
    const Variable<T> output = net(x, known).context;
    if (state == nullptr) return output;
    const std::size_t steps = known.steps(), kept = std::min(steps, settings_.context);
    std::array<std::vector<Variable<T>>, 2> parts;
    for (const auto& past : known.past)
        for (std::size_t k = 0; k < 2; ++k) {
            const Variable<T> all = (k == 0 ? past.keys : past.values).value();
            parts[k].push_back(reshape(swapaxes(slice(all, 1, steps - kept, steps), 0, 1),
                                       Shape{kept, x.shape(1), settings_.hidden}));
        }
    for (std::size_t k = 0; k < 2; ++k) (*state)[k] = stack(parts[k]).value();
    return output;
}

template <class T>
Variable<T> Model<T>::operator()(Tape<T>& tape, const Indices& x, Carried* state) const {
    const Variable<T> h = embed_(tape, x);
    const Variable<T> y = std::visit([&](const auto& net) { return run(net, h, state); }, net_);
    return head_(dropout(y, settings_.dropout));
}

template <class T>
void Model<T>::members(nn::Members<T>& m) {
    m("embedding", embed_);
    const char* const names[] = {"rnn", "lstm", "gru", "transformer"};
    std::visit([&](auto& net) { m(names[net_.index()], net); }, net_);
    m("head", head_);
}

template <class T>
double evaluate(const Model<T>& model, std::span<const std::int64_t> text) {
    const std::size_t columns = std::clamp<std::size_t>(text.size() / 2000, 1, 64);
    const threads::Team team;
    Tape<T> tape;
    return example::mean_loss(tape, example::Stream(text, columns, 64),
                              [&](const Indices& x, const Indices& y, auto* state) {
                                  return cross_entropy(model(tape, x, state), y);
                              });
}

namespace {
// A state as decoders carry it.
struct Read {
    Model<float>::Carried state;
    Read reordered(const Indices& parents) const {
        const auto in_order = [&](const Tensor<float>& x) {
            return x.storage() ? nn::reorder(Variable<float>(x), parents).value() : x;
        };
        return {{in_order(state[0]), in_order(state[1])}};
    }
};
} // namespace

std::string sample(const Model<float>& model, const example::ByteVocabulary& vocabulary,
                   const std::string& prompt, const nn::SampleOptions& options) {
    const auto numbers = vocabulary.encode(prompt.empty() ? "\n" : prompt);
    Tape<float> tape;
    tape.set_recording(false);
    Read start;
    if (const std::size_t read = numbers.size() - 1; read > 0)
        model(tape, Indices({read, 1}, std::span(numbers).first(read)), &start.state);
    const auto step = [&](const Read& before, const Indices& tokens) {
        Read next = before;
        const auto logits = model(tape, tokens.expand_dims(0), &next.state);
        return nn::Prediction<Read, float>{next, log_softmax(select(logits, 0, 0))};
    };
    const auto written =
        nn::sample(tape, step, start, Indices({1}, std::span(numbers).last(1)), options);
    std::string text;
    for (const std::int64_t token : written[0].tokens) text += vocabulary.decode(token);
    return text;
}

template class Model<float>;
template class Model<double>;
template double evaluate(const Model<float>&, std::span<const std::int64_t>);

} // namespace char_lm
