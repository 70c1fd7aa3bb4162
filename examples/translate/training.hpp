#pragma once

#include "../common/learning.hpp"
#include "translation.hpp"

#include <cstdio>
#include <optional>

namespace translate {

using example::number;

struct Training : example::TrainingOptions {
    std::string pairs;
    Settings model;
    std::size_t min_count = 2, held_out = 1500;
    double smoothing = 0.1;

    Training() {
        batch = 64;
        rate = 2e-3;
        minutes = 15;
        out = "translate.safetensors";
    }
};

// Source sentences have no use for a beginning and an end.
inline const nn::SpecialSymbols source_symbols{"<pad>", "<unk>", "", ""};

struct Loaded {
    explicit Loaded(const std::string& path)
        : header(path, "translate"), from(header.vocabulary("source", source_symbols)),
          to(header.vocabulary("target")), settings{.model = header.word("model"),
                                                    .attention = header.word("attention"),
                                                    .width = header.size("width"),
                                                    .hidden = header.size("hidden"),
                                                    .layers = header.size("layers"),
                                                    .heads = header.size("heads"),
                                                    .dropout = header.real("dropout")},
          model(example::load<Model<float>>(path, settings, from.size(), to.size(), to.start())) {}
    example::Header header;
    nn::Vocabulary from, to;
    Settings settings;
    Model<float> model;
};

inline std::vector<Pair> pairs_of(const std::string& path) {
    return path.empty() ? grammar_pairs() : read_pairs(path);
}

inline double bleu(const Model<float>& model, const nn::Vocabulary& from, const nn::Vocabulary& to,
                   std::span<const HeldOut> held_out, std::size_t beam) {
    std::vector<nn::Tokens> sources;
    for (const auto& sentence : held_out) sources.push_back(sentence.source);
    const auto written = translate(model, from, to, sources, beam);
    nn::Bleu score;
    for (std::size_t i = 0; i < written.size(); ++i)
        score.add(written[i].words, held_out[i].references);
    return 100 * score.score();
}

inline int check_gradients(Training o) {
    o.model.width = o.model.hidden = 4;
    o.model.layers = 1;
    o.model.heads = 2;
    o.model.dropout = 0;
    nn::seed(o.seed);
    Model<double> model(o.model, 7, 6, 1);
    const nn::PaddedBatch sources{Indices({3, 2}, {2, 3, 4, 5, 6, 0}), {3, 2}};
    const Indices targets({3, 2}, {3, 4, 5, 2, 2, -100});
    return o.inspection.check(
        [&](Tape<double>& tape) { return model.loss(tape, sources, targets, o.smoothing); },
        nn::named_parameters(model));
}

inline int train(Training o) {
    std::optional<Loaded> before;
    if (o.resume) {
        before.emplace(o.out);
        o.model = before->settings;
        o.held_out = before->header.size("held_out");
    }
    const std::vector<Pair> pairs = pairs_of(o.pairs);
    const auto [learned, held_out] = split(pairs, std::min(o.held_out, pairs.size() / 10));
    std::vector<nn::Tokens> sources, targets;
    for (const auto& pair : learned) {
        sources.push_back(pair.source);
        targets.push_back(pair.target);
    }
    const nn::VocabularyOptions source_options{.min_count = o.min_count, .special = source_symbols};
    const auto from = before ? before->from : nn::Vocabulary(sources, source_options);
    const auto to = before ? before->to : nn::Vocabulary(targets, {.min_count = o.min_count});
    nn::seed(o.seed);
    Model<float> model =
        before ? before->model : Model<float>(o.model, from.size(), to.size(), to.start());
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
        return example::Figures{{"bleu_greedy", bleu(model, from, to, some, 1)}};
    };
    task.result = [&] {
        return example::Figures{{"bleu_greedy", bleu(model, from, to, all, 1)},
                                {"bleu_beam", bleu(model, from, to, all, 4)}};
    };
    task.words = {{"program", "translate"},
                  {"model", o.model.model},
                  {"attention", o.model.attention},
                  {"width", std::to_string(o.model.width)},
                  {"hidden", std::to_string(o.model.hidden)},
                  {"layers", std::to_string(o.model.layers)},
                  {"heads", std::to_string(o.model.heads)},
                  {"dropout", number(o.model.dropout, 6)},
                  {"held_out", std::to_string(held_out.size())},
                  {"source", example::joined(from)},
                  {"target", example::joined(to)}};
    return example::learn(o, {nn::lengths_of(y), o.batch, o.seed}, task, loss,
                          example::named(model));
}

} // namespace translate
