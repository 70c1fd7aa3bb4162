#pragma once

#include "../common/learning.hpp"
#include "model.hpp"

#include <cstdio>

namespace tree_sentiment {

struct Training : example::TrainingOptions {
    std::string train, dev;
    Settings model;

    Training() {
        batch = 16;
        rate = 4e-3;
        clip = 5;
        out = "tree_sentiment.safetensors";
    }
};

inline std::vector<example::LabelledTree> trees_of(const std::string& path) {
    return path.empty() ? example::made_up_trees() : example::read_trees(path);
}

inline std::pair<Settings, nn::Vocabulary> read_header(const std::string& path) {
    const example::Header header(path, "tree_sentiment");
    return {{header.word("cell"), header.size("hidden"), header.size("embedding"),
             header.real("dropout")},
            header.vocabulary("vocabulary")};
}

inline nn::Vocabulary words_of(const std::vector<example::LabelledTree>& trees) {
    std::vector<nn::Tokens> sentences;
    for (const auto& tree : trees) sentences.push_back(tree.words);
    return nn::Vocabulary(sentences, {.min_count = 2}); // a word met once teaches nothing
}

inline example::Figures figures(const Told& told) {
    auto all = told.roots.figures();
    all.emplace_back("nodes", told.nodes.accuracy());
    return all;
}

inline int train(Training o) {
    const auto trees = trees_of(o.train);
    nn::Vocabulary words = words_of(trees);
    if (o.resume) std::tie(o.model, words) = read_header(o.out);
    const Numbered learned(trees, words), held(o.dev.empty() ? trees : trees_of(o.dev), words);

    nn::seed(o.seed);
    Model<float> model(o.model, words.size());
    std::printf("%zu trees, %zu words; %zu parameters\n", learned.trees.size(), words.size(),
                nn::parameter_count(model));
    example::Task task;
    task.unit = "trees";
    const auto loss = [&](Tape<float>& tape, std::span<const std::size_t> which) {
        Batch batch(learned, which);
        // A word in thirty is not known, as some will not be later.
        for (std::size_t i = 0; i < batch.words.size(); ++i)
            if (tape.random().below(30) == 0) batch.words.data()[i] = words.unknown();
        // A sentence counts as much as all of its phrases, most of which are neutral words.
        const auto logits = model(tape, batch);
        const auto& roots = batch.trees.roots();
        return cross_entropy(logits, batch.labels) +
               cross_entropy(take(logits, roots), batch.labels_of(roots));
    };
    task.glance = [&] { return figures(evaluate(model, held)); };
    task.result = task.glance;
    task.words = {{"program", "tree_sentiment"},
                  {"cell", o.model.cell},
                  {"hidden", std::to_string(o.model.hidden)},
                  {"embedding", std::to_string(o.model.embedding)},
                  {"dropout", example::exact(o.model.dropout)},
                  {"vocabulary", example::joined(words)}};
    return example::learn(o, {learned.trees.size(), o.batch, o.seed}, task, loss,
                          example::named(model));
}

inline int check_gradients(const Training& o) {
    nn::seed(o.seed);
    Settings small = o.model;
    small.hidden = small.embedding = 3;
    small.dropout = 0;
    Model<double> model(small, 8);
    const auto trees = example::made_up_trees();
    const std::vector<example::LabelledTree> two(trees.begin(), trees.begin() + 2);
    const Numbered numbers(two, words_of(two));
    Batch batch(numbers, std::vector<std::size_t>{0, 1});
    for (std::size_t i = 0; i < batch.words.size(); ++i) batch.words.data()[i] %= 8;
    return o.inspection.check(
        [&](Tape<double>& tape) { return cross_entropy(model(tape, batch), batch.labels); },
        nn::named_parameters(model));
}

} // namespace tree_sentiment
