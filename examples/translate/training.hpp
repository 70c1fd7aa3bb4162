#pragma once

#include "translation.hpp"

#include <cstdio>

namespace translate {

using example::number;

struct Training : example::TrainingOptions {
    std::string pairs;
    Settings model;
    std::size_t min_count = 2;
    double smoothing = 0.1;

    Training() {
        batch = 64;
        rate = 2e-3;
        minutes = 15;
        out = "translate.safetensors";
    }
    void fields(example::Fields& f) {
        f.takes("PAIRS", pairs, "", example::Existing::file);
        model.fields(f);
        f.takes("--min-count", min_count, "words that are rarer are unknown", example::Positive());
        f.takes("--smoothing", smoothing, "share of a target that all words divide",
                example::Between{0, 0.99});
        TrainingOptions::fields(f, "pairs in a batch");
    }
};

inline std::vector<Pair> pairs_of(const std::string& path) {
    return path.empty() ? grammar_pairs() : read_pairs(path);
}

inline int check_gradients(Training o) {
    o.model.width = o.model.hidden = 4;
    o.model.layers = 1;
    o.model.heads = 2;
    o.model.dropout = 0;
    o.model.source = nn::Vocabulary::of(nn::Tokens{"a", "b", "c", "d", "e"}, source_symbols);
    o.model.target = nn::Vocabulary::of(nn::Tokens{"a", "b"}, nn::SpecialSymbols());
    nn::seed(o.seed);
    Model<double> model(o.model);
    const nn::PaddedBatch sources{Indices({3, 2}, {2, 3, 4, 5, 6, 0}), {3, 2}};
    const Indices targets({3, 2}, {3, 4, 5, 2, 2, -100});
    return o.inspection.check(
        [&](Tape<double>& tape) { return model.loss(tape, sources, targets, o.smoothing); },
        nn::named_parameters(model));
}

inline int train(Training o) {
    const std::vector<Pair> pairs = pairs_of(o.pairs);
    if (o.resume) o.model = example::read<Settings>(o.out);
    const auto [learned, held_out] = split(pairs, std::min(o.model.held_out, pairs.size() / 10));
    o.model.held_out = held_out.size();
    nn::Vocabulary &from = o.model.source, &to = o.model.target;
    if (!o.resume) {
        std::vector<nn::Tokens> sources, targets;
        for (const auto& pair : learned) {
            sources.push_back(pair.source);
            targets.push_back(pair.target);
        }
        from = nn::Vocabulary(sources, {.min_count = o.min_count, .special = source_symbols});
        to = nn::Vocabulary(targets, {.min_count = o.min_count});
    }
    nn::seed(o.seed);
    Model<float> model(o.model);
    std::printf("%zu pairs to learn, %zu sources held out; vocabularies of %zu and %zu; "
                "%zu parameters; %zu threads\n",
                learned.size(), held_out.size(), from.size(), to.size(), nn::parameter_count(model),
                threads::count());

    std::vector<std::vector<std::int64_t>> x, y;
    for (const auto& pair : learned) {
        x.push_back(from.encode(pair.source));
        y.push_back(to.encode(pair.target, nn::Vocabulary::Ends::end));
    }
    example::Task task;
    std::size_t words = 0;
    for (const auto& target : y) words += target.size();
    task.units = static_cast<double>(words * o.batch) / static_cast<double>(y.size());
    task.unit = "words";
    const auto loss = [&](Tape<float>& tape, std::span<const std::size_t> which) {
        return model.loss(tape, nn::pad_sequences(x, which, 0),
                          nn::pad_sequences(y, which, -100).numbers, o.smoothing);
    };
    const std::span<const HeldOut> all(held_out);
    task.glance = [&] {
        const auto some = all.first(std::min<std::size_t>(all.size(), 300));
        return example::Figures{{"bleu_greedy", bleu(model, o.model, some, 1)}};
    };
    task.result = [&] {
        return example::Figures{{"bleu_greedy", bleu(model, o.model, all, 1)},
                                {"bleu_beam", bleu(model, o.model, all, 4)}};
    };
    task.words = example::words(o.model);
    return example::learn(o, {nn::lengths_of(y), o.batch, o.seed}, task, loss,
                          example::named(model));
}

} // namespace translate
