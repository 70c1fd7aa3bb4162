#include "../common/sequences.hpp"
#include "../common/trainer.hpp"
#include "model.hpp"

#include <cstdio>
#include <iostream>

#include <CLI/CLI.hpp>

namespace translate {

using example::number;

struct Training : example::TrainingOptions {
    std::string pairs;
    Settings model;
    std::size_t min_count = 2, held_out = 1500;
    double smoothing = 0.1;

    Training() {
        batch = 64;
        rate = 2e-3;
        minutes = 15;
        out = "translate.safetensors";
    }
};

// Source sentences have no use for a beginning and an end.
const nn::SpecialSymbols source_symbols{"<pad>", "<unk>", "", ""};

struct Loaded {
    explicit Loaded(const std::string& path)
        : header(path, "translate"), from(header.vocabulary("source", source_symbols)),
          to(header.vocabulary("target")), model({header.word("attention"), header.size("width"),
                                                  header.size("hidden"), header.real("dropout")},
                                                 from.size(), to.size(), to.start()) {
        example::load(model, path);
    }
    example::Header header;
    nn::Vocabulary from, to;
    Model<float> model;
};

std::vector<Pair> pairs_of(const std::string& path) {
    return path.empty() ? grammar_pairs() : read_pairs(path);
}

double bleu(const Model<float>& model, const nn::Vocabulary& from, const nn::Vocabulary& to,
            std::span<const HeldOut> held_out, std::size_t beam) {
    std::vector<nn::Tokens> sources;
    for (const auto& sentence : held_out) sources.push_back(sentence.source);
    const auto written = translate(model, from, to, sources, beam);
    nn::Bleu score;
    for (std::size_t i = 0; i < written.size(); ++i)
        score.add(written[i].words, held_out[i].references);
    return 100 * score.score();
}

int check_gradients(Training o) {
    o.model.width = o.model.hidden = 4;
    o.model.dropout = 0;
    nn::seed(o.seed);
    Model<double> model(o.model, 7, 6, 1);
    const nn::PaddedBatch sources{Indices({3, 2}, {2, 3, 4, 5, 6, 0}), {3, 2}};
    const Indices targets({3, 2}, {3, 4, 5, 2, 2, -100});
    return o.inspection.check(
        [&](Tape<double>& tape) { return model.loss(tape, sources, targets, o.smoothing); },
        nn::named_parameters(model));
}

int train(Training o) {
    const std::vector<Pair> pairs = pairs_of(o.pairs);
    const auto [learned, held_out] = split(pairs, std::min(o.held_out, pairs.size() / 10));
    std::vector<nn::Tokens> sources, targets;
    for (const auto& pair : learned) {
        sources.push_back(pair.source);
        targets.push_back(pair.target);
    }
    std::optional<Loaded> before;
    if (o.resume) before.emplace(o.out);
    const nn::VocabularyOptions source_options{.min_count = o.min_count, .special = source_symbols};
    const auto from = before ? before->from : nn::Vocabulary(sources, source_options);
    const auto to = before ? before->to : nn::Vocabulary(targets, {.min_count = o.min_count});
    nn::seed(o.seed);
    Model<float> model =
        before ? before->model : Model<float>(o.model, from.size(), to.size(), to.start());
    std::printf("%zu pairs to learn, %zu sources held out; vocabularies of %zu and %zu; "
                "%zu parameters; %zu threads\n",
                learned.size(), held_out.size(), from.size(), to.size(), nn::parameter_count(model),
                threads::count());

    std::vector<std::vector<std::int64_t>> x, y;
    for (const auto& pair : learned) {
        x.push_back(from.encode(pair.source));
        y.push_back(to.encode(pair.target, nn::Vocabulary::Ends::end));
    }
    example::check_shards(o);
    example::Buckets buckets(nn::lengths_of(y), o.batch, o.seed);
    example::Task task;
    task.batches = buckets.batches();
    std::size_t words = 0;
    for (const auto& target : y) words += target.size();
    task.units = static_cast<double>(words * o.batch) / static_cast<double>(y.size());
    task.unit = "words";
    task.begin_epoch = [&](std::uint64_t epoch) { buckets.begin_epoch(epoch); };
    task.loss = [&](std::size_t shard, Tape<float>& tape, std::size_t batch) {
        const auto which = buckets.part(batch, shard, o.shards);
        return model.loss(tape, nn::pad_sequences(x, which, 0),
                          nn::pad_sequences(y, which, -100).numbers, o.smoothing);
    };
    if (o.inspection.draws())
        return o.inspection.draw<float>([&](Tape<float>& tape) { return task.loss(0, tape, 0); });
    const std::span<const HeldOut> all(held_out);
    task.glance = [&] {
        const auto some = all.first(std::min<std::size_t>(all.size(), 300));
        return example::Figures{{"bleu_greedy", bleu(model, from, to, some, 1)}};
    };
    task.result = [&] {
        return example::Figures{{"bleu_greedy", bleu(model, from, to, all, 1)},
                                {"bleu_beam", bleu(model, from, to, all, 4)}};
    };
    task.words = {{"program", "translate"},
                  {"attention", o.model.attention},
                  {"width", std::to_string(o.model.width)},
                  {"hidden", std::to_string(o.model.hidden)},
                  {"dropout", number(o.model.dropout, 6)},
                  {"held_out", std::to_string(held_out.size())},
                  {"source", example::joined(from)},
                  {"target", example::joined(to)}};
    return example::train(o, task, optim::by_name<float>(nn::named_parameters(model)));
}

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
    if (!alignment.empty() && loaded.header.word("attention") == "none")
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
               "  translate train --epochs 20 --hidden 64 --width 32");
    app.require_subcommand(1);
    Training o;
    auto* train_command = app.add_subcommand(
        "train", "learn pairs; without a file, those of a small grammar of its own");
    train_command->add_option("PAIRS", o.pairs)->check(CLI::ExistingFile);
    train_command->add_option("--attention", o.model.attention)
        ->check(CLI::IsMember({"none", "dot", "general", "concat", "additive"}))
        ->capture_default_str();
    const auto positive = [&](const char* name, auto& value, const char* about) {
        train_command->add_option(name, value, about)
            ->check(CLI::PositiveNumber)
            ->capture_default_str();
    };
    positive("--width", o.model.width, "of a word's vector");
    positive("--hidden", o.model.hidden, "width of the recurrent layers");
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
