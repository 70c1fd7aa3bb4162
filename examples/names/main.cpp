#include "../common/sequences.hpp"
#include "../common/trainer.hpp"
#include "model.hpp"

#include <cstdio>
#include <filesystem>

#include <CLI/CLI.hpp>

namespace names {

using example::number;

struct Training : example::TrainingOptions {
    std::vector<std::string> files;
    Settings model;

    Training() {
        batch = 64;
        minutes = 2;
        out = "names.safetensors";
    }
};

struct Loaded {
    Settings settings;
    nn::Vocabulary letters, classes;
};

Loaded read_header(const std::string& path) {
    const example::Header header(path, "names");
    return {{header.size("hidden"), header.size("embedding"), header.real("dropout")},
            header.vocabulary("letters"),
            header.vocabulary("classes", nn::SpecialSymbols::none())};
}

Model<float> read_model(const std::string& path, const Loaded& l) {
    Model<float> model(l.settings, l.letters.size(), l.classes.size());
    example::load(model, path);
    return model;
}

// What the files are called, without folders and ends.
nn::Vocabulary classes_of(const std::vector<std::string>& files) {
    nn::Tokens classes;
    for (const auto& file : files) classes.push_back(std::filesystem::path(file).stem().string());
    if (files.empty()) classes = {"first", "second"};
    return nn::Vocabulary::of(classes);
}

int train(Training o) {
    const auto [learned, held] = divide(o.files.empty() ? made_up() : read_names(o.files));
    if (held.empty()) fail("names", "ten names are the least to learn from");
    std::vector<nn::Tokens> spelled;
    for (const auto& name : learned) spelled.push_back(name.letters);
    Loaded l{o.model, nn::Vocabulary(spelled), classes_of(o.files)};
    if (o.resume) l = read_header(o.out);
    example::check_shards(o);
    const Names names = encode(learned, l.letters), valid = encode(held, l.letters);
    example::Buckets buckets(nn::lengths_of(names.letters), o.batch, o.seed);

    nn::seed(o.seed);
    Model<float> model(l.settings, l.letters.size(), l.classes.size());
    std::printf("%zu names, %zu held out; %zu parameters\n", learned.size(), held.size(),
                nn::parameter_count(model));
    const auto loss = [&](std::size_t shard, Tape<float>& tape, std::size_t batch) {
        return model.loss(tape, make_batch(names, buckets.part(batch, shard, o.shards)));
    };
    if (o.inspection.draws())
        return o.inspection.draw<float>([&](Tape<float>& tape) { return loss(0, tape, 0); });
    double baseline = 1e9;
    for (std::size_t n = 1; n <= 6; ++n) {
        const double bits = NGrams(names, n, l.letters.size()).bits_per_character(valid);
        std::printf("%zu-grams: %.4f bits a character\n", n, bits);
        baseline = std::min(baseline, bits);
    }
    example::Task task;
    task.batches = buckets.batches();
    task.units = static_cast<double>(o.batch);
    task.unit = "names";
    task.begin_epoch = [&](std::uint64_t epoch) { buckets.begin_epoch(epoch); };
    task.loss = loss;
    task.glance = [&] {
        const auto [bits, classes] = evaluate(model, valid, l.classes.size());
        example::Figures figures{{"bits_per_character", bits}, {"best_n_gram", baseline}};
        if (l.classes.size() > 1) figures.emplace_back("accuracy", classes.accuracy());
        return figures;
    };
    task.result = task.glance;
    task.words = {{"program", "names"},
                  {"hidden", std::to_string(l.settings.hidden)},
                  {"embedding", std::to_string(l.settings.embedding)},
                  {"dropout", number(l.settings.dropout, 4)},
                  {"letters", example::joined(l.letters)},
                  {"classes", example::joined(l.classes)}};
    return example::train(o, task, optim::by_name<float>(nn::named_parameters(model)));
}

int run_eval(const std::string& path, const std::vector<std::string>& files) {
    const Loaded l = read_header(path);
    const auto model = read_model(path, l);
    auto names = files.empty() ? made_up() : read_names(files);
    const auto own = classes_of(files);
    for (auto& name : names)
        name.class_of = static_cast<std::size_t>(l.classes.number(own.symbols()[name.class_of]));
    const auto [bits, classes] = evaluate(model, encode(names, l.letters), l.classes.size());
    std::vector<std::pair<std::string, std::string>> result{
        {"bits_per_character", number(bits, 4)}, {"names", std::to_string(names.size())}};
    if (l.classes.size() > 1) {
        std::fputs(classes.table(l.classes.symbols()).text().c_str(), stdout);
        result.emplace_back("accuracy", number(classes.accuracy(), 4));
        result.emplace_back("macro_f1", number(classes.macro().f1, 4));
    }
    example::print_result(result);
    return 0;
}

int run_sample(const std::string& path, std::size_t count, double temperature, std::uint64_t seed) {
    const Loaded l = read_header(path);
    const auto model = read_model(path, l);
    Random random(seed);
    for (std::size_t i = 0; i < count; ++i) {
        for (const auto letter : sample(model, temperature, random))
            std::fputs(l.letters.symbol(letter).c_str(), stdout);
        std::puts("");
    }
    example::print_result({{"names", std::to_string(count)}});
    return 0;
}

int run_classify(const std::string& path, const std::string& name) {
    const Loaded l = read_header(path);
    if (l.classes.size() < 2) fail("names", "'" + path + "' learned one file: it has no classes");
    const auto model = read_model(path, l);
    Tape<float> tape;
    tape.set_recording(false);
    const Names one = encode({{nn::split_characters(name), 0}}, l.letters);
    const auto p =
        softmax(model.classify(model(tape, make_batch(one, std::vector<std::size_t>{0}).x)));
    for (std::size_t c = 0; c < l.classes.size(); ++c)
        std::printf("%-20s %5.1f %%\n", l.classes.symbols()[c].c_str(),
                    100 * static_cast<double>(p.value()(0, c)));
    example::print_result({{"class", l.classes.symbol(argmax(p).item())}});
    return 0;
}

int check_gradients(const Training& o) {
    nn::seed(o.seed);
    Model<double> model({4, 3, 0}, 8, 2);
    const Batch batch = make_batch({{{4, 5, 6}, {7}}, {0, 1}}, std::vector<std::size_t>{0, 1});
    return o.inspection.check([&](Tape<double>& tape) { return model.loss(tape, batch); },
                              nn::named_parameters(model));
}

} // namespace names

