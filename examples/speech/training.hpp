#pragma once

#include "../common/learning.hpp"
#include "features.hpp"
#include "model.hpp"
#include "recordings.hpp"

namespace speech {

struct Training : example::TrainingOptions {
    std::string recordings;
    Settings model;
    std::size_t mask = 8; // number of adjacent filters, and frames, that are masked

    Training() {
        learning_rate = 3e-3;
        minutes = 5;
        out = "speech.safetensors";
        unit = "utterances";
    }
    void options(CLI::App& command) {
        command.add_option("RECORDINGS", recordings)->check(CLI::ExistingPath);
        model.fields(command);
        command.add_option("--mask", mask,
                           "largest numbers of adjacent filters and frames to mask");
        TrainingOptions::options(command, "utterances in a batch");
    }
};

// The content of a model file: a recogniser with its output symbols and features.
struct Loaded {
    explicit Loaded(const std::string& path);
    Settings settings;
    Alphabet alphabet;
    Filterbank filterbank;
    std::unique_ptr<Recogniser<float>> model;
};

std::vector<Recognition> recognise(const Recogniser<float>& model, const Filterbank& filterbank,
                                   std::span<const Utterance> utterances, const Search& search);
// Inserted, deleted and substituted words, in percent of the spoken words.
double word_error_rate(const Alphabet& alphabet, std::span<const Utterance> utterances,
                       std::span<const Recognition> recognised);

// Returns the program's exit status.
int train(Training options);

} // namespace speech
