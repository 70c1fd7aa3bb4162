#include "alignment.hpp"
#include "model.hpp"

#include <iostream>
#include <map>

namespace translate {

using Sentences = std::vector<nn::Tokens>;

nn::Tokens tokens_of(std::string_view sentence) { return nn::split_words(nn::to_lower(sentence)); }

// The training pairs, and a fixed random set of held-out sources with all their targets.
struct Pairs {
    Sentences sources, targets, held_out;
    std::vector<Sentences> references;

    Pairs() = default;
    // The number of held-out sources is at most a tenth of the number of pairs.
    Pairs(const std::string& path, std::size_t most) {
        const auto pairs = nn::read_pairs(path, tokens_of);
        std::map<nn::Tokens, Sentences> all;
        for (const auto& [source, target] : pairs) all[source].push_back(target);
        most = std::min(most, pairs.size() / 10);
        if (most == 0 || most >= all.size())
            fail("pairs", fmt::format("'{}': expected at least ten pairs, and more distinct "
                                      "sources than a tenth of the pairs, got {} pairs of {}",
                                      path, pairs.size(), all.size()));
        const std::vector<std::pair<nn::Tokens, Sentences>> listed(all.begin(), all.end());
        for (const std::size_t i : Random(1).permutation(listed.size())) {
            const auto& [source, becomes] = listed[i];
            if (held_out.size() < most) {
                held_out.push_back(source);
                references.push_back(becomes);
                continue;
            }
            sources.insert(sources.end(), becomes.size(), source);
            targets.insert(targets.end(), becomes.begin(), becomes.end());
        }
    }
};

struct Translation {
    nn::Tokens words;
    Tensor<float> weights; // [words, source words] if the model has attention
};

// The translation of each sentence by beam search; 1: greedy. Unknown words are replaced by the
// source word with the largest attention weight.
std::vector<Translation> translate(const Model<float>& model, const Settings& s,
                                   const Sentences& sentences, std::size_t beam) {
    const auto numbers = s.source.encode_all(sentences);
    std::vector<Translation> all(sentences.size());
    example::in_batches(nn::lengths_of(sentences), 50, [&](const auto& which) {
        const auto x = nn::pad_sequences(numbers, which, 0);
        const auto written = model.write(x, {.beam = beam,
                                             .length_penalty = 1,
                                             .end = s.target.end(),
                                             .max_length = 2 * x.numbers.shape(0) + 10});
        for (std::size_t b = 0; b < which.size(); ++b) {
            const auto& best = written[b].front();
            all[which[b]] = {nn::words_of(best, s.target, sentences[which[b]]), best.weights};
        }
    });
    return all;
}

double bleu(const Model<float>& model, const Settings& settings, const Pairs& pairs,
            std::size_t beam, std::size_t most = 1 << 30) {
    Sentences some = pairs.held_out;
    some.resize(std::min(most, some.size()));
    const auto written = translate(model, settings, some, beam);
    nn::Bleu score;
    for (std::size_t i = 0; i < some.size(); ++i) score.add(written[i].words, pairs.references[i]);
    return 100 * score.score();
}

struct Training : example::TrainingOptions {
    std::string path = example::shipped("pairs.txt");
    Settings model;
    std::size_t min_count = 2;
    double smoothing = 0.1;
    Pairs pairs;
    std::vector<std::vector<std::int64_t>> x, y;

