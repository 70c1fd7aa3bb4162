#pragma once

#include "../common/learning.hpp"
#include "data.hpp"

namespace names {

struct Settings {
    static constexpr const char* program = "names";
    std::size_t hidden = 128, embedding = 32;
    double dropout = 0.2;
    nn::Vocabulary letters = example::no_words(), classes = letters;

    void fields(example::Fields& f) {
        f("--hidden", hidden, "width of the GRU", example::Between{1, 4096});
        f("--embedding", embedding, "width of a letter's vector", example::Between{1, 4096});
        f("--dropout", dropout, "share of values dropped", example::Between{0, 1});
        f.stored("letters", letters).stored("classes", classes, nn::SpecialSymbols::none());
    }
};

// A GRU that is handed the start symbol and tells one letter after the other, until the end symbol;
// where there are classes, its last state tells the class, too.
template <class T>
class Model {
public:
    using value_type = T;

    explicit Model(const Settings& s)
        : settings_(s), classes_(s.classes.size()),
          embed_({.vocabulary = s.letters.size(), .width = s.embedding, .padding = 0}),
          gru_({.input = s.embedding, .hidden = s.hidden}),
          next_({.input = s.hidden, .output = s.letters.size()}),
          class_({.input = s.hidden, .output = classes_}) {}

    struct Out {
        Variable<T> next;  // logits [T, B, letters]
        Variable<T> state; // [1, B, hidden]
    };
    Out operator()(Tape<T>& tape, const nn::PaddedBatch& x, const Tensor<T>& state = {}) const {
        typename nn::Gru<T>::States initial;
        if (state.storage()) initial[0] = Variable<T>(state);
        const auto [h, last] = gru_(embed_(tape, x.numbers), initial, x.lengths);
        return {next_(dropout(h, settings_.dropout)), last[0]};
    }
    // Logits [B, classes].
    Variable<T> classify(const Out& out) const {
        return class_(dropout(select(out.state, 0, 0), settings_.dropout));
    }

    // Mean over the letters, and where there are classes over the names.
    Variable<T> loss(Tape<T>& tape, const Batch& batch) const {
        const auto out = (*this)(tape, batch.x);
        const auto spelled = cross_entropy(out.next, batch.y);
        return classes_ < 2 ? spelled : spelled + cross_entropy(classify(out), batch.classes);
    }

    void members(nn::Members<T>& m) {
        m("embedding", embed_)("gru", gru_)("next", next_);
        if (classes_ > 1) m("class", class_);
    }

private:
    Settings settings_;
    std::size_t classes_;
    nn::Embedding<T> embed_;
    nn::Gru<T> gru_;
    nn::Linear<T> next_, class_;
};

struct Figures {
    double bits = 0; // a character, ends included
    nn::ConfusionMatrix classes;
};

inline Figures evaluate(const Model<float>& model, const Names& names, std::size_t classes) {
    double nats = 0;
    std::size_t characters = 0;
    nn::ConfusionMatrix matrix(classes);
    example::in_batches(nn::lengths_of(names.letters), 256, [&](auto& tape, const auto& which) {
        const Batch batch = make_batch(names, which);
        const auto out = model(tape, batch.x);
        std::size_t here = which.size(); // each has an end
        for (const std::size_t i : which) here += names.letters[i].size();
        nats += static_cast<double>(here) *
                static_cast<double>(cross_entropy(out.next, batch.y).item());
        characters += here;
        if (classes > 1) matrix.add(batch.classes, argmax(model.classify(out)));
    });
    return {nn::bits_per_character(nats, characters), matrix};
}

// The name that begins with the start symbol, letter by letter; temperature 0: the likeliest.
inline std::vector<std::int64_t> sample(const Model<float>& model, double temperature,
                                        Random& random) {
    constexpr std::size_t longest = 40;
    Tape<float> tape;
    tape.set_recording(false);
    Tensor<float> state;
    std::vector<std::int64_t> letters;
    std::int64_t last = start;
    while (letters.size() < longest) {
        const auto out = model(tape, {Indices({1, 1}, {last}), {1}}, state);
        state = out.state.value();
        const auto scores = out.next.value().select(0, 0).select(0, 0).to_vector();
        std::vector<double> weights;
        const double best =
            static_cast<double>(*std::max_element(scores.begin() + end, scores.end()));
        double total = 0; // without padding, unknown and start
        for (std::size_t i = 0; i < scores.size(); ++i)
            total += weights.emplace_back(static_cast<std::int64_t>(i) < end
                                              ? 0
                                              : std::exp((static_cast<double>(scores[i]) - best) /
                                                         std::max(temperature, 1e-6)));
        double draw = random.uniform() * total;
        std::size_t at = static_cast<std::size_t>(end);
        while (at + 1 < weights.size() && (draw -= weights[at]) >= 0) ++at;
        last = static_cast<std::int64_t>(at);
        if (last == end) break;
        letters.push_back(last);
    }
    return letters;
}

} // namespace names
