#include "model.hpp"

#include <cstdio>

namespace sentiment {

using example::number;

struct Training : example::TrainingOptions {
    std::string train, dev;
    bool phrases = false;
    Settings model;

    Training() {
        batch = 128;
        rate = 3e-3;
        out = "sentiment.safetensors";
    }
    void fields(example::Fields& f) {
        f.takes("TRAIN", train, "a tree a line; without one, a made-up language");
        f.takes("DEV", dev, "looked at now and then; without one, TRAIN");
        f.takes("--phrases", phrases, "learn every phrase of the trees");
        model.fields(f);
        TrainingOptions::fields(f, "examples in a batch");
    }
};

nn::Vocabulary words_of(const std::vector<Example>& examples) {
    std::vector<nn::Tokens> sentences;
    for (const auto& example : examples) sentences.push_back(example.words);
    return nn::Vocabulary(sentences);
}

// Sentences as numbers of their words.
struct Numbered {
    std::vector<std::vector<std::int64_t>> x;
    std::vector<std::int64_t> labels;

    Numbered(const std::vector<Example>& examples, const nn::Vocabulary& words) {
        for (const auto& example : examples) {
            x.push_back(words.encode(example.words));
            labels.push_back(example.label);
        }
    }
};

example::Feelings evaluate(const Model<float>& model, const Settings& s, const Numbered& all) {
    example::Feelings told;
    example::in_batches(nn::lengths_of(all.x), 64, [&](auto& tape, const auto& which) {
        const auto logits = model(tape, nn::pad_sequences(all.x, which, s.words.padding()));
        told.add(softmax(logits).value(), example::chosen(all.labels, which));
    });
    return told;
}

int train(Training o) {
    const auto examples = read_examples(o.train, o.phrases);
    const auto dev = o.dev.empty() ? examples : read_examples(o.dev, false);
    if (o.resume)
        o.model = example::read<Settings>(o.out);
    else
        o.model.words = words_of(examples);
    const nn::Vocabulary& words = o.model.words;
    const Numbered learned(examples, words), held(dev, words);

    nn::seed(o.seed);
    Model<float> model(o.model);
    std::printf("%zu examples, %zu words; %zu parameters\n", examples.size(), words.size(),
                nn::parameter_count(model));
    const auto loss = [&](Tape<float>& tape, std::span<const std::size_t> which) {
        auto x = nn::pad_sequences(learned.x, which, words.padding());
        // A word in thirty is not known, as some will not be later.
        for (std::size_t i = 0; i < x.numbers.size(); ++i)
            if (x.numbers.data()[i] != words.padding() && tape.random().below(30) == 0)
                x.numbers.data()[i] = words.unknown();
        return cross_entropy(model(tape, x), example::chosen(learned.labels, which));
    };
    example::Task task;
    task.unit = "examples";
    task.glance = task.result = [&] { return evaluate(model, o.model, held).figures(); };
    task.words = example::words(o.model);
    return example::learn(o, {nn::lengths_of(learned.x), o.batch, o.seed}, task, loss,
                          example::named(model));
}

int check_gradients(Training o) {
    nn::seed(o.seed);
    const auto some = read_examples("", false);
    o.model.hidden = o.model.embedding = 4;
    o.model.dropout = 0;
    o.model.words = words_of(some);
    Model<double> model(o.model);
    const std::vector<std::vector<std::int64_t>> x{{4, 5, 6, 7}, {8}, {9, 10, 11}};
    const auto batch = nn::pad_sequences(x, o.model.words.padding());
    return o.inspection.check(
        [&](Tape<double>& tape) {
            return cross_entropy(model(tape, batch), Indices({3}, {0, 3, 4}));
        },
        nn::named_parameters(model));
}

int run_eval(const std::string& path, const std::string& file) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    const auto [five, binary] =
        evaluate(model, settings, Numbered(read_examples(file, false), settings.words));
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
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    const nn::Tokens tokens = example::treebank_words(sentence);
    if (tokens.empty()) fail("classify", "the sentence has no words");
    Tape<float> tape;
    tape.set_recording(false);
    Tensor<float> shares;
    const std::vector<std::vector<std::int64_t>> x{settings.words.encode(tokens)};
    const auto p = softmax(model(tape, nn::pad_sequences(x, settings.words.padding()), &shares));
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
    example::Commands program(
        "sentiment",
        "Tells how a sentence feels, from 0 (very negative) to 4 (very positive): a bidirectional "
        "LSTM whose steps are pooled into one vector.",
        {"train", "train sst/train.txt sst/dev.txt --phrases --epochs 3",
         "train sst/train.txt sst/dev.txt --phrases --pooling attention",
         "eval sentiment.safetensors sst/test.txt",
         "classify sentiment.safetensors \"A film that is never dull.\"",
         "train --pooling attention --check-gradients"});
    program.train("learn from trees with a label at each node", train, check_gradients);
    std::string path, text;
    program.add("eval", "accuracy, precision, recall and F1", [&] { return run_eval(path, text); })
        .model(path)
        .takes("FILE", text, "a tree a line; without one, the made-up language");
    program
        .add("classify", "one sentence, and where it looked",
             [&] { return run_classify(path, text); })
        .model(path)
        .needs("SENTENCE", text);
    return program.run(argc, argv);
}
