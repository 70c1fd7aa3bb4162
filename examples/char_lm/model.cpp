#include "model.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

namespace char_lm {

std::map<std::string, std::string> Settings::words() const {
    std::ostringstream share;
    share << dropout;
    return {{"cell", cell},
            {"layers", std::to_string(layers)},
            {"hidden", std::to_string(hidden)},
            {"embedding", std::to_string(embedding)},
            {"dropout", share.str()}};
}

Settings Settings::from(const std::map<std::string, std::string>& words) {
    const auto get = [&](const char* key) {
        const auto found = words.find(key);
        if (found == words.end()) fail("char_lm", std::string("the model lacks '") + key + "'");
        return found->second;
    };
    const auto size = [&](const char* key) {
        std::size_t n = 0;
        if (!(std::istringstream(get(key)) >> n) || n == 0 || n > 1u << 20)
            fail("char_lm", std::string("'") + key + "' of the model is " + get(key));
        return n;
    };
    Settings settings{get("cell"), size("layers"), size("hidden"), size("embedding"), 0};
    std::istringstream(get("dropout")) >> settings.dropout;
    return settings;
}

template <class T>
Model<T>::Model(const Settings& s, std::size_t vocabulary)
    : settings_(s), embed_({.vocabulary = vocabulary, .width = s.embedding}),
      head_({.input = s.hidden, .output = vocabulary}) {
    if (s.cell == "lstm")
        lstm_.emplace_back(nn::RecurrentOptions<nn::LstmCell<T>>{.input = s.embedding,
                                                                 .hidden = s.hidden,
                                                                 .layers = s.layers,
                                                                 .dropout = s.dropout,
                                                                 .cell = {.forget_bias = 1}});
    else if (s.cell == "gru")
        gru_.emplace_back(nn::RecurrentOptions<nn::GruCell<T>>{
            .input = s.embedding, .hidden = s.hidden, .layers = s.layers, .dropout = s.dropout});
    else if (s.cell == "rnn")
        rnn_.emplace_back(nn::RecurrentOptions<nn::RnnCell<T>>{
            .input = s.embedding, .hidden = s.hidden, .layers = s.layers, .dropout = s.dropout});
    else
        fail("char_lm", "cell '" + s.cell + "' is none of rnn, lstm, gru");
}

template <class T>
template <class Net>
Variable<T> Model<T>::run(const Net& net, const Variable<T>& x, Carried* state) const {
    typename Net::States initial;
    if (state != nullptr)
        for (std::size_t s = 0; s < initial.size(); ++s) initial[s] = (*state)[s];
    auto [output, last] = net(x, initial);
    if (state != nullptr)
        for (std::size_t s = 0; s < last.size(); ++s) (*state)[s] = last[s].value();
    return output;
}

template <class T>
Variable<T> Model<T>::operator()(Tape<T>& tape, const Indices& x, Carried* state) const {
    Variable<T> h = embed_(tape, x);
    if (!lstm_.empty())
        h = run(lstm_[0], h, state);
    else if (!gru_.empty())
        h = run(gru_[0], h, state);
    else
        h = run(rnn_[0], h, state);
    return head_(dropout(h, settings_.dropout));
}

template <class T>
void Model<T>::members(nn::Members<T>& m) {
    m("embedding", embed_);
    for (auto& net : rnn_) m("rnn", net);
    for (auto& net : lstm_) m("lstm", net);
    for (auto& net : gru_) m("gru", net);
    m("head", head_);
}

template <class T>
double evaluate(const Model<T>& model, std::span<const std::int64_t> text) {
    const std::size_t columns = std::clamp<std::size_t>(text.size() / 2000, 1, 64);
    Tape<T> tape;
    return example::mean_loss(tape, example::Stream(text, columns, 100),
                              [&](const Indices& x, const Indices& y, auto* state) {
                                  return cross_entropy(model(tape, x, state), y);
                              });
}

std::string sample(const Model<float>& model, const example::ByteVocabulary& vocabulary,
                   const std::string& prompt, const Sampling& how, Random random) {
    if (!(how.temperature >= 0) || !(how.top_p > 0 && how.top_p <= 1))
        fail("sample", "temperature must be at least 0 and top-p in (0, 1]");
    Tape<float> tape;
    tape.set_recording(false);
    Model<float>::Carried state;
    std::vector<std::int64_t> next = vocabulary.encode(prompt.empty() ? "\n" : prompt);
    std::string text;
    while (text.size() < how.length) {
        const Indices x({next.size(), 1}, std::span<const std::int64_t>(next));
        const Variable<float> logits = model(tape, x, &state);
        const auto scores = logits.value().select(0, next.size() - 1).to_vector();
        std::vector<std::size_t> order(scores.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::stable_sort(order.begin(), order.end(),
                         [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
        std::size_t chosen = order[0];
        if (how.temperature > 0) {
            std::vector<double> weights;
            double total = 0;
            for (const std::size_t i : order)
                total += weights.emplace_back(
                    std::exp((scores[i] - scores[order[0]]) / how.temperature));
            std::size_t kept = how.top_k == 0 ? order.size() : std::min(how.top_k, order.size());
            double mass = 0;
            for (std::size_t i = 0; i < kept; ++i) {
                mass += weights[i];
                if (mass >= how.top_p * total) kept = i + 1;
            }
            double draw = random.uniform() * mass;
            std::size_t at = 0;
            while (at + 1 < kept && (draw -= weights[at]) >= 0) ++at;
            chosen = order[at];
        }
        next = {static_cast<std::int64_t>(chosen)};
        text += vocabulary.decode(next[0]);
    }
    return text;
}

template class Model<float>;
template class Model<double>;
template double evaluate(const Model<float>&, std::span<const std::int64_t>);

} // namespace char_lm
