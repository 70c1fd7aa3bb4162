#pragma once

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
    void fields(example::Fields& f) {
        const example::Between size{1, 65536};
        f.takes("TEXT", text, "", example::Existing::file);
        f.takes("--valid", valid, "measure with; else a tenth of the text",
                example::Existing::file);
        model.fields(f);
        f.takes("--steps", steps, "words a gradient flows back through", size);
        f.takes("--min-count", min_count, "words that are rarer are unknown", size);
        TrainingOptions::fields(f, "pieces of the text read side by side");
    }
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
    const nn::Tokens words{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    o.model = {.width = 5,
               .layers = o.model.layers,
               .frequent = 5,
               .groups = 2,
               .dropout = 0,
               .words = nn::Vocabulary::of(words, special_symbols)};
    nn::seed(o.seed);
    Model<double> model(o.model);
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
    const nn::Vocabulary& vocabulary = o.model.words =
        nn::Vocabulary(lines, {.min_count = o.min_count, .special = special_symbols});
    if (o.resume) o.model = example::read<Settings>(o.out);
    const auto learned = encode(vocabulary, lines), valid = encode(vocabulary, held);
    nn::seed(o.seed);
    Model<float> model(o.model);
    if (!o.resume) model.begin_with(vocabulary.counts());
    std::printf("%zu words, %zu different; %zu to measure with; %zu parameters; %zu threads\n",
                learned.size(), vocabulary.size(), valid.size(), nn::parameter_count(model),
                threads::count());

    const example::Stream stream(learned, o.batch, o.steps);
    example::Task task;
    task.unit = "words";
    const auto loss = [&](Tape<float>& tape, const Indices& x, const Indices& y,
                          example::Carried<float>* state) { return model.loss(tape, x, y, state); };
    const auto figures = [&](std::size_t words) {
        const std::span<const std::int64_t> some(valid.data(), std::min(words, valid.size()));
        return example::Figures{{"validation_perplexity", std::exp(evaluate(model, some))}};
    };
    task.glance = [&] { return figures(20000); };
    task.result = [&] { return figures(valid.size()); };
    task.words = example::words(o.model);
    return example::learn(o, stream, task, loss, example::named(model));
}

} // namespace word_lm
