#include "translation.hpp"

#include <cstdio>
#include <iostream>

namespace translate {

using example::number;

struct Training : example::TrainingOptions {
    std::string pairs;
    Settings model;
    std::size_t min_count = 2;
    double smoothing = 0.1;

    Training() {
        batch = 64;
        rate = 2e-3;
        minutes = 15;
        out = "translate.safetensors";
    }
    void fields(example::Fields& f) {
        f.takes("PAIRS", pairs, "", example::Existing::file);
        model.fields(f);
        f.takes("--min-count", min_count, "words that are rarer are unknown", example::Positive());
        f.takes("--smoothing", smoothing, "share of a target that all words divide",
                example::Between{0, 0.99});
        TrainingOptions::fields(f, "pairs in a batch");
    }
};

std::vector<Pair> pairs_of(const std::string& path) {
    return path.empty() ? grammar_pairs() : read_pairs(path);
}

int check_gradients(Training o) {
    o.model.width = o.model.hidden = 4;
    o.model.layers = 1;
    o.model.heads = 2;
    o.model.dropout = 0;
    o.model.source = nn::Vocabulary::of(nn::Tokens{"a", "b", "c", "d", "e"}, source_symbols);
    o.model.target = nn::Vocabulary::of(nn::Tokens{"a", "b"}, nn::SpecialSymbols());
    nn::seed(o.seed);
    Model<double> model(o.model);
    const nn::PaddedBatch sources{Indices({3, 2}, {2, 3, 4, 5, 6, 0}), {3, 2}};
    const Indices targets({3, 2}, {3, 4, 5, 2, 2, -100});
    return o.inspection.check(
        [&](Tape<double>& tape) { return model.loss(tape, sources, targets, o.smoothing); },
        nn::named_parameters(model));
}

int train(Training o) {
    const std::vector<Pair> pairs = pairs_of(o.pairs);
    if (o.resume) o.model = example::read<Settings>(o.out);
    const auto [learned, held_out] = split(pairs, std::min(o.model.held_out, pairs.size() / 10));
    o.model.held_out = held_out.size();
    nn::Vocabulary &from = o.model.source, &to = o.model.target;
    if (!o.resume) {
        std::vector<nn::Tokens> sources, targets;
        for (const auto& pair : learned) {
            sources.push_back(pair.source);
            targets.push_back(pair.target);
        }
        from = nn::Vocabulary(sources, {.min_count = o.min_count, .special = source_symbols});
        to = nn::Vocabulary(targets, {.min_count = o.min_count});
    }
    nn::seed(o.seed);
    Model<float> model(o.model);
    std::printf("%zu pairs to learn, %zu sources held out; vocabularies of %zu and %zu; "
                "%zu parameters; %zu threads\n",
                learned.size(), held_out.size(), from.size(), to.size(), nn::parameter_count(model),
                threads::count());

    std::vector<std::vector<std::int64_t>> x, y;
    for (const auto& pair : learned) {
        x.push_back(from.encode(pair.source));
        y.push_back(to.encode(pair.target, nn::Vocabulary::Ends::end));
    }
    example::Task task;
    std::size_t words = 0;
    for (const auto& target : y) words += target.size();
    task.units = static_cast<double>(words * o.batch) / static_cast<double>(y.size());
    task.unit = "words";
    const auto loss = [&](Tape<float>& tape, std::span<const std::size_t> which) {
        return model.loss(tape, nn::pad_sequences(x, which, 0),
                          nn::pad_sequences(y, which, -100).numbers, o.smoothing);
    };
    const std::span<const HeldOut> all(held_out);
    task.glance = [&] {
        const auto some = all.first(std::min<std::size_t>(all.size(), 300));
        return example::Figures{{"bleu_greedy", bleu(model, o.model, some, 1)}};
    };
    task.result = [&] {
        return example::Figures{{"bleu_greedy", bleu(model, o.model, all, 1)},
                                {"bleu_beam", bleu(model, o.model, all, 4)}};
    };
    task.words = example::words(o.model);
    return example::learn(o, {nn::lengths_of(y), o.batch, o.seed}, task, loss,
                          example::named(model));
}

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