int main(int argc, char** argv) {
    using namespace names;
    CLI::App app{"Learns names letter by letter, invents new ones, and tells which of several "
                 "files a name might be from."};
    app.footer("Examples:\n"
               "  names train names.txt\n"
               "  names sample names.safetensors --count 20 --temperature 0.8\n"
               "  names train french.txt german.txt italian.txt --out origin.safetensors\n"
               "  names classify origin.safetensors Moreau\n"
               "  names train --check-gradients");
    app.require_subcommand(1);
    Training o;
    auto* train_command = app.add_subcommand(
        "train", "learn from files with a name a line; several files are classes");
    train_command->add_option("FILE", o.files, "without one, two made-up languages");
    train_command->add_option("--hidden", o.model.hidden, "width of the GRU")
        ->capture_default_str()
        ->check(CLI::Range(1, 4096));
    train_command->add_option("--embedding", o.model.embedding, "width of a letter's vector")
        ->capture_default_str()
        ->check(CLI::Range(1, 4096));
    train_command->add_option("--dropout", o.model.dropout, "share of values dropped")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 1.0));
    o.add_to(*train_command, "names in a batch");
    std::string path, name;
    std::vector<std::string> files;
    std::size_t count = 10;
    double temperature = 1;
    std::uint64_t seed = 1;
    const auto use = [&](const char* command, const char* what) {
        auto* added = app.add_subcommand(command, what);
        added->add_option("MODEL", path)->required();
        return added;
    };
    auto* eval_command = use("eval", "bits a character, and how many classes are right");
    eval_command->add_option("FILE", files, "called as in training, where they are classes");
    auto* sample_command = use("sample", "names that are new");
    sample_command->add_option("--count", count)->capture_default_str();
    sample_command->add_option("--temperature", temperature, "0: the likeliest; 1: as learned")
        ->capture_default_str()
        ->check(CLI::NonNegativeNumber);
    sample_command->add_option("--seed", seed)->capture_default_str();
    auto* classify_command = use("classify", "the file that a name might be from");
    classify_command->add_option("NAME", name)->required();
    CLI11_PARSE(app, argc, argv);
    try {
        if (*train_command) return o.inspection.checks() ? check_gradients(o) : train(o);
        if (*eval_command) return run_eval(path, files);
        if (*sample_command) return run_sample(path, count, temperature, seed);
        return run_classify(path, name);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "names: %s\n", error.what());
        return 1;
    }
}
