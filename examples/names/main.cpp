#include "model.hpp"

#include <cstdio>
#include <filesystem>

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
    void fields(example::Fields& f) {
        f.takes("FILE", files, "without one, two made-up languages");
        model.fields(f);
        TrainingOptions::fields(f, "names in a batch");
    }
};

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
    Settings& s = o.model;
    s.letters = nn::Vocabulary(spelled);
    s.classes = classes_of(o.files);
    if (o.resume) s = example::read<Settings>(o.out);
    const Names names = encode(learned, s.letters), valid = encode(held, s.letters);

    nn::seed(o.seed);
    Model<float> model(s);
    std::printf("%zu names, %zu held out; %zu parameters\n", learned.size(), held.size(),
                nn::parameter_count(model));
    const auto loss = [&](Tape<float>& tape, std::span<const std::size_t> which) {
        return model.loss(tape, make_batch(names, which));
    };
    double baseline = 1e9;
    for (std::size_t n = 1; n <= 6; ++n) {
        const double bits = NGrams(names, n, s.letters.size()).bits_per_character(valid);
        std::printf("%zu-grams: %.4f bits a character\n", n, bits);
        baseline = std::min(baseline, bits);
    }
    example::Task task;
    task.unit = "names";
    task.glance = task.result = [&] {
        const auto [bits, classes] = evaluate(model, valid, s.classes.size());
        example::Figures figures{{"bits_per_character", bits}, {"best_n_gram", baseline}};
        if (s.classes.size() > 1) figures.emplace_back("accuracy", classes.accuracy());
        return figures;
    };
    task.words = example::words(s);
    return example::learn(o, {nn::lengths_of(names.letters), o.batch, o.seed}, task, loss,
                          example::named(model));
}

int check_gradients(Training o) {
    nn::seed(o.seed);
    o.model.hidden = 4;
    o.model.embedding = 3;
    o.model.dropout = 0;
    o.model.letters = nn::Vocabulary::of(nn::Tokens{"a", "b", "c", "d"}, nn::SpecialSymbols());
    o.model.classes = classes_of({});
    Model<double> model(o.model);
    const Batch batch = make_batch({{{4, 5, 6}, {7}}, {0, 1}}, std::vector<std::size_t>{0, 1});
    return o.inspection.check([&](Tape<double>& tape) { return model.loss(tape, batch); },
                              nn::named_parameters(model));
}

int run_eval(const std::string& path, const std::vector<std::string>& files) {
    const auto [s, model] = example::load<Settings, Model<float>>(path);
    auto names = files.empty() ? made_up() : read_names(files);
    const auto own = classes_of(files);
    for (auto& name : names)
        name.class_of = static_cast<std::size_t>(s.classes.number(own.symbols()[name.class_of]));
    const auto [bits, classes] = evaluate(model, encode(names, s.letters), s.classes.size());
    std::vector<std::pair<std::string, std::string>> result{
        {"bits_per_character", number(bits, 4)}, {"names", std::to_string(names.size())}};
    if (s.classes.size() > 1) {
        std::fputs(classes.table(s.classes.symbols()).text().c_str(), stdout);
        result.emplace_back("accuracy", number(classes.accuracy(), 4));
        result.emplace_back("macro_f1", number(classes.macro().f1, 4));
    }
    example::print_result(result);
    return 0;
}

int run_sample(const std::string& path, std::size_t count, double temperature, std::uint64_t seed) {
    const auto [s, model] = example::load<Settings, Model<float>>(path);
    Random random(seed);
    for (std::size_t i = 0; i < count; ++i) {
        for (const auto letter : sample(model, temperature, random))
            std::fputs(s.letters.symbol(letter).c_str(), stdout);
        std::puts("");
    }
    example::print_result({{"names", std::to_string(count)}});
    return 0;
}

int run_classify(const std::string& path, const std::string& name) {
    const auto [s, model] = example::load<Settings, Model<float>>(path);
    if (s.classes.size() < 2) fail("names", "'" + path + "' learned one file: it has no classes");
    Tape<float> tape;
    tape.set_recording(false);
    const Names one = encode({{nn::split_characters(name), 0}}, s.letters);
    const auto p =
        softmax(model.classify(model(tape, make_batch(one, std::vector<std::size_t>{0}).x)));
    for (std::size_t c = 0; c < s.classes.size(); ++c)
        std::printf("%-20s %5.1f %%\n", s.classes.symbols()[c].c_str(),
                    100 * static_cast<double>(p.value()(0, c)));
    example::print_result({{"class", s.classes.symbol(argmax(p).item())}});
    return 0;
}

} // namespace names

int main(int argc, char** argv) {
    using namespace names;
    example::Commands program(
        "names",
        "Learns names letter by letter, invents new ones, and tells which of several files a name "
        "might be from.",
        {"train names.txt", "sample names.safetensors --count 20 --temperature 0.8",
         "train french.txt german.txt italian.txt --out origin.safetensors",
         "classify origin.safetensors Moreau", "train --check-gradients"});
    program.train("learn from files with a name a line; several files are classes", train,
                  check_gradients);
    std::string path, name;
    std::vector<std::string> files;
    std::size_t count = 10, seed = 1;
    double temperature = 1;
    program
        .add("eval", "bits a character, and how many classes are right",
             [&] { return run_eval(path, files); })
        .model(path)
        .takes("FILE", files, "called as in training, where they are classes");
    program
        .add("sample", "names that are new",
             [&] { return run_sample(path, count, temperature, seed); })
        .model(path)
        .takes("--count", count, "how many")
        .takes("--temperature", temperature, "0: the likeliest; 1: as learned",
               example::Between{0, 1000})
        .takes("--seed", seed);
    program
        .add("classify", "the file that a name might be from",
             [&] { return run_classify(path, name); })
        .model(path)
        .needs("NAME", name);
    return program.run(argc, argv);
}
