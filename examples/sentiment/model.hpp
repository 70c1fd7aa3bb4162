#pragma once

#include "../common/learning.hpp"
#include "data.hpp"

namespace sentiment {

struct Settings {
    static constexpr const char* program = "sentiment";
    std::string pooling = "max";
    std::size_t layers = 1, hidden = 100, embedding = 100;
    double dropout = 0.4;
    nn::Vocabulary words = example::no_words();

    void fields(example::Fields& f) {
        const example::Between size{1, 4096};
        f("--pooling", pooling, "how steps become a sentence",
          example::OneOf{"last", "mean", "max", "attention"});
        f("--layers", layers, "recurrent layers", size);
        f("--hidden", hidden, "width of a direction", size);
        f("--embedding", embedding, "width of a word's vector", size);
        f("--dropout", dropout, "share of values dropped", example::Between{0, 1});
        f.stored("vocabulary", words);
    }
};

// Embedding, bidirectional LSTM, one vector for the sentence, classes.
template <class T>
class Model {
public:
    using value_type = T;

    explicit Model(const Settings& s)
        : settings_(s),
          embed_(
              {.vocabulary = s.words.size(), .width = s.embedding, .padding = s.words.padding()}),
          lstm_({.input = s.embedding,
                 .hidden = s.hidden,
                 .layers = s.layers,
                 .dropout = s.dropout,
                 .bidirectional = true,
                 .cell = {.forget_bias = 1}}),
          attend_({.input = 2 * s.hidden, .output = s.hidden}),
          weigh_({.input = s.hidden, .output = 1, .bias = false}),
          head_({.input = 2 * s.hidden, .output = classes}) {}

    // Logits [B, classes]. Leaves in `shares`, where given, how much each step [T, B] counts.
    Variable<T> operator()(Tape<T>& tape, const nn::PaddedBatch& x,
                           Tensor<T>* shares = nullptr) const {
        const auto& [numbers, lengths] = x;
        const auto embedded = dropout(embed_(tape, numbers), settings_.dropout);
        const auto [h, state] = lstm_(embedded, {}, lengths);
        const Mask active =
            nn::active_steps("sentiment", numbers.shape(0), numbers.shape(1), lengths)
                .expand_dims(-1);
        return head_(dropout(pooled(h, state[0], active, lengths, shares), settings_.dropout));
    }

    void members(nn::Members<T>& m) {
        m("embedding", embed_)("lstm", lstm_)("head", head_);
        if (settings_.pooling == "attention") m("attend", attend_)("weigh", weigh_);
    }

private:
    Variable<T> pooled(const Variable<T>& h, const Variable<T>& last, const Mask& active,
                       const std::vector<std::size_t>& lengths, Tensor<T>* shares) const {
        const Scope scope(settings_.pooling.c_str());
        if (settings_.pooling == "last") {
            const std::size_t n = last.shape(0);
            return concatenate({select(last, 0, n - 2), select(last, 0, n - 1)}, -1);
        }
        if (settings_.pooling == "mean") {
            Tensor<T> parts({lengths.size(), 1}); // steps beyond the end are zeros already
            for (std::size_t b = 0; b < lengths.size(); ++b)
                parts.data()[b] = T(1) / static_cast<T>(std::max<std::size_t>(lengths[b], 1));
            return sum(h, {0}) * parts;
        }
        if (settings_.pooling == "max") return amax(where(active, h, -1), {0}); // |h| < 1
        // Additive attention: softmax over time of v . tanh(W h)  (Bahdanau et al. 2015)
        const auto share = softmax(weigh_(tanh(attend_(h))), active, 0);
        if (shares != nullptr) *shares = share.value().squeeze(-1);
        return sum(share * h, {0});
    }

    Settings settings_;
    nn::Embedding<T> embed_;
    nn::Lstm<T> lstm_;
    nn::Linear<T> attend_, weigh_, head_;
};

} // namespace sentiment
