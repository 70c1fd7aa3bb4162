#pragma once

#include "model.hpp"

#include <cstdio>

namespace caption {

struct Training : example::TrainingOptions {
    std::string data;
    Settings model;
    std::size_t shift = 2;
    double smoothing = 0.1;

    Training() {
        batch = 64;
        rate = 2e-3;
        clip = 5;
        minutes = 10;
        out = "caption.safetensors";
    }
    void fields(example::Fields& f) {
        f.takes("DATA", data, "folder", example::Existing::folder);
        model.fields(f);
        f.takes("--smoothing", smoothing, "share of a word that all words divide",
                example::Between{0, 0.99});
        f.takes("--shift", shift, "move pictures at random by up to so many pixels",
                example::Between{0, 8});
        TrainingOptions::fields(f, "pictures in a batch");
    }
};

inline Split pictures_of(const std::string& folder) {
    return split(folder.empty() ? drawn_pictures() : read_pictures(folder));
}

// BLEU of up to 1 to 4 words together, and the share of captions without a fault, in percent.
inline example::Figures figures(const Model<float>& model, const nn::Vocabulary& vocabulary,
                                const std::vector<Picture>& pictures, std::size_t beam) {
    const auto written = describe(model, vocabulary, pictures, beam);
    nn::Bleu scores[] = {nn::Bleu(1), nn::Bleu(2), nn::Bleu(3), nn::Bleu(4)};
    double right = 0;
    for (std::size_t i = 0; i < written.size(); ++i) {
        for (auto& score : scores) score.add(written[i].words, std::span(&pictures[i].caption, 1));
        right += written[i].words == pictures[i].caption;
    }
    example::Figures all;
    for (std::size_t n = 0; n < 4; ++n)
        all.emplace_back("bleu" + std::to_string(n + 1), 100 * scores[n].score());
    all.emplace_back("exact", 100 * right / static_cast<double>(pictures.size()));
    return all;
}

inline int check_gradients(Training o) {
    o.model.channels = 2;
    o.model.hidden = 4;
    o.model.width = 3;
    o.model.dropout = 0;
    o.model.words = nn::Vocabulary::of(nn::Tokens{"a", "b"}, nn::SpecialSymbols());
    nn::seed(o.seed);
    Model<double> model(o.model);
    const auto pictures = drawn_pictures();
    const Tensor<double> x = batch_of<double>(pictures, std::vector<std::size_t>{3, 200});
    const Indices targets({3, 2}, {3, 4, 5, 2, 2, -100});
    return o.inspection.check(
        [&](Tape<double>& tape) { return model.loss(tape.constant(x), targets, o.smoothing); },
        nn::named_parameters(model));
}

inline int train(Training o) {
    const auto [learned, held_out] = pictures_of(o.data);
    std::vector<nn::Tokens> captions;
    for (const auto& picture : learned) captions.push_back(picture.caption);
    const nn::Vocabulary& vocabulary = o.model.words = nn::Vocabulary(captions);
    if (o.resume) o.model = example::read<Settings>(o.out);
    nn::seed(o.seed);
    Model<float> model(o.model);
    std::printf("%zu pictures to learn, %zu held out; %zu words; %zu parameters\n", learned.size(),
                held_out.size(), vocabulary.size(), nn::parameter_count(model));
    std::vector<std::vector<std::int64_t>> y;
    for (const auto& words : captions)
        y.push_back(vocabulary.encode(words, nn::Vocabulary::Ends::end));
    const auto loss = [&](Tape<float>& tape, std::span<const std::size_t> which) {
        const auto x = batch_of<float>(learned, which, o.shift, &tape.random());
        return model.loss(tape.constant(x), nn::pad_sequences(y, which, -100).numbers, o.smoothing);
    };
    example::Task task;
    task.unit = "pictures";
    // Nothing is chosen by these figures: the run ends when its time is over.
    task.glance = [&] { return figures(model, vocabulary, held_out, 1); };
    task.result = [&] {
        auto all = figures(model, vocabulary, held_out, 1);
        for (const auto& [name, value] : figures(model, vocabulary, held_out, 4))
            all.emplace_back(name + "_beam", value);
        return all;
    };
    task.words = example::words(o.model);
    // Not by length: statistics of a batch are to be those of all pictures.
    return example::learn(o, {learned.size(), o.batch, o.seed}, task, loss, example::named(model));
}

} // namespace caption
