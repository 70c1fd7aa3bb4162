#pragma once

#include "../common/learning.hpp"
#include "model.hpp"

#include <cstdio>

namespace ner {

struct Training : example::TrainingOptions {
    std::string train, dev;
    Settings model;
    double unknown = 0.5;

    Training() {
        batch = 16;
        minutes = 3;
        out = "ner.safetensors";
    }
};

inline std::pair<Settings, Vocabularies> read_header(const std::string& path) {
    const example::Header header(path, "ner");
    return {{header.size("crf") == 1, header.size("hidden"), header.size("embedding"),
             header.size("character_width"), header.real("dropout")},
            {header.vocabulary("words"), header.vocabulary("characters"),
             header.vocabulary("tags", nn::SpecialSymbols::none())}};
}

inline int train(Training o) {
    const auto learned = o.train.empty() ? made_up() : nn::read_columns(o.train);
    const auto dev = o.dev.empty() ? learned : nn::read_columns(o.dev);
    Vocabularies v = vocabularies_of(learned);
    const auto counts = v.words.counts();
    if (o.resume) std::tie(o.model, v) = read_header(o.out);
    const auto sentences = encode(learned, v, o.train), held = encode(dev, v, o.dev);

    nn::seed(o.seed);
    Model<float> model(o.model, v);
    std::printf("%zu sentences, %zu words, %zu tags; %zu parameters\n", sentences.size(),
                v.words.size(), v.tags.size(), nn::parameter_count(model));
    example::Task task;
    task.unit = "sentences";
    const auto loss = [&](Tape<float>& tape, std::span<const std::size_t> which) {
        Batch x = make_batch(sentences, which);
        // Names are mostly words that were never met: rare ones are hidden now and then, so that
        // spelling and neighbours have to do.
        for (std::size_t i = 0; i < x.words.numbers.size(); ++i) {
            auto& word = x.words.numbers.data()[i];
            const auto count = static_cast<double>(counts[static_cast<std::size_t>(word)]);
            if (word > v.words.unknown() &&
                tape.random().uniform() * (o.unknown + count) < o.unknown)
                word = v.words.unknown();
        }
        return model.loss(tape, x);
    };
    task.glance = [&] {
        const auto scores = evaluate(model, held, v.tags);
        return example::Figures{{"entity_f1", scores.overall().f1},
                                {"token_accuracy", scores.token_accuracy()}};
    };
    task.result = task.glance;
    task.words = {{"program", "ner"},
                  {"crf", std::to_string(o.model.crf)},
                  {"hidden", std::to_string(o.model.hidden)},
                  {"embedding", std::to_string(o.model.embedding)},
                  {"character_width", std::to_string(o.model.characters)},
                  {"dropout", example::number(o.model.dropout, 4)},
                  {"words", example::joined(v.words)},
                  {"characters", example::joined(v.characters)},
                  {"tags", example::joined(v.tags)}};
    return example::learn(o, {nn::lengths_of(sentences), o.batch, o.seed}, task, loss,
                          example::named(model));
}

inline int check_gradients(const Training& o) {
    nn::seed(o.seed);
    const auto some = made_up();
    const auto v = vocabularies_of({some.begin(), some.begin() + 3});
    Settings small = o.model;
    small.hidden = small.embedding = small.characters = 3;
    Model<double> model(small, v);
    const auto batch =
        make_batch(encode({some.begin(), some.begin() + 3}, v), std::vector<std::size_t>{0, 2});
    return o.inspection.check(
        [&](Tape<double>& tape) {
            tape.set_evaluating(true); // nothing is dropped
            return model.loss(tape, batch);
        },
        nn::named_parameters(model));
}

} // namespace ner