    Training()
        : TrainingOptions{.batch = 64,
                          .learning_rate = 2e-3,
                          .minutes = 15,
                          .out = "translate.safetensors",
                          .unit = "words"} {}
    void options(CLI::App& command) {
        command.add_option("PAIRS", path)->check(CLI::ExistingFile);
        model.fields(command);
        command.add_option("--min-count", min_count, "treat rarer words as unknown")
            ->check(CLI::PositiveNumber);
        command.add_option("--smoothing", smoothing, "label smoothing")
            ->check(CLI::Range(0.0, 0.99));
        TrainingOptions::options(command, "pairs in a batch");
    }
    void shrink() {
        model.width = model.hidden = 4;
        model.layers = 1;
        model.heads = 2;
        model.dropout = 0;
        min_count = 50;
    }
    std::string prepare() {
        pairs = Pairs(path, model.held_out);
        model.held_out = pairs.held_out.size();
        nn::Vocabulary &from = model.source, &to = model.target;
        if (!resume) {
            from =
                nn::Vocabulary(pairs.sources, {.min_count = min_count, .special = source_symbols});
            to = nn::Vocabulary(pairs.targets, {.min_count = min_count});
        }
        x = from.encode_all(pairs.sources);
        y = to.encode_all(pairs.targets, nn::Vocabulary::Ends::end);
        for (const auto& target : y)
            units += static_cast<double>(batch * target.size()) / static_cast<double>(y.size());
        return fmt::format("{} training pairs, {} sources held out; vocabularies of {} and {}",
                           y.size(), model.held_out, from.size(), to.size());
    }
    nn::ShuffledBatches source() const { return {nn::lengths_of(y), batch, seed}; }
    template <class T>
    Variable<T> loss(const Model<T>& net, example::Numbers which) const {
        return net.loss(nn::pad_sequences(x, which, 0), nn::pad_sequences(y, which, -100).numbers,
                        smoothing);
    }
    example::Figures figures(const Model<float>& net, bool last) const {
        if (!last) return {{"bleu_greedy", bleu(net, model, pairs, 1, 300)}};
        return {{"bleu_greedy", bleu(net, model, pairs, 1)},
                {"bleu_beam", bleu(net, model, pairs, 4)}};
    }
};

void run_eval(const std::string& path, const std::string& file, std::size_t beam) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    const Pairs pairs(file, settings.held_out);
    example::Stopwatch watch;
    const double greedy = bleu(model, settings, pairs, 1), seconds = watch.seconds();
    const double best = bleu(model, settings, pairs, beam);
    example::print_result({{"bleu_greedy", greedy, 2},
                           {"bleu_beam", best, 2},
                           {"beam", beam},
                           {"sentences", pairs.held_out.size()},
                           {"seconds_greedy", seconds, 1},
                           {"seconds_beam", watch.seconds() - seconds, 1}});
}

void run_translate(const std::string& path, std::vector<std::string> sentences, std::size_t beam,
                   const std::string& alignment) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    if (sentences.empty())
        for (std::string line; std::getline(std::cin, line);) sentences.push_back(line);
    Sentences sources;
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
        std::printf("%s\n", nn::join_words(translation.words).c_str());
    const auto& [words, weights] = written[0];
    if (!alignment.empty())
        write_file_atomically(alignment, alignment_svg(weights, words, sources[0]));
    example::print_result({{"sentences", written.size()}});
}

} // namespace translate

int main(int argc, char** argv) {
    using namespace translate;
    example::Commands program(
        "translate",
        "Maps one sequence to another: translations, answers, summaries, "
        "from lines with a source, a tab and its target.",
        {"train eng-fra.txt --minutes 15", "eval translate.safetensors eng-fra.txt --beam 4",
         "translate translate.safetensors 'The black cat sleeps.' --alignment cat.svg",
         "train eng-fra.txt --attention none --out none.safetensors",
         "train eng-fra.txt --model transformer --learning-rate 1e-3",
         "train --epochs 20 --hidden 64 --width 32"});
    program.train("train on pairs", example::train<Training, Model>);
    std::string path, pairs = example::shipped("pairs.txt"), alignment;
    std::vector<std::string> sentences;
    std::size_t beam = 4;
    const auto shared = [&](CLI::App& command) {
        command.add_option("--beam", beam, "beam width; 1: greedy")->check(CLI::Range(1, 1000));
    };
    CLI::App* command = program.add("eval", "BLEU on the held-out sources", path,
                                    [&] { return run_eval(path, pairs, beam); });
    shared(*command);
    command->add_option("PAIRS", pairs, "the training file")->check(CLI::ExistingFile);

    command = program.add("translate", "sentences, or lines of standard input", path,
                          [&] { return run_translate(path, sentences, beam, alignment); });
    shared(*command);
    command->add_option("SENTENCE", sentences);
    command->add_option("--alignment", alignment,
                        "draw the alignment of the first sentence as SVG");

    return program.run(argc, argv);
}
