#pragma once

#include "../common/learning.hpp"
#include "model.hpp"

#include <cstdio>
#include <filesystem>

namespace names {

struct Training : example::TrainingOptions {
    std::vector<std::string> files;
    Settings model;

    Training() {
        batch = 64;
        minutes = 2;
        out = "names.safetensors";
    }
};

struct Loaded {
    Settings settings;
    nn::Vocabulary letters, classes;
};

inline Loaded read_header(const std::string& path) {
    const example::Header header(path, "names");
    return {{header.size("hidden"), header.size("embedding"), header.real("dropout")},
            header.vocabulary("letters"),
            header.vocabulary("classes", nn::SpecialSymbols::none())};
}

inline Model<float> read_model(const std::string& path, const Loaded& l) {
    return example::load<Model<float>>(path, l.settings, l.letters.size(), l.classes.size());
}

// What the files are called, without folders and ends.
inline nn::Vocabulary classes_of(const std::vector<std::string>& files) {
    nn::Tokens classes;
    for (const auto& file : files) classes.push_back(std::filesystem::path(file).stem().string());
    if (files.empty()) classes = {"first", "second"};
    return nn::Vocabulary::of(classes);
}

inline int train(Training o) {
    const auto [learned, held] = divide(o.files.empty() ? made_up() : read_names(o.files));
    if (held.empty()) fail("names", "ten names are the least to learn from");
    std::vector<nn::Tokens> spelled;
    for (const auto& name : learned) spelled.push_back(name.letters);
    Loaded l{o.model, nn::Vocabulary(spelled), classes_of(o.files)};
    if (o.resume) l = read_header(o.out);
    const Names names = encode(learned, l.letters), valid = encode(held, l.letters);

    nn::seed(o.seed);
    Model<float> model(l.settings, l.letters.size(), l.classes.size());
    std::printf("%zu names, %zu held out; %zu parameters\n", learned.size(), held.size(),
                nn::parameter_count(model));
    const auto loss = [&](Tape<float>& tape, std::span<const std::size_t> which) {
        return model.loss(tape, make_batch(names, which));
    };
    double baseline = 1e9;
    for (std::size_t n = 1; n <= 6; ++n) {
        const double bits = NGrams(names, n, l.letters.size()).bits_per_character(valid);
        std::printf("%zu-grams: %.4f bits a character\n", n, bits);
        baseline = std::min(baseline, bits);
    }
    example::Task task;
    task.unit = "names";
    task.glance = [&] {
        const auto [bits, classes] = evaluate(model, valid, l.classes.size());
        example::Figures figures{{"bits_per_character", bits}, {"best_n_gram", baseline}};
        if (l.classes.size() > 1) figures.emplace_back("accuracy", classes.accuracy());
        return figures;
    };
    task.result = task.glance;
    task.words = {{"program", "names"},
                  {"hidden", std::to_string(l.settings.hidden)},
                  {"embedding", std::to_string(l.settings.embedding)},
                  {"dropout", example::number(l.settings.dropout, 4)},
                  {"letters", example::joined(l.letters)},
                  {"classes", example::joined(l.classes)}};
    return example::learn(o, {nn::lengths_of(names.letters), o.batch, o.seed}, task, loss,
                          example::named(model));
}

inline int check_gradients(const Training& o) {
    nn::seed(o.seed);
    Model<double> model({4, 3, 0}, 8, 2);
    const Batch batch = make_batch({{{4, 5, 6}, {7}}, {0, 1}}, std::vector<std::size_t>{0, 1});
    return o.inspection.check([&](Tape<double>& tape) { return model.loss(tape, batch); },
                              nn::named_parameters(model));
}

} // namespace names
