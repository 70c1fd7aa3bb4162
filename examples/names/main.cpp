#include "training.hpp"

#include <cstdio>

#include <CLI/CLI.hpp>

namespace names {

using example::number;

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
