#include "training.hpp"

#include <iostream>

#include <CLI/CLI.hpp>

namespace translate {

int run_eval(const std::string& path, const std::string& pairs, std::size_t beam) {
    const Loaded loaded(path);
    const auto held_out = split(pairs_of(pairs), loaded.header.size("held_out")).held_out;
    example::Stopwatch watch;
    const double greedy = bleu(loaded.model, loaded.from, loaded.to, held_out, 1);
    const double greedy_seconds = watch.seconds();
    const double best = bleu(loaded.model, loaded.from, loaded.to, held_out, beam);
    example::print_result({{"bleu_greedy", number(greedy, 2)},
                           {"bleu_beam", number(best, 2)},
                           {"beam", std::to_string(beam)},
                           {"sentences", std::to_string(held_out.size())},
                           {"seconds_greedy", number(greedy_seconds, 1)},
                           {"seconds_beam", number(watch.seconds() - greedy_seconds, 1)}});
    return 0;
}

int run_translate(const std::string& path, std::vector<std::string> sentences, std::size_t beam,
                  const std::string& alignment) {
    const Loaded loaded(path);
    if (sentences.empty())
        for (std::string line; std::getline(std::cin, line);) sentences.push_back(line);
    std::vector<nn::Tokens> sources;
    for (const auto& sentence : sentences) {
        sources.push_back(tokens_of(sentence));
        if (sources.back().empty())
            fail("translate", "sentence " + std::to_string(sources.size()) + " is empty");
    }
    if (sources.empty()) fail("translate", "there is no sentence to translate");
    if (!alignment.empty() && loaded.settings.model == "recurrent" &&
        loaded.settings.attention == "none")
        fail("translate", "a model without attention has no alignment");
    const auto written = translate(loaded.model, loaded.from, loaded.to, sources, beam);
    for (const auto& translation : written)
        std::printf("%s\n", sentence_of(translation.words).c_str());
    if (!alignment.empty())
        write_file_atomically(alignment,
                              alignment_svg(sources[0], written[0].words, written[0].weights));
    example::print_result({{"sentences", std::to_string(written.size())}});
    return 0;
}

} // namespace translate

int main(int argc, char** argv) {
    using namespace translate;
    CLI::App app{"Learns to write one sequence after reading another: translations, answers, "
                 "summaries, from lines of a source, a tab and its target."};
    app.footer("Examples:\n"
               "  translate train eng-fra.txt --minutes 15\n"
               "  translate eval translate.safetensors eng-fra.txt --beam 4\n"
               "  translate translate translate.safetensors 'The black cat sleeps.' "
               "--alignment cat.svg\n"
               "  translate train eng-fra.txt --attention none --out none.safetensors\n"
               "  translate train eng-fra.txt --model transformer --rate 1e-3\n"
               "  translate train --epochs 20 --hidden 64 --width 32");
    app.require_subcommand(1);
    Training o;
    auto* train_command = app.add_subcommand(
        "train", "learn pairs; without a file, those of a small grammar of its own");
    train_command->add_option("PAIRS", o.pairs)->check(CLI::ExistingFile);
    train_command->add_option("--model", o.model.model)
        ->check(CLI::IsMember({"recurrent", "transformer"}))
        ->capture_default_str();
    train_command->add_option("--attention", o.model.attention, "of a recurrent model")
        ->check(CLI::IsMember({"none", "dot", "general", "concat", "additive"}))
        ->capture_default_str();
    const auto positive = [&](const char* name, auto& value, const char* about) {
        train_command->add_option(name, value, about)
            ->check(CLI::PositiveNumber)
            ->capture_default_str();
    };
    positive("--width", o.model.width, "of a word's vector, and of a transformer's layers");
    positive("--hidden", o.model.hidden, "width of the recurrent layers");
    positive("--layers", o.model.layers, "of each of a transformer's two stacks");
    positive("--heads", o.model.heads, "of a transformer's attention");
    positive("--min-count", o.min_count, "words that are rarer are unknown");
    positive("--held-out", o.held_out, "sources to measure with, a tenth of the pairs at most");
    for (const auto& [name, value, about] :
         {std::tuple("--dropout", &o.model.dropout, "share of values dropped"),
          std::tuple("--smoothing", &o.smoothing, "share of a target that all words divide")})
        train_command->add_option(name, *value, about)
            ->check(CLI::Range(0.0, 0.99))
            ->capture_default_str();
    o.add_to(*train_command, "pairs in a batch");

    std::string path, pairs, alignment;
    std::vector<std::string> sentences;
    std::size_t beam = 4;
    auto* eval_command = app.add_subcommand("eval", "BLEU of the sources that were held out");
    auto* use_command = app.add_subcommand("translate", "sentences, or lines of standard input");
    for (auto* command : {eval_command, use_command}) {
        command->add_option("MODEL", path)->required()->check(CLI::ExistingFile);
        command->add_option("--beam", beam, "hypotheses that are followed; 1: greedy")
            ->check(CLI::Range(1, 1000))
            ->capture_default_str();
    }
    eval_command->add_option("PAIRS", pairs, "the file learned from")->check(CLI::ExistingFile);
    use_command->add_option("SENTENCE", sentences);
    use_command->add_option("--alignment", alignment, "draw the first sentence's, as SVG");
    CLI11_PARSE(app, argc, argv);
    try {
        if (*train_command) return o.inspection.checks() ? check_gradients(o) : train(o);
        if (*eval_command) return run_eval(path, pairs, beam);
        return run_translate(path, sentences, beam, alignment);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "translate: %s\n", error.what());
        return 1;
    }
}
