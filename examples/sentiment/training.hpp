#pragma once

#include "../common/learning.hpp"
#include "model.hpp"

#include <cstdio>

namespace sentiment {

struct Training : example::TrainingOptions {
    std::string train, dev;
    bool phrases = false;
    Settings model;

    Training() {
        batch = 128;
        rate = 3e-3;
        out = "sentiment.safetensors";
    }
};

struct Numbered {
    std::vector<std::vector<std::int64_t>> x;
    std::vector<std::int64_t> labels;

    Numbered(const std::vector<Example>& examples, const nn::Vocabulary& words) {
        for (const auto& example : examples) {
            x.push_back(words.encode(example.words));
            labels.push_back(example.label);
        }
    }
    Indices labels_of(std::span<const std::size_t> which) const {
        Indices y({which.size()});
        for (std::size_t b = 0; b < which.size(); ++b) y.data()[b] = labels[which[b]];
        return y;
    }
};

inline std::pair<Settings, nn::Vocabulary> read_header(const std::string& path) {
    const example::Header header(path, "sentiment");
    return {{header.word("pooling"), header.size("layers"), header.size("hidden"),
             header.size("embedding"), header.real("dropout")},
            header.vocabulary("vocabulary")};
}

inline nn::Vocabulary words_of(const std::vector<Example>& examples) {
    std::vector<nn::Tokens> sentences;
    for (const auto& example : examples) sentences.push_back(example.words);
    return nn::Vocabulary(sentences);
}

inline int train(Training o) {
    const auto learned = read_examples(o.train, o.phrases);
    const auto dev = o.dev.empty() ? learned : read_examples(o.dev, false);
    nn::Vocabulary words = words_of(learned);
    if (o.resume) std::tie(o.model, words) = read_header(o.out);
    const Numbered numbers(learned, words), held(dev, words);

    nn::seed(o.seed);
    Model<float> model(o.model, words.size(), words.padding());
    std::printf("%zu examples, %zu words; %zu parameters\n", learned.size(), words.size(),
                nn::parameter_count(model));
    example::Task task;
    task.unit = "examples";
    const auto loss = [&](Tape<float>& tape, std::span<const std::size_t> which) {
        auto x = nn::pad_sequences(numbers.x, which, words.padding());
        // A word in thirty is not known, as some will not be later.
        for (std::size_t i = 0; i < x.numbers.size(); ++i)
            if (x.numbers.data()[i] != words.padding() && tape.random().below(30) == 0)
                x.numbers.data()[i] = words.unknown();
        return cross_entropy(model(tape, x), numbers.labels_of(which));
    };
    task.glance = [&] { return evaluate(model, held.x, held.labels, words.padding()).figures(); };
    task.result = task.glance;
    task.words = {{"program", "sentiment"},
                  {"pooling", o.model.pooling},
                  {"layers", std::to_string(o.model.layers)},
                  {"hidden", std::to_string(o.model.hidden)},
                  {"embedding", std::to_string(o.model.embedding)},
                  {"dropout", example::number(o.model.dropout, 4)},
                  {"vocabulary", example::joined(words)}};
    return example::learn(o, {nn::lengths_of(numbers.x), o.batch, o.seed}, task, loss,
                          example::named(model));
}

inline int check_gradients(const Training& o) {
    nn::seed(o.seed);
    Settings small = o.model;
    small.hidden = small.embedding = 4;
    small.dropout = 0;
    Model<double> model(small, 12, 0);
    const std::vector<std::vector<std::int64_t>> x{{4, 5, 6, 7}, {8}, {9, 10, 11}};
    const auto batch = nn::pad_sequences(x, 0);
    return o.inspection.check(
        [&](Tape<double>& tape) {
            return cross_entropy(model(tape, batch), Indices({3}, {0, 3, 4}));
        },
        nn::named_parameters(model));
}

} // namespace sentiment
