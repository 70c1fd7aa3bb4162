#pragma once

#include "../common/learning.hpp"
#include "features.hpp"
#include "model.hpp"
#include "recordings.hpp"

namespace speech {

struct Training : example::TrainingOptions {
    std::string recordings;
    Settings model;
    std::size_t mask = 8; // of a filterbank's filters, and of its frames, hidden at once

    Training() {
        learning_rate = 3e-3;
        minutes = 5;
        out = "speech.safetensors";
        unit = "utterances";
    }
    void options(CLI::App& command) {
        command.add_option("RECORDINGS", recordings)->check(CLI::ExistingPath);
        model.fields(command);
        command.add_option("--mask", mask, "the most filters, and frames, hidden at once");
        TrainingOptions::options(command, "utterances in a batch");
    }
};

// What a file holds: a recogniser, and what is written and heard with it.
struct Loaded {
    explicit Loaded(const std::string& path);
    Settings settings;
    Alphabet alphabet;
    Filterbank filterbank;
    std::unique_ptr<Recogniser<float>> model;
};

std::vector<Heard> hear(const Recogniser<float>& model, const Filterbank& filterbank,
                        std::span<const Utterance> utterances, const Search& search);
// Words inserted, deleted and substituted, in percent of those that were said.
double word_error_rate(const Alphabet& alphabet, std::span<const Utterance> utterances,
                       std::span<const Heard> heard);

// Returns the program's exit status.
int train(Training options);

} // namespace speech
