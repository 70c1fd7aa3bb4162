#pragma once

#include "../common/learning.hpp"
#include "model.hpp"

#include <cmath>
#include <cstdio>

namespace char_lm {

using example::number;

struct Training : example::TrainingOptions {
    std::vector<std::string> text;
    Settings model;
    std::size_t steps = 64;

    Training() {
        batch = 16;
        out = "char_lm.safetensors";
    }
    void fields(example::Fields& f) {
        f.takes("TEXT", text, "files, or folders of sources", example::Existing::path);
        model.fields(f);
        f.takes("--steps", steps, "bytes a gradient flows back through");
        TrainingOptions::fields(f, "pieces of the text read side by side");
    }
};

inline std::vector<std::string> or_own_sources(const std::vector<std::string>& paths) {
    return paths.empty() ? std::vector<std::string>{UNROLL_SOURCE_FOLDER} : paths;
}

inline double bits(double nats) { return nats / std::log(2.0); }

inline int train(Training o) {
    const std::string text = example::read_texts(or_own_sources(o.text));
    o.model.vocabulary = example::ByteVocabulary(text).hex();
    o.model = o.resume ? example::read<Settings>(o.out) : o.model.completed();
    const example::ByteVocabulary vocabulary = o.model.bytes();
    const std::vector<std::int64_t> numbers = vocabulary.encode(text);
    const std::size_t held_out = numbers.size() / 10;
    const std::span<const std::int64_t> all(numbers);
    const auto learned = all.first(numbers.size() - held_out), valid = all.last(held_out);
    const example::Stream stream(learned, o.batch, o.steps);

    nn::seed(o.seed);
    Model<float> model(o.model);
    std::printf("%zu bytes, %zu different; %zu parameters; %zu threads; %s\n", text.size(),
                vocabulary.size(), nn::parameter_count(model), threads::count(),
                gemm_backend().c_str());
    const auto figures = [&](std::span<const std::int64_t> held) {
        const double nats = evaluate(model, held);
        return example::Figures{{"validation_nats", nats}, {"bits_per_byte", bits(nats)}};
    };
    example::Task task;
    task.unit = "bytes";
    const auto loss = [&](Tape<float>& tape, const Indices& x, const Indices& y,
                          example::Carried<float>* state) {
        return cross_entropy(model(tape, x, state), y);
    };
    // On so much of the text held out that looking costs little of a run's time.
    task.glance = [&] { return figures(valid.first(std::min<std::size_t>(valid.size(), 32768))); };
    task.result = [&] { return figures(valid); };
    task.words = example::words(o.model);
    return example::learn(o, stream, task, loss, example::named(model));
}

// A small model of the kind asked for, over bytes at random.
inline int check_gradients(Training o) {
    nn::seed(o.seed);
    o.model.hidden = o.model.embedding = 8;
    o.model.vocabulary = example::ByteVocabulary("abcdefghijklmnopq").hex();
    Model<double> model(o.model.completed());
    Random random(2);
    Indices x({5, 3}), y({5, 3});
    for (std::size_t i = 0; i < x.size(); ++i) {
        x.data()[i] = static_cast<std::int64_t>(random.below(17));
        y.data()[i] = static_cast<std::int64_t>(random.below(17));
    }
    return o.inspection.check([&](Tape<double>& tape) { return cross_entropy(model(tape, x), y); },
                              nn::named_parameters(model));
}

} // namespace char_lm
