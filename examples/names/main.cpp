#include "../common/learning.hpp"

#include <filesystem>
#include <iostream>
#include <set>

namespace names {

using namespace unroll;
using example::shipped;
using Paths = std::vector<std::string>;
using Ends = nn::Vocabulary::Ends;

struct Settings {
    static constexpr const char* program = "names";
    std::size_t hidden = 128, embedding = 32;
    double dropout = 0.2;
    nn::Vocabulary letters = example::empty_vocabulary(), classes = letters;

    void fields(example::Fields f) {
        f("--hidden", hidden, "width of the GRU")->check(CLI::Range(1, 4096));
        f("--embedding", embedding, "width of the letter embedding")->check(CLI::Range(1, 4096));
        f("--dropout", dropout, "dropout probability")->check(CLI::Range(0.0, 1.0));
        f.stored("letters", letters);
        f.stored("classes", classes, nn::SpecialSymbols::none());
    }
};

// File names without folder and extension.
nn::Tokens stems_of(const Paths& paths) {
    nn::Tokens stems;
    for (const auto& path : paths) stems.push_back(std::filesystem::path(path).stem());
    return stems;
}

struct NamedLine {
    std::string text, file; // the file's stem
};
// The distinct lines of each file. Throws Error for an empty file and for a line without a word.
std::vector<NamedLine> read_named_lines(const Paths& paths) {
    std::vector<NamedLine> all;
    for (const auto& path : paths) {
        const auto lines = nn::read_lines(path);
        if (lines.empty()) fail("text", fmt::format("'{}' is empty", path));
        std::set<std::string> seen;
        for (std::size_t i = 0; i < lines.size(); ++i) {
            if (nn::split_whitespace(lines[i]).empty())
                nn::refuse_line("text", path, i + 1, "the line is empty");
            if (seen.insert(lines[i]).second) all.push_back({lines[i], stems_of({path})[0]});
        }
    }
    return all;
}

// Names as numbers: the inputs begin with the start symbol, the targets end with the end symbol.
// The class of a name is the file that it came from.
struct Names {
    std::vector<std::vector<std::int64_t>> read, written;
    std::vector<std::int64_t> classes;

    Names() = default;
    Names(const std::vector<NamedLine>& lines, const Settings& s) {
        for (const auto& line : lines) {
            read.push_back(s.letters.encode(nn::split_characters(line.text), Ends::start));
            written.push_back(s.letters.encode(nn::split_characters(line.text), Ends::end));
            classes.push_back(s.classes.number(line.file));
        }
    }
};

// A GRU that generates letters from the start symbol to the end symbol; if there are classes, its
// final state predicts the class.
template <class T>
struct Model {
    using value_type = T;
    using States = typename nn::Gru<T>::States;
    Settings settings;
    nn::Embedding<T> embed;
    nn::Gru<T> gru;
    nn::Linear<T> next, class_of;

    explicit Model(const Settings& s)
        : settings(s), embed({.vocabulary = s.letters.size(), .width = s.embedding, .padding = 0}),
          gru({.input = s.embedding, .hidden = s.hidden}),
          next({.input = s.hidden, .output = s.letters.size()}),
          class_of({.input = s.hidden, .output = s.classes.size()}) {}

    struct Out {
        Variable<T> next; // logits [T, B, letters]
        States state;
    };
    Out operator()(const nn::PaddedBatch& x, const States& state = {}) const {
        const auto [h, last] = gru(embed(x.numbers), state, x.lengths);
        return {next(dropout(h, settings.dropout)), last};
    }
    // Logits [B, classes].
    Variable<T> classify(const Out& out) const {
        return class_of(dropout(select(out.state[0], 0, 0), settings.dropout));
    }
    bool has_classes() const { return settings.classes.size() > 1; }
    void members(nn::Members<T>& m) {
        m("embedding", embed)("gru", gru)("next", next);
        if (has_classes()) m("class", class_of);
    }
};

example::Figures evaluate(const Model<float>& model, const Names& names, bool shows) {
    double nats = 0;
    std::size_t characters = 0; // with ends
    nn::ConfusionMatrix classes(model.settings.classes.size());
    example::in_batches(nn::lengths_of(names.read), 256, [&](const auto& which) {
        const auto out = model(nn::pad_sequences(names.read, which, 0));
        const auto [y, lengths] = nn::pad_sequences(names.written, which, -100);
        const auto n = std::reduce(lengths.begin(), lengths.end());
        nats += static_cast<double>(n) * static_cast<double>(cross_entropy(out.next, y).item());
        characters += n;
        if (model.has_classes())
            classes.add(example::chosen(names.classes, which), argmax(model.classify(out)));
    });
    example::Figures figures{{"bits_per_character", nn::bits_per_character(nats, characters)}};
    if (!model.has_classes()) return figures;
    if (shows) std::cout << classes.table(model.settings.classes.symbols()).text();
    figures.emplace_back("accuracy", classes.accuracy());
    figures.emplace_back("macro_f1", classes.macro().f1);
    return figures;
}

struct Training : example::TrainingOptions {
    Paths files{shipped("names/first.txt"), shipped("names/second.txt")};
    Settings model;
    Names training, held_out;
    double baseline = 1e9;

