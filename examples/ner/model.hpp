#pragma once

#include "../common/learning.hpp"
#include "data.hpp"

#include <optional>

namespace ner {

struct Settings {
    static constexpr const char* program = "ner";
    bool crf = false;
    std::size_t hidden = 128, embedding = 64, characters = 32;
    double dropout = 0.5;
    Vocabularies known;

    void fields(example::Fields& f) {
        const example::Between size{1, 4096};
        f("--crf", crf, "tags depend on each other");
        f("--hidden", hidden, "width of a direction", size);
        f("--embedding", embedding, "width of a word's vector", size);
        f.takes("--characters", characters, "width of a character's vector", size);
        f.stored("character_width", characters);
        f("--dropout", dropout, "share of values dropped", example::Between{0, 1});
        known.fields(f);
    }
};

// Each word's vector, how it is written, and the last states of a BiLSTM over its characters; a
// BiLSTM over the sentence; a tag for every word, each by itself or by a CRF.
template <class T>
class Model {
public:
    using value_type = T;

    explicit Model(const Settings& s)
        : settings_(s),
          embed_({.vocabulary = s.known.words.size(), .width = s.embedding, .padding = 0}),
          embed_characters_(
              {.vocabulary = s.known.characters.size(), .width = s.characters, .padding = 0}),
          embed_shapes_({.vocabulary = shapes, .width = 8, .padding = 0}),
          spell_({.input = s.characters, .hidden = s.characters, .bidirectional = true}),
          read_({.input = s.embedding + 8 + 2 * s.characters,
                 .hidden = s.hidden,
                 .bidirectional = true}),
          head_({.input = 2 * s.hidden, .output = s.known.tags.size()}) {
        const nn::Vocabulary& tags = s.known.tags;
        if (s.crf)
            crf_.emplace(nn::CrfOptions{.tags = tags.size(),
                                        .constraints = nn::bio_constraints(tags.symbols())});
    }

    Variable<T> loss(Tape<T>& tape, const Batch& batch) const {
        const auto scores = emissions(tape, batch);
        const auto& lengths = batch.words.lengths;
        if (crf_) {
            double steps = 0;
            for (const std::size_t n : lengths) steps += static_cast<double>(n);
            return crf_->loss(scores, batch.tags, lengths) *
                   (static_cast<double>(lengths.size()) / steps); // a step, as without
        }
        const auto& [steps, width] = std::pair(batch.tags.shape(0), batch.tags.shape(1));
        const Mask active = nn::active_steps("ner", steps, width, lengths);
        Indices targets = batch.tags.copy();
        for (std::size_t i = 0; i < targets.size(); ++i)
            if (!active.data()[i]) targets.data()[i] = -100;
        return cross_entropy(scores, targets);
    }

    // The likeliest tags of each sentence.
    std::vector<std::vector<std::int64_t>> tag(Tape<T>& tape, const Batch& batch) const {
        const auto scores = emissions(tape, batch);
        std::vector<std::vector<std::int64_t>> tags(batch.words.lengths.size());
        if (crf_) {
            auto paths = crf_->decode(scores.value(), batch.words.lengths);
            for (std::size_t b = 0; b < tags.size(); ++b) tags[b] = std::move(paths[b].tags);
            return tags;
        }
        const Indices best = argmax(scores);
        for (std::size_t b = 0; b < tags.size(); ++b)
            for (std::size_t t = 0; t < batch.words.lengths[b]; ++t) tags[b].push_back(best(t, b));
        return tags;
    }

    void members(nn::Members<T>& m) {
        m("embedding", embed_)("characters", embed_characters_)("shapes", embed_shapes_)(
            "spell", spell_)("read", read_);
        m("head", head_);
        if (crf_) m("crf", *crf_);
    }

private:
    Variable<T> emissions(Tape<T>& tape, const Batch& batch) const { // [T, B, tags]
        const auto letters = dropout(embed_characters_(tape, batch.spelling.numbers), 0.2);
        const auto last = spell_(letters, {}, batch.spelling.lengths).state[0];
        const auto spelled = concatenate({select(last, 0, 0), select(last, 0, 1)}, -1);
        const auto x = concatenate({embed_(tape, batch.words.numbers),
                                    embed_shapes_(tape, batch.shapes), take(spelled, batch.place)},
                                   -1);
        const auto h = read_(dropout(x, settings_.dropout), {}, batch.words.lengths).output;
        return head_(dropout(h, settings_.dropout));
    }

    Settings settings_;
    nn::Embedding<T> embed_, embed_characters_, embed_shapes_;
    nn::Lstm<T> spell_, read_;
    nn::Linear<T> head_;
    std::optional<nn::Crf<T>> crf_;
};

inline nn::EntityScores evaluate(const Model<float>& model, const std::vector<Sentence>& sentences,
                                 const nn::Vocabulary& tags) {
    nn::EntityScores scores;
    example::in_batches(nn::lengths_of(sentences), 64, [&](auto& tape, const auto& which) {
        const auto found = model.tag(tape, make_batch(sentences, which));
        for (std::size_t b = 0; b < which.size(); ++b)
            scores.add(tags.decode(sentences[which[b]].tags), tags.decode(found[b]));
    });
    return scores;
}

} // namespace ner
