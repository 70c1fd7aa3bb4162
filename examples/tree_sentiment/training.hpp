#pragma once

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
    void fields(example::Fields& f) {
        f.takes("TRAIN", train, "a tree a line; without one, a made-up language");
        f.takes("DEV", dev, "looked at now and then; without one, TRAIN");
        model.fields(f);
        TrainingOptions::fields(f, "trees in a batch");
    }
};

inline std::vector<example::LabelledTree> trees_of(const std::string& path) {
    return path.empty() ? example::made_up_trees() : example::read_trees(path);
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
    const nn::Vocabulary& words = o.model.words = words_of(trees);
    if (o.resume) o.model = example::read<Settings>(o.out);
    const Numbered learned(trees, words), held(o.dev.empty() ? trees : trees_of(o.dev), words);

    nn::seed(o.seed);
    Model<float> model(o.model);
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
    task.glance = task.result = [&] { return figures(evaluate(model, held)); };
    task.words = example::words(o.model);
    return example::learn(o, {learned.trees.size(), o.batch, o.seed}, task, loss,
                          example::named(model));
}

inline int check_gradients(Training o) {
    nn::seed(o.seed);
    const auto trees = example::made_up_trees();
    const std::vector<example::LabelledTree> two(trees.begin(), trees.begin() + 2);
    o.model.hidden = o.model.embedding = 3;
    o.model.dropout = 0;
    o.model.words = words_of(two);
    Model<double> model(o.model);
    const Batch batch(Numbered(two, o.model.words), std::vector<std::size_t>{0, 1});
    return o.inspection.check(
        [&](Tape<double>& tape) { return cross_entropy(model(tape, batch), batch.labels); },
        nn::named_parameters(model));
}

} // namespace tree_sentiment
