#pragma once

#include "model.hpp"

#include <cmath>
#include <cstdio>
#include <optional>

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
};

struct Loaded {
    example::ByteVocabulary vocabulary;
    Settings settings;
    std::map<std::string, std::string> words;
};

inline Loaded read_header(const std::string& path) {
    const auto words = SafetensorsFile::read(path).metadata();
    const auto vocabulary = words.find("vocabulary");
    if (vocabulary == words.end())
        fail("char_lm", "'" + path + "' was not written by char_lm: it has no vocabulary");
    return {example::ByteVocabulary::from_hex(vocabulary->second), Settings::from(words), words};
}

template <class T>
Model<T> read_model(const std::string& path, const Loaded& header) {
    Model<T> model(header.settings, header.vocabulary.size());
    optim::load_weights(path, optim::by_name<T>(nn::named_parameters(model)));
    return model;
}

inline std::vector<std::string> or_own_sources(const std::vector<std::string>& paths) {
    return paths.empty() ? std::vector<std::string>{UNROLL_SOURCE_FOLDER} : paths;
}

inline double bits(double nats) { return nats / std::log(2.0); }

inline int train(Training o) {
    const std::string text = example::read_texts(or_own_sources(o.text));
    std::optional<Loaded> before;
    if (o.resume) {
        before = read_header(o.out);
        o.model = before->settings;
    }
    o.model = o.model.completed();
    const example::ByteVocabulary vocabulary =
        before ? before->vocabulary : example::ByteVocabulary(text);
    const std::vector<std::int64_t> numbers = vocabulary.encode(text);
    const std::size_t held_out = numbers.size() / 10;
    const std::span<const std::int64_t> all(numbers);
    const auto learned = all.first(numbers.size() - held_out), valid = all.last(held_out);
    example::check_shards(o);
    const example::Stream stream(learned, o.batch, o.steps);

    nn::seed(o.seed);
    Model<float> model(o.model, vocabulary.size());
    std::printf("%zu bytes, %zu different; %zu parameters; %zu threads; %s\n", text.size(),
                vocabulary.size(), nn::parameter_count(model), threads::count(),
                gemm_backend().c_str());
    if (o.inspection.draws()) {
        const auto [x, y] = stream.batch(0, 0, o.batch);
        return o.inspection.draw<float>(
            [&](Tape<float>& tape) { return cross_entropy(model(tape, x), y); });
    }

    const auto figures = [&](std::span<const std::int64_t> held) {
        const double nats = evaluate(model, held);
        return example::Figures{{"validation_nats", nats}, {"bits_per_byte", bits(nats)}};
    };
    example::Task task;
    task.batches = stream.batches();
    task.units = static_cast<double>(o.batch * o.steps);
    task.unit = "bytes";
    example::CarriedStates states(o.shards, task);
    task.loss = [&](std::size_t shard, Tape<float>& tape, std::size_t batch) {
        const std::size_t width = o.batch / o.shards;
        const auto [x, y] = stream.batch(batch, shard * width, (shard + 1) * width);
        return cross_entropy(model(tape, x, &states.of(shard)), y);
    };
    // On so much of the text held out that looking costs little of a run's time.
    task.glance = [&] { return figures(valid.first(std::min<std::size_t>(valid.size(), 32768))); };
    task.result = [&] { return figures(valid); };
    task.words = o.model.words();
    task.words["vocabulary"] = vocabulary.hex();
    return example::train(o, task, optim::by_name<float>(nn::named_parameters(model)));
}

// A small model of the kind asked for, over bytes at random.
inline int check_gradients(Training o) {
    nn::seed(o.seed);
    o.model.hidden = o.model.embedding = 8;
    Model<double> model(o.model.completed(), 17);
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
