#include "training.hpp"

#include <iostream>

namespace translate {

int run_eval(const std::string& path, const std::string& pairs, std::size_t beam) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    const auto held_out = split(pairs_of(pairs), settings.held_out).held_out;
    example::Stopwatch watch;
    const double greedy = bleu(model, settings, held_out, 1);
    const double greedy_seconds = watch.seconds();
    const double best = bleu(model, settings, held_out, beam);
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
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    if (sentences.empty())
        for (std::string line; std::getline(std::cin, line);) sentences.push_back(line);
    std::vector<nn::Tokens> sources;
    for (const auto& sentence : sentences) {
        sources.push_back(tokens_of(sentence));
        if (sources.back().empty())
            fail("translate", "sentence " + std::to_string(sources.size()) + " is empty");
    }
    if (sources.empty()) fail("translate", "there is no sentence to translate");
    if (!alignment.empty() && !settings.attends())
        fail("translate", "a model without attention has no alignment");
    const auto written = translate(model, settings, sources, beam);
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
    example::Commands program(
        "translate",
        "Learns to write one sequence after reading another: translations, answers, summaries, "
        "from lines of a source, a tab and its target.",
        {"train eng-fra.txt --minutes 15", "eval translate.safetensors eng-fra.txt --beam 4",
         "translate translate.safetensors 'The black cat sleeps.' --alignment cat.svg",
         "train eng-fra.txt --attention none --out none.safetensors",
         "train eng-fra.txt --model transformer --rate 1e-3",
         "train --epochs 20 --hidden 64 --width 32"});
    program.train("learn pairs; without a file, those of a small grammar of its own", train,
                  check_gradients);
    std::string path, pairs, alignment;
    std::vector<std::string> sentences;
    std::size_t beam = 4;
    example::Fields shared;
    shared.model(path).takes("--beam", beam, "hypotheses that are followed; 1: greedy",
                             example::Between{1, 1000});
    program
        .add("eval", "BLEU of the sources that were held out",
             [&] { return run_eval(path, pairs, beam); })
        .takes(shared)
        .takes("PAIRS", pairs, "the file learned from", example::Existing::file);
    program
        .add("translate", "sentences, or lines of standard input",
             [&] { return run_translate(path, sentences, beam, alignment); })
        .takes(shared)
        .takes("SENTENCE", sentences)
        .takes("--alignment", alignment, "draw the first sentence's, as SVG");
    return program.run(argc, argv);
}
