#include "../common/learning.hpp"
#include "../common/stream.hpp"

#include <cmath>

namespace word_lm {

using namespace unroll;
using example::shipped;
using Lines = std::vector<nn::Tokens>;
using Text = std::vector<std::int64_t>;

const nn::SpecialSymbols special{"", "<unk>", "", "</s>"};

// The words of each line. Throws Error for a file without a word.
Lines read_words(const std::string& path) {
    Lines lines;
    for (const auto& line : nn::read_lines(path)) lines.push_back(nn::split_whitespace(line));
    if (std::ranges::all_of(lines, &nn::Tokens::empty))
        fail("text", fmt::format("'{}' contains no words", path));
    return lines;
}

struct Settings {
    static constexpr const char* program = "word_lm";
    std::string cell = "lstm";
    std::size_t width = 256, layers = 2, frequent = 2000, groups = 3;
    double dropout = 0.2, weight_dropout = 0;
    nn::Vocabulary words = example::empty_vocabulary();

    void fields(example::Fields f) {
        const CLI::Range size(1, 65536), share(0.0, 0.99);
        f("--cell", cell, "recurrent cell")->check(CLI::IsMember(example::all_cells));
        f("--width", width, "width of the word embedding and of a layer")->check(size);
        f("--layers", layers, "recurrent layers")->check(CLI::Range(1, 64));
        f("--frequent", frequent, "words scored in the first step of the softmax; 0: all");
        f("--groups", groups, "groups of rare words")->check(size);
        f("--dropout", dropout, "dropout probability between layers")->check(share);
        f("--weight-dropout", weight_dropout,
          "dropout probability of the recurrent weights of an rnn, lstm, gru or slstm")
            ->check(share);
        f.stored("vocabulary", words, special);
    }
};

// Recurrent layers with tied embedding and output weights (Press and Wolf 2017).
template <class T>
struct Model {
    using value_type = T;
    nn::Embedding<T> embed;
    std::string cell;
    example::Network<T> net;
    nn::AdaptiveSoftmax<T> output;

    explicit Model(const Settings& s)
        : embed(nn::uniform<T>({s.words.size(), s.width},
                               std::sqrt(3 / static_cast<double>(s.width)), nn::next_stream())),
          cell(s.cell), net({.cell = s.cell,
                             .layers = s.layers,
                             .hidden = s.width,
                             .input_dropout = s.dropout,
                             .output_dropout = s.dropout,
                             .weight_dropout = s.weight_dropout},
                            s.width),
          output({s.words.size(), s.width, s.frequent, s.groups}) {
        // Otherwise cells saturate early in training, to fit the unigram frequencies, and remain
        // saturated.
        output.begin_with(s.words.counts());
    }
    // The mean of -log p of the words y [T, B] that follow x, starting from `state`.
    Variable<T> loss(const Indices& x, const Indices& y,
                     example::Carried<T>* state = nullptr) const {
        return output.loss(net(embed(x), {}, state), embed.weight, y);
    }
    void members(nn::Members<T>& m) { m("embed", embed)(cell, net)("", output); }
};

Text encode(const nn::Vocabulary& words, const Lines& lines) {
    Text all;
    for (const auto& line : words.encode_all(lines, nn::Vocabulary::Ends::end))
        all.insert(all.end(), line.begin(), line.end());
    return all;
}

struct Training : example::StreamOptions {
    std::string text = shipped("sentences.txt"), valid;
    Settings model;
    std::size_t min_count = 1;

    Training()
        : StreamOptions{{.batch = 40,
                         .steps = 35,
                         .minutes = 30,
                         .out = "word_lm.safetensors",
                         .unit = "words"}} {
        clip = 0.5;
    }
    void options(CLI::App& command) {
        const CLI::Range size(1, 65536);
        command.add_option("TEXT", text, "text file of words separated by spaces")
            ->check(CLI::ExistingFile);
        command.add_option("--valid", valid, "validation text; default: a tenth of the text")
            ->check(CLI::ExistingFile);
        model.fields(command);
        command.add_option("--steps", steps, "steps of truncated back-propagation")->check(size);
        command.add_option("--min-count", min_count, "treat rarer words as unknown")->check(size);
        TrainingOptions::options(command, "segments of the text read in parallel");
    }
    void shrink() {
        model.width = model.frequent = 5;
        model.dropout = model.weight_dropout = 0;
        steps = 4;
    }
    std::string prepare() {
        Lines lines = read_words(text);
        if (lines.size() == 1 && valid.empty())
            fail("word_lm", fmt::format("'{}' has a single line and cannot be split; give "
                                        "--valid, or one sentence per line",
                                        text));
        const Lines last =
            valid.empty() ? example::cut_off(lines, (lines.size() + 9) / 10) : read_words(valid);
        if (!resume) model.words = nn::Vocabulary(lines, {min_count, 0, special});
        training = encode(model.words, lines);
        held_out = encode(model.words, last);
        return fmt::format("{} words, {} distinct; {} validation words", training.size(),
                           model.words.size(), held_out.size());
    }
    example::Figures figures(const Model<float>& net, bool last) const {
        return {{"validation_perplexity", std::exp(held_nats(net, last))}};
    }
};

void run_eval(const std::string& path, const std::string& text) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    const Text numbers = encode(settings.words, read_words(text));
    const double nats = example::mean_nats(model, numbers);
    example::print_result(
        {{"perplexity", std::exp(nats), 2}, {"nats", nats}, {"words", numbers.size()}});
}