    Training()
        : TrainingOptions{.batch = 64, .minutes = 2, .out = "names.safetensors", .unit = "names"} {}
    void options(CLI::App& command) {
        command.add_option("FILE", files, "one name per line; several files are classes");
        model.fields(command);
        TrainingOptions::options(command, "names in a batch");
    }
    void shrink() {
        model.hidden = 4;
        model.embedding = 3;
        model.dropout = 0;
    }
    std::string prepare() {
        const auto [lines, last] = example::divided(read_named_lines(files));
        if (last.empty()) fail("names", "at least ten names are needed");
        if (!resume) {
            std::vector<nn::Tokens> spelled;
            for (const auto& line : lines) spelled.push_back(nn::split_characters(line.text));
            model.letters = nn::Vocabulary(spelled);
            model.classes = nn::Vocabulary::of(stems_of(files));
        }
        training = Names(lines, model);
        held_out = Names(last, model);
        return n_grams() + fmt::format("{} names, {} held out", lines.size(), last.size());
    }
    // Bits per character of n-grams on the held-out names; the best is reported as baseline.
    std::string n_grams() {
        const std::size_t letters = model.letters.size() - 2; // without padding and start
        nn::NGrams grams({.order = 6, .vocabulary = letters, .start = model.letters.start()});
        for (const auto& name : training.written) grams.add(name);
        std::string report;
        for (std::size_t n = 1; n <= 6; ++n) {
            const double bits = grams.bits(held_out.written, n);
            report += fmt::format("{}-grams: {:.4f} bits per character\n", n, bits);
            baseline = std::min(baseline, bits);
        }
        return report;
    }
    nn::ShuffledBatches source() const { return {nn::lengths_of(training.read), batch, seed}; }
    // Means over the letters and, if there are classes, over the names.
    template <class T>
    Variable<T> loss(const Model<T>& net, example::Numbers which) const {
        const auto out = net(nn::pad_sequences(training.read, which, 0));
        const auto spelled =
            cross_entropy(out.next, nn::pad_sequences(training.written, which, -100).numbers);
        if (!net.has_classes()) return spelled;
        return spelled + cross_entropy(net.classify(out), example::chosen(training.classes, which));
    }
    example::Figures figures(const Model<float>& net, bool) const {
        example::Figures figures = evaluate(net, held_out, false);
        figures.emplace_back("best_n_gram", baseline);
        return figures;
    }
};

void run_eval(const std::string& path, const Paths& files) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    const auto lines = read_named_lines(files);
    example::print_result(evaluate(model, Names(lines, settings), true), {{"names", lines.size()}});
}

void run_sample(const std::string& path, std::size_t count, nn::SampleOptions how,
                std::uint64_t seed) {
    const auto loaded = example::load<Settings, Model>(path);
    const auto& letters = loaded.settings.letters;
    Mask allowed = Mask::ones({letters.size()});
    for (const auto special : {letters.padding(), letters.unknown(), letters.start()})
        allowed(special) = false;
    how.end = letters.end();
    how.random = Random(seed);
    const auto step = [&](const Model<float>::States& state, const Indices& last) {
        const auto out = loaded.model({last.expand_dims(0), {}}, state);
        return nn::Prediction<Model<float>::States, float>{
            out.state, log_softmax(select(out.next, 0, 0), allowed)};
    };
    for (const auto& name :
         nn::sample(step, Model<float>::States(), Indices::full({count}, letters.start()), how)) {
        for (const auto& letter : letters.decode(name.tokens)) std::fputs(letter.c_str(), stdout);
        std::puts("");
    }
    example::print_result({{"names", count}});
}

void run_classify(const std::string& path, const std::string& name) {
    const auto [s, model] = example::load<Settings, Model>(path);
    if (!model.has_classes())
        fail("names", "'" + path + "' was trained on a single file: it has no classes");
    const auto read = s.letters.encode(nn::split_characters(name), Ends::start);
    const auto p = softmax(model.classify(model(nn::pad_sequences({{read}}, 0))));
    for (std::size_t c = 0; c < s.classes.size(); ++c)
        std::printf("%-20s %5.1f %%\n", s.classes.symbols()[c].c_str(),
                    100 * static_cast<double>(p.value()(0, c)));
    example::print_result({{"class", s.classes.symbol(argmax(p)(0))}});
}

} // namespace names

int main(int argc, char** argv) {
    using namespace names;
    example::Commands program(
        "names",
        "Models names letter by letter, generates new ones, and classifies a name by "
        "file of origin.",
        {"train names.txt", "sample names.safetensors --count 20 --temperature 0.8",
         "train french.txt german.txt italian.txt --out origin.safetensors",
         "classify origin.safetensors Moreau", "train --check-gradients"});
    program.train("train on names", example::train<Training, Model>);
    std::string path, name;
    Paths files = Training().files;
    std::size_t count = 10, seed = 1;
    nn::SampleOptions how{.max_length = 40};
    CLI::App* command = program.add("eval", "bits per character, and accuracy of the classes", path,
                                    [&] { return run_eval(path, files); });
    command->add_option("FILE", files, "named as in training if they are classes");

    command = program.add("sample", "generate new names", path,
                          [&] { return run_sample(path, count, how, seed); });
    command->add_option("--count", count, "number of names");
    command
        ->add_option("--temperature", how.temperature,
                     "0: the likeliest letter; 1: the distribution of the model")
        ->check(CLI::Range(0.0, 1000.0));
    command->add_option("--seed", seed);

    command = program.add("classify", "predict the file of a name", path,
                          [&] { return run_classify(path, name); });
    command->add_option("NAME", name)->required();

    return program.run(argc, argv);
}
