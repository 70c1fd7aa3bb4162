#include "training.hpp"

#include <cstdio>

#include <CLI/CLI.hpp>

namespace sentiment {

using example::number;

int run_eval(const std::string& path, const std::string& file) {
    const auto [settings, words] = read_header(path);
    const auto model = example::load<Model<float>>(path, settings, words.size(), words.padding());
    const Numbered numbers(read_examples(file, false), words);
    const auto [five, binary] = evaluate(model, numbers.x, numbers.labels, words.padding());
    Table table{{"class", "precision", "recall", "F1"}, {}};
    const auto add = [&](const std::string& name, const nn::Scores& s) {
        table.rows.push_back({name, number(s.precision, 4), number(s.recall, 4), number(s.f1, 4)});
    };
    const char* names[]{"very negative", "negative", "neutral", "positive", "very positive"};
    for (std::size_t c = 0; c < classes; ++c) add(names[c], five.of_class(c));
    add("(mean of five)", five.macro());
    add("binary: negative", binary.of_class(0));
    add("binary: positive", binary.of_class(1));
    std::fputs(table.text().c_str(), stdout);
    example::print_result({{"five_class", number(five.accuracy(), 4)},
                           {"binary", number(binary.accuracy(), 4)},
                           {"macro_f1", number(five.macro().f1, 4)},
                           {"binary_f1", number(binary.macro().f1, 4)},
                           {"sentences", std::to_string(five.total())}});
    return 0;
}

int run_classify(const std::string& path, const std::string& sentence) {
    const auto [settings, words] = read_header(path);
    const auto model = example::load<Model<float>>(path, settings, words.size(), words.padding());
    const nn::Tokens tokens = example::treebank_words(sentence);
    if (tokens.empty()) fail("classify", "the sentence has no words");
    Tape<float> tape;
    tape.set_recording(false);
    Tensor<float> shares;
    const std::vector<std::vector<std::int64_t>> x{words.encode(tokens)};
    const auto p = softmax(model(tape, nn::pad_sequences(x, words.padding()), &shares));
    if (shares.storage())
        for (std::size_t t = 0; t < tokens.size(); ++t) {
            const double share = static_cast<double>(shares(t, 0));
            std::printf("%-20s %5.1f %%  %s\n", tokens[t].c_str(), 100 * share,
                        std::string(static_cast<std::size_t>(40 * share), '#').c_str());
        }
    const auto q = p.value().select(0, 0).to_vector();
    std::vector<std::pair<std::string, std::string>> result{
        {"class", std::to_string(argmax(p).item())}};
    for (std::size_t c = 0; c < classes; ++c)
        result.emplace_back("p" + std::to_string(c), number(static_cast<double>(q[c]), 3));
    example::print_result(result);
    return 0;
}

} // namespace sentiment

int main(int argc, char** argv) {
    using namespace sentiment;
    CLI::App app{"Tells how a sentence feels, from 0 (very negative) to 4 (very positive): a "
                 "bidirectional LSTM whose steps are pooled into one vector."};
    app.footer("Examples:\n"
               "  sentiment train\n"
               "  sentiment train sst/train.txt sst/dev.txt --phrases --epochs 3\n"
               "  sentiment train sst/train.txt sst/dev.txt --phrases --pooling attention\n"
               "  sentiment eval sentiment.safetensors sst/test.txt\n"
               "  sentiment classify sentiment.safetensors \"A film that is never dull.\"\n"
               "  sentiment train --pooling attention --check-gradients");
    app.require_subcommand(1);
    Training o;
    auto* train_command = app.add_subcommand("train", "learn from trees with a label at each node");
    train_command->add_option("TRAIN", o.train, "a tree a line; without one, a made-up language");
    train_command->add_option("DEV", o.dev, "looked at now and then; without one, TRAIN");
    train_command->add_flag("--phrases", o.phrases, "learn every phrase of the trees");
    train_command->add_option("--pooling", o.model.pooling, "how steps become a sentence")
        ->check(CLI::IsMember({"last", "mean", "max", "attention"}))
        ->capture_default_str();
    for (const auto& [name, value, what] :
         {std::tuple("--layers", &o.model.layers, "recurrent layers"),
          std::tuple("--hidden", &o.model.hidden, "width of a direction"),
          std::tuple("--embedding", &o.model.embedding, "width of a word's vector")})
        train_command->add_option(name, *value, what)
            ->capture_default_str()
            ->check(CLI::Range(1, 4096));
    train_command->add_option("--dropout", o.model.dropout, "share of values dropped")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 1.0));
    o.add_to(*train_command, "examples in a batch");
    std::string path, text;
    auto* eval_command = app.add_subcommand("eval", "accuracy, precision, recall and F1");
    eval_command->add_option("MODEL", path)->required();
    eval_command->add_option("FILE", text, "a tree a line; without one, the made-up language");
    auto* classify_command = app.add_subcommand("classify", "one sentence, and where it looked");
    classify_command->add_option("MODEL", path)->required();
    classify_command->add_option("SENTENCE", text)->required();
    CLI11_PARSE(app, argc, argv);
    try {
        if (*train_command) return o.inspection.checks() ? check_gradients(o) : train(o);
        return *eval_command ? run_eval(path, text) : run_classify(path, text);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "sentiment: %s\n", error.what());
        return 1;
    }
}