// A sentence and its variants, in which words are replaced by homophones of the vocabulary.
Lines homophones(const nn::Tokens& sentence, const nn::Vocabulary& words) {
    const auto groups = nn::read_sentences(shipped("homophones.txt"), nn::split_whitespace);
    Lines readings{sentence};
    for (std::size_t i = 0; i < sentence.size(); ++i)
        for (const auto& group : groups) {
            if (std::ranges::count(group, sentence[i]) == 0) continue;
            const Lines so_far = readings;
            for (const auto& word : group)
                for (nn::Tokens variant : so_far) {
                    if (word == sentence[i] || !words.contains(word)) continue;
                    variant[i] = word;
                    readings.push_back(variant);
                }
            if (readings.size() > 1000) fail("homophones", "there are more than 1000 variants");
        }
    return readings;
}

void run_score(const std::string& path, const std::vector<std::string>& sentences,
               bool with_homophones) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    std::vector<std::pair<double, nn::Tokens>> scored;
    for (const auto& sentence : sentences) {
        const nn::Tokens words = nn::split_whitespace(sentence);
        if (words.empty()) fail("score", "a sentence is empty");
        for (const auto& variant :
             with_homophones ? homophones(words, settings.words) : Lines{words}) {
            const Text text =
                encode(settings.words, {{}, variant}); // after the end of another sentence
            const double nats = example::mean_nats(model, text);
            scored.emplace_back(-nats * static_cast<double>(text.size() - 1), variant);
        }
    }
    std::ranges::stable_sort(scored, std::greater(), [](const auto& one) { return one.first; });
    std::printf("%9s  %10s\n", "log p", "perplexity");
    for (const auto& [score, words] : scored) {
        std::printf("%9.3f  %10.2f ", score, nn::perplexity(-score, words.size() + 1));
        for (const auto& word : words)
            std::printf(" %s%s", word.c_str(), settings.words.contains(word) ? "" : "(unknown)");
        std::printf("\n");
    }
    example::print_result({{"sentences", scored.size()}, {"best_log_p", scored.front().first, 3}});
}

void run_next(const std::string& path, const std::string& text, std::size_t count) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    const auto& words = settings.words;
    Text read = words.encode(nn::split_whitespace(text));
    read.insert(read.begin(), words.end());
    const auto h = model.net(model.embed(Indices({read.size(), 1}, std::span(read))));
    const auto p =
        exp(model.output.log_probabilities(select(h, 0, read.size() - 1), model.embed.weight));
    const auto likely = topk(p, std::min(count, words.size()));
    for (std::size_t i = 0; i < likely.indices.size(); ++i)
        std::printf("%8.4f  %s\n", static_cast<double>(likely.values(0, i)),
                    words.symbol(likely.indices(0, i)).c_str());
    example::print_result({{"next", words.symbol(likely.indices(0, 0))},
                           {"p", static_cast<double>(likely.values(0, 0))}});
}

} // namespace word_lm

int main(int argc, char** argv) {
    using namespace word_lm;
    example::Commands program(
        "word_lm",
        "Language models over words: trains on a text, scores sentences and "
        "their homophones, and predicts the next word.",
        {"train wiki.train.tokens --valid wiki.valid.tokens --minutes 30",
         "eval word_lm.safetensors wiki.test.tokens",
         "score word_lm.safetensors 'apple and pair salad' 'apple and pear salad'",
         "score word_lm.safetensors --homophones 'they new the hole story'",
         "next word_lm.safetensors 'the end of the'", "train --width 32 --epochs 5"});
    program.train("train on a text", example::train<Training, Model>);
    std::string path, text = shipped("sentences.txt"), beginning;
    std::vector<std::string> sentences;
    bool with_homophones = false;
    std::size_t count = 10;
    CLI::App* command =
        program.add("eval", "perplexity of a text", path, [&] { return run_eval(path, text); });
    command->add_option("TEXT", text)->check(CLI::ExistingFile);

    command = program.add("score", "score sentences, best first", path,
                          [&] { return run_score(path, sentences, with_homophones); });
    command->add_option("SENTENCE", sentences)->required();
    command->add_flag("--homophones", with_homophones, "also score variants with homophones");

    command = program.add("next", "predict the next word of a text", path,
                          [&] { return run_next(path, beginning, count); });
    command->add_option("TEXT", beginning)->required();
    command->add_option("--count", count, "number of words")->check(CLI::PositiveNumber);

    return program.run(argc, argv);
}
