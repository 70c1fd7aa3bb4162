#include "../common/sequences.hpp"
#include "../common/trainer.hpp"
#include "model.hpp"

#include <cstdio>

#include <CLI/CLI.hpp>

namespace sentiment {

using example::number;

struct Training : example::TrainingOptions {
    std::string train, dev;
    bool phrases = false;
    Settings model;

    Training() {
        batch = 64;
        rate = 2e-3;
        out = "sentiment.safetensors";
    }
};

struct Numbered {
    std::vector<std::vector<std::int64_t>> x;
    std::vector<std::int64_t> labels;

    Numbered(const std::vector<Example>& examples, const nn::Vocabulary& words) {
        for (const auto& example : examples) {
            x.push_back(words.encode(example.words));
            labels.push_back(example.label);
        }
    }
    Indices labels_of(std::span<const std::size_t> which) const {
        Indices y({which.size()});
        for (std::size_t b = 0; b < which.size(); ++b) y.data()[b] = labels[which[b]];
        return y;
    }
};

std::pair<Settings, nn::Vocabulary> read_header(const std::string& path) {
    const example::Header header(path, "sentiment");
    return {{header.word("pooling"), header.size("layers"), header.size("hidden"),
             header.size("embedding"), header.real("dropout")},
            header.vocabulary("vocabulary")};
}

nn::Vocabulary words_of(const std::vector<Example>& examples) {
    std::vector<nn::Tokens> sentences;
    for (const auto& example : examples) sentences.push_back(example.words);
    return nn::Vocabulary(sentences);
}

int train(Training o) {
    auto learned = o.train.empty() ? made_up() : read_trees(o.train, o.phrases);
    const auto dev = o.dev.empty() ? learned : read_trees(o.dev, false);
    nn::Vocabulary words = words_of(learned);
    if (o.resume) std::tie(o.model, words) = read_header(o.out);
    example::check_shards(o);
    const Numbered numbers(learned, words), held(dev, words);
    example::Buckets buckets(nn::lengths_of(numbers.x), o.batch, o.seed);

    nn::seed(o.seed);
    Model<float> model(o.model, words.size(), words.padding());
    std::printf("%zu examples, %zu words; %zu parameters\n", learned.size(), words.size(),
                nn::parameter_count(model));
    example::Task task;
    task.batches = buckets.batches();
    task.units = static_cast<double>(o.batch);
    task.unit = "examples";
    task.begin_epoch = [&](std::uint64_t epoch) { buckets.begin_epoch(epoch); };
    task.loss = [&](std::size_t shard, Tape<float>& tape, std::size_t batch) {
        const auto which = buckets.part(batch, shard, o.shards);
        auto x = nn::pad_sequences(numbers.x, which, words.padding());
        // A word in thirty is not known, as some will not be later.
        for (std::size_t i = 0; i < x.numbers.size(); ++i)
            if (x.numbers.data()[i] != words.padding() && tape.random().below(30) == 0)
                x.numbers.data()[i] = words.unknown();
        return cross_entropy(model(tape, x), numbers.labels_of(which));
    };
    if (o.inspection.draws())
        return o.inspection.draw<float>([&](Tape<float>& tape) { return task.loss(0, tape, 0); });
    task.glance = [&] {
        const auto scored = evaluate(model, held.x, held.labels, words.padding());
        return example::Figures{{"five_class", scored.five.accuracy()},
                                {"binary", scored.binary.accuracy()}};
    };
    task.result = task.glance;
    task.words = {{"program", "sentiment"},
                  {"pooling", o.model.pooling},
                  {"layers", std::to_string(o.model.layers)},
                  {"hidden", std::to_string(o.model.hidden)},
                  {"embedding", std::to_string(o.model.embedding)},
                  {"dropout", number(o.model.dropout, 4)},
                  {"vocabulary", example::joined(words)}};
    return example::train(o, task, optim::by_name<float>(nn::named_parameters(model)));
}

int run_eval(const std::string& path, const std::string& file) {
    const auto [settings, words] = read_header(path);
    Model<float> model(settings, words.size(), words.padding());
    example::load(model, path);
    const Numbered numbers(file.empty() ? made_up() : read_trees(file, false), words);
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
    Model<float> model(settings, words.size(), words.padding());
    example::load(model, path);
    const nn::Tokens tokens = treebank_words(sentence);
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

int check_gradients(const Training& o) {
    nn::seed(o.seed);
    Settings small = o.model;
    small.hidden = small.embedding = 4;
    small.dropout = 0;
    Model<double> model(small, 12, 0);
    const std::vector<std::vector<std::int64_t>> x{{4, 5, 6, 7}, {8}, {9, 10, 11}};
    const auto batch = nn::pad_sequences(x, 0);
    return o.inspection.check(
        [&](Tape<double>& tape) {
            return cross_entropy(model(tape, batch), Indices({3}, {0, 3, 4}));
        },
        nn::named_parameters(model));
}

} // namespace sentiment

int main(int argc, char** argv) {
    using namespace sentiment;
    CLI::App app{"Tells how a sentence feels, from 0 (very negative) to 4 (very positive): a "
                 "bidirectional LSTM whose steps are pooled into one vector."};
    app.footer("Examples:\n"
               "  sentiment train\n"
               "  sentiment train sst/train.txt sst/dev.txt --phrases --minutes 5\n"
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
