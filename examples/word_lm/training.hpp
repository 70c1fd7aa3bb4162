#pragma once

#include "../common/learning.hpp"
#include "data.hpp"
#include "model.hpp"

#include <cstdio>

namespace word_lm {

using example::number;

struct Training : example::TrainingOptions {
    std::string text, valid;
    Settings model;
    std::size_t steps = 35, min_count = 1;

    Training() {
        batch = 40;
        rate = 3e-3;
        clip = 0.5;
        minutes = 30;
        out = "word_lm.safetensors";
    }
};

struct Loaded {
    explicit Loaded(const std::string& path)
        : header(path, "word_lm"), vocabulary(header.vocabulary("vocabulary", special_symbols)),
          settings{header.size("width"),  header.size("layers"),  header.size("frequent"),
                   header.size("groups"), header.real("dropout"), header.real("weight_dropout")},
          model(example::load<Model<float>>(path, settings, vocabulary.size())) {}
    example::Header header;
    nn::Vocabulary vocabulary;
    Settings settings;
    Model<float> model;
};

inline double evaluate(const Model<float>& model, std::span<const std::int64_t> text) {
    const std::size_t columns = std::clamp<std::size_t>(text.size() / 2000, 1, 20);
    Tape<float> tape;
    return example::mean_loss(tape, example::Stream(text, columns, 35),
                              [&](const Indices& x, const Indices& y, auto* state) {
                                  tape.clear();
                                  return model.loss(tape, x, y, state);
                              });
}

inline int check_gradients(Training o) {
    o.model = {.width = 5, .layers = o.model.layers, .frequent = 5, .groups = 2, .dropout = 0};
    nn::seed(o.seed);
    Model<double> model(o.model, 12);
    const Indices x({3, 2}, {0, 3, 6, 11, 2, 7}), y({3, 2}, {6, 11, 2, 7, 1, 4});
    return o.inspection.check([&](Tape<double>& tape) { return model.loss(tape, x, y); },
                              nn::named_parameters(model));
}

inline int train(Training o) {
    std::vector<nn::Tokens> lines = o.text.empty() ? small_text() : read_text(o.text), held;
    if (o.valid.empty()) {
        const auto last = lines.end() - static_cast<std::ptrdiff_t>((lines.size() + 9) / 10);
        held.assign(last, lines.end());
        lines.erase(last, lines.end());
    } else {
        held = read_text(o.valid);
    }
    std::optional<Loaded> before;
    if (o.resume) {
        before.emplace(o.out);
        o.model = before->settings;
    }
    const auto vocabulary =
        before ? before->vocabulary
               : nn::Vocabulary(lines, {.min_count = o.min_count, .special = special_symbols});
    const auto learned = encode(vocabulary, lines), valid = encode(vocabulary, held);
    nn::seed(o.seed);
    Model<float> model = before ? before->model : Model<float>(o.model, vocabulary.size());
    if (!before) model.begin_with(vocabulary.counts());
    std::printf("%zu words, %zu different; %zu to measure with; %zu parameters; %zu threads\n",
                learned.size(), vocabulary.size(), valid.size(), nn::parameter_count(model),
                threads::count());

    const example::Stream stream(learned, o.batch, o.steps);
    example::Task task;
    example::CarriedStates states(o.shards, task);
    task.batches = stream.batches();
    task.units = static_cast<double>(o.batch * o.steps);
    task.unit = "words";
    task.loss = [&](std::size_t shard, Tape<float>& tape, std::size_t batch) {
        const std::size_t width = o.batch / o.shards;
        const auto [x, y] = stream.batch(batch, shard * width, (shard + 1) * width);
        return model.loss(tape, x, y, &states.of(shard));
    };
    const auto figures = [&](std::size_t words) {
        const std::span<const std::int64_t> some(valid.data(), std::min(words, valid.size()));
        return example::Figures{{"validation_perplexity", std::exp(evaluate(model, some))}};
    };
    task.glance = [&] { return figures(20000); };
    task.result = [&] { return figures(valid.size()); };
    task.words = {{"program", "word_lm"},
                  {"width", std::to_string(o.model.width)},
                  {"layers", std::to_string(o.model.layers)},
                  {"frequent", std::to_string(o.model.frequent)},
                  {"groups", std::to_string(o.model.groups)},
                  {"dropout", number(o.model.dropout, 6)},
                  {"weight_dropout", number(o.model.weight_dropout, 6)},
                  {"vocabulary", example::joined(vocabulary)}};
    return example::train(o, task, example::named(model));
}

} // namespace word_lm
