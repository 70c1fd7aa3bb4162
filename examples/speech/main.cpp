#include "picture.hpp"
#include "training.hpp"

#include <cstdio>

namespace speech {

struct Use {
    std::string model, recordings, picture, save;
    std::vector<std::string> files;
    std::size_t beam = 8, string = 0;
    bool lexicon = false;
};

// The language model for the prefix search.
Search search_of(const Use& use, const Loaded& loaded, const Lexicon& lexicon) {
    if (use.lexicon && (loaded.settings.model != "ctc" || loaded.settings.symbols != "letters"))
        fail("speech", "--lexicon requires ctc over letters, not " + loaded.settings.model +
                           " over " + loaded.settings.symbols);
    return {use.beam, use.lexicon ? &lexicon : nullptr};
}

void run_eval(const Use& use) {
    const Loaded loaded(use.model);
    const Lexicon lexicon(loaded.alphabet);
    const Recordings recordings = read_recordings(use.recordings);
    const Search search = search_of(use, loaded, lexicon);
    example::Figures result;
    for (const auto& [name, utterances] : {std::pair("single", test_recordings(recordings)),
                                           std::pair("strings", test_strings(recordings))}) {
        const example::Stopwatch watch;
        const auto recognised = recognise(*loaded.model, loaded.filterbank, utterances, search);
        const double rate = word_error_rate(loaded.alphabet, utterances, recognised);
        result.emplace_back(std::string("wer_") + name, rate, 2);
        result.emplace_back(std::string("utterances_") + name, utterances.size());
        result.emplace_back(std::string("seconds_") + name, watch.seconds(), 1);
    }
    result.emplace_back("beam", use.beam);
    example::print_result(result);
}

void run_recognise(const Use& use) {
    const Loaded loaded(use.model);
    const Lexicon lexicon(loaded.alphabet);
    std::vector<Utterance> utterances;
    for (const std::string& file : use.files)
        for (Sound& sound : read_sounds(file)) {
            if (sound.sample_rate != loaded.filterbank.options().sample_rate)
                fail("recognise", "'" + file + "' has " + std::to_string(sound.sample_rate) +
                                      " samples per second, the model was trained on " +
                                      std::to_string(loaded.filterbank.options().sample_rate));
            utterances.push_back({std::move(sound.samples), {}});
        }
    if (use.files.empty()) {
        auto strings = test_strings(read_recordings(use.recordings));
        if (use.string >= strings.size())
            fail("recognise", "there are " + std::to_string(strings.size()) + " test strings");
        utterances.push_back(std::move(strings[use.string]));
    }
    const auto recognised =
        recognise(*loaded.model, loaded.filterbank, utterances, search_of(use, loaded, lexicon));
    const double step =
        loaded.filterbank.options().step * static_cast<double>(loaded.model->factor());
    for (const Recognition& one : recognised) {
        const auto found = timed_words(loaded.alphabet, one, step);
        for (const auto& word : found) std::printf("%s ", word.text.c_str());
        std::printf("\n");
        for (const auto& word : found)
            std::printf("  %5.2f - %5.2f s  %s\n", word.begin, word.end, word.text.c_str());
    }
    if (!use.save.empty())
        write_wav(use.save, {"", loaded.filterbank.options().sample_rate, utterances[0].samples});
    if (!use.picture.empty()) {
        std::vector<std::string> symbols;
        for (const auto symbol : recognised[0].symbols) symbols.push_back(loaded.alphabet[symbol]);
        write_file_atomically(use.picture,
                              picture(loaded.filterbank.log_energies(utterances[0].samples),
                                      loaded.filterbank.options(), symbols, recognised[0].weights,
                                      loaded.model->factor()));
    }
    example::print_result({{"utterances", recognised.size()}});
}

} // namespace speech

int main(int argc, char** argv) {
    using namespace speech;
    example::Commands program(
        "speech", "Recognises spoken digits, individually and in strings.",
        {"train recordings.tar --minutes 5",
         "train recordings.tar --model las --symbols letters --out las.safetensors",
         "eval speech.safetensors recordings.tar",
         "recognise speech.safetensors some.wav --picture recognised.svg",
         "train --epochs 20 --hidden 32"});
    program.train("train on recordings named digit_speaker_index.wav, from a folder or an archive; "
                  "default: synthetic tones",
                  train);
    Use use;
    const auto shared = [&](CLI::App& command) {
        command.add_option("--beam", use.beam, "beam width; 1: greedy")->check(CLI::Range(1, 1000));
        command.add_flag("--lexicon", use.lexicon, "CTC over letters: allow only names of digits");
    };
    CLI::App* command = program.add("eval", "word error rates of the held-out recordings",
                                    use.model, [&] { return run_eval(use); });
    shared(*command);
    command->add_option("RECORDINGS", use.recordings)->check(CLI::ExistingPath);

    command = program.add("recognise", "WAV files; default: a string of held-out recordings",
                          use.model, [&] { return run_recognise(use); });
    shared(*command);
    command->add_option("FILES", use.files)->check(CLI::ExistingPath);
    command->add_option("--recordings", use.recordings, "number of digits in the string")
        ->check(CLI::ExistingPath);
    command->add_option("--string", use.string, "number of the string");
    command->add_option("--picture", use.picture,
                        "draw the recognised words over the spectrogram, as SVG");
    command->add_option("--save", use.save, "write the first utterance as a WAV file");

    return program.run(argc, argv);
}
