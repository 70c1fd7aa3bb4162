#include "picture.hpp"
#include "training.hpp"

#include <cstdio>

#include <CLI/CLI.hpp>

namespace speech {

struct Use {
    std::string model, recordings, picture, save;
    std::vector<std::string> files;
    std::size_t beam = 8, string = 0;
    bool lexicon = false;
};

// What is needed of a language to search with.
Search search_of(const Use& use, const Loaded& loaded, const Lexicon& lexicon) {
    if (use.lexicon && (loaded.settings.model != "ctc" || loaded.settings.symbols != "letters"))
        fail("speech", "--lexicon is for ctc over letters, not for " + loaded.settings.model +
                           " over " + loaded.settings.symbols);
    return {use.beam, use.lexicon ? &lexicon : nullptr};
}

int run_eval(const Use& use) {
    const Loaded loaded(use.model);
    const Lexicon lexicon(loaded.alphabet);
    const Recordings recordings = read_recordings(use.recordings);
    const Search search = search_of(use, loaded, lexicon);
    std::vector<std::pair<std::string, std::string>> result;
    for (const auto& [name, utterances] : {std::pair("single", test_recordings(recordings)),
                                           std::pair("strings", test_strings(recordings))}) {
        const example::Stopwatch watch;
        const auto heard = hear(*loaded.model, loaded.filterbank, utterances, search);
        const double rate = word_error_rate(loaded.alphabet, utterances, heard);
        result.emplace_back(std::string("wer_") + name, number(rate, 2));
        result.emplace_back(std::string("utterances_") + name, std::to_string(utterances.size()));
        result.emplace_back(std::string("seconds_") + name, number(watch.seconds(), 1));
    }
    result.emplace_back("beam", std::to_string(use.beam));
    example::print_result(result);
    return 0;
}

int run_recognise(const Use& use) {
    const Loaded loaded(use.model);
    const Lexicon lexicon(loaded.alphabet);
    std::vector<Utterance> utterances;
    for (const std::string& file : use.files)
        for (Sound& sound : read_sounds(file)) {
            if (sound.rate != loaded.filterbank.options().rate)
                fail("recognise", "'" + file + "' has " + std::to_string(sound.rate) +
                                      " samples a second, the model has learned " +
                                      std::to_string(loaded.filterbank.options().rate));
            utterances.push_back({std::move(sound.samples), {}});
        }
    if (use.files.empty()) {
        auto strings = test_strings(read_recordings(use.recordings));
        if (use.string >= strings.size())
            fail("recognise", "there are " + std::to_string(strings.size()) + " test strings");
        utterances.push_back(std::move(strings[use.string]));
    }
    const auto heard =
        hear(*loaded.model, loaded.filterbank, utterances, search_of(use, loaded, lexicon));
    const double step =
        loaded.filterbank.options().step * static_cast<double>(loaded.model->factor());
    for (const Heard& one : heard) {
        const auto found = timed_words(loaded.alphabet, one, step);
        for (const auto& word : found) std::printf("%s ", word.text.c_str());
        std::printf("\n");
        for (const auto& word : found)
            std::printf("  %5.2f - %5.2f s  %s\n", word.begin, word.end, word.text.c_str());
    }
    if (!use.save.empty())
        write_wav(use.save, {"", loaded.filterbank.options().rate, utterances[0].samples});
    if (!use.picture.empty()) {
        std::vector<std::string> symbols;
        for (const auto symbol : heard[0].symbols) symbols.push_back(loaded.alphabet[symbol]);
        write_file_atomically(use.picture,
                              picture(loaded.filterbank.log_energies(utterances[0].samples),
                                      loaded.filterbank.options().step, symbols, heard[0].weights,
                                      loaded.model->factor()));
    }
    example::print_result({{"utterances", std::to_string(heard.size())}});
    return 0;
}

} // namespace speech

int main(int argc, char** argv) {
    using namespace speech;
    CLI::App app{"Learns to recognise spoken digits, one by one and in strings."};
    app.footer("Examples:\n"
               "  speech train recordings.tar --minutes 5\n"
               "  speech train recordings.tar --model las --symbols letters --out las.safetensors\n"
               "  speech eval speech.safetensors recordings.tar\n"
               "  speech recognise speech.safetensors some.wav --picture heard.svg\n"
               "  speech train --epochs 20 --hidden 32");
    app.require_subcommand(1);
    Training o;
    Use use;
    auto* train_command = app.add_subcommand(
        "train", "learn recordings named digit_speaker_index.wav, of a folder or an archive; "
                 "without any, tones");
    auto* eval_command = app.add_subcommand("eval", "word error rates of the held-out recordings");
    auto* use_command =
        app.add_subcommand("recognise", "WAV files; without any, a string of held-out recordings");
    train_command->add_option("RECORDINGS", o.recordings)->check(CLI::ExistingPath);
    const auto one_of = [&](const char* name, std::string& value, std::set<std::string> names) {
        train_command->add_option(name, value)->check(CLI::IsMember(names))->capture_default_str();
    };
    one_of("--model", o.model.model, {"ctc", "las", "transformer_ctc", "transformer"});
    one_of("--symbols", o.model.symbols, {"digits", "letters"});
    one_of("--task", o.task, {"single", "strings", "both"});
    train_command->add_option("--hidden", o.model.hidden, "width of the layers")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    train_command->add_option("--dropout", o.model.dropout, "share of values dropped")
        ->check(CLI::Range(0.0, 0.99))
        ->capture_default_str();
    train_command->add_option("--mask", o.mask, "the most filters, and frames, hidden at once")
        ->capture_default_str();
    o.add_to(*train_command, "utterances in a batch");
    for (auto* command : {eval_command, use_command}) {
        command->add_option("MODEL", use.model)->required()->check(CLI::ExistingFile);
        command->add_option("--beam", use.beam, "hypotheses that are followed; 1: greedy")
            ->check(CLI::Range(1, 1000))
            ->capture_default_str();
        command->add_flag("--lexicon", use.lexicon,
                          "CTC over letters: only names of digits are possible");
    }
    eval_command->add_option("RECORDINGS", use.recordings)->check(CLI::ExistingPath);
    use_command->add_option("FILES", use.files)->check(CLI::ExistingPath);
    use_command->add_option("--recordings", use.recordings, "to make a string of")
        ->check(CLI::ExistingPath);
    use_command->add_option("--string", use.string, "its number")->capture_default_str();
    use_command->add_option("--picture", use.picture, "draw what was heard where, as SVG");
    use_command->add_option("--save", use.save, "write the first utterance, as WAV");
    CLI11_PARSE(app, argc, argv);
    try {
        if (*train_command) return o.inspection.checks() ? check_gradients(o) : train(o);
        return *eval_command ? run_eval(use) : run_recognise(use);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "speech: %s\n", error.what());
        return 1;
    }
}
