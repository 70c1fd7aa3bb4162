#include "../common/learning.hpp"
#include "../common/treebank.hpp"

namespace sentiment {

using namespace unroll;
using example::Sentences;

struct Settings : example::NetworkOptions {
    static constexpr const char* program = "sentiment";
    std::string pooling = "max";
    std::size_t embedding = 100;
    nn::Vocabulary words = example::empty_vocabulary();

    Settings() : NetworkOptions{.hidden = 100, .bidirectional = true, .dropout = 0.4} {}
    void fields(example::Fields f) {
        NetworkOptions::fields(f);
        f("--pooling", pooling, "how steps become a sentence")
            ->check(CLI::IsMember({"last", "mean", "max", "attention"}));
        f("--embedding", embedding, "width of a word's vector")->check(CLI::Range(1, 4096));
        f.stored("vocabulary", words);
    }
};

// Embedding, bidirectional recurrent layers, one vector for the sentence, classes.
template <class T>
struct Model {
    using value_type = T;
    Settings settings;
    nn::Embedding<T> embed;
    example::Network<T> net;
    nn::AttentionPooling<T> attend;
    nn::Linear<T> head;

    explicit Model(const Settings& s)
        : settings(s),
          embed({.vocabulary = s.words.size(), .width = s.embedding, .padding = s.words.padding()}),
          net(s, s.embedding), attend({.input = s.width(), .hidden = s.hidden}),
          head({.input = s.width(), .output = example::feelings.size()}) {}

    // Logits [B, classes]. Writes the attention weight of each step [T, B] to `shares`, if given.
    Variable<T> operator()(const nn::PaddedBatch& batch, Tensor<T>* shares = nullptr) const {
        const auto x = dropout(embed(batch.numbers), settings.dropout);
        return head(dropout(pooled(x, batch.lengths, shares), settings.dropout));
    }
    Variable<T> pooled(const Variable<T>& x, std::span<const std::size_t> lengths,
                       Tensor<T>* shares) const {
        if (settings.pooling == "last") return net.last(x, lengths);
        const auto h = net(x, lengths);
        if (settings.pooling == "mean") return nn::mean_over_time(h, lengths);
        if (settings.pooling == "max") return nn::max_over_time(h, lengths);
        const auto [context, weights] = attend(h, lengths);
        if (shares != nullptr) *shares = weights.value();
        return context;
    }
    void members(nn::Members<T>& m) {
        m("embedding", embed)("net", net)("head", head);
        if (settings.pooling == "attention") m("", attend);
    }
};

example::Feelings evaluate(const Model<float>& model, const Sentences& all) {
    const nn::Vocabulary& words = model.settings.words;
    const auto x = words.encode_all(all.words);
    example::Feelings scores;
    example::in_batches(nn::lengths_of(x), 64, [&](const auto& which) {
        const auto logits = model(nn::pad_sequences(x, which, words.padding()));
        scores.add(softmax(logits).value(), example::chosen(all.labels, which));
    });
    return scores;
}

struct Training : example::TrainingOptions {
    std::string train = example::shipped("trees.txt"), dev;
    bool phrases = false;
    Settings model;
    Sentences learned, held;
    std::vector<std::vector<std::int64_t>> x;

    Training()
        : TrainingOptions{.batch = 128, .out = "sentiment.safetensors", .unit = "examples"} {}
    void options(CLI::App& command) {
        command.add_option("TRAIN", train, "a tree a line");
        command.add_option("DEV", dev, "looked at now and then; without one, TRAIN");
        command.add_flag("--phrases", phrases, "learn every phrase of the trees");
        model.fields(command);
        TrainingOptions::options(command, "examples in a batch");
    }
    void shrink() { model.hidden = model.embedding = 4; }
    std::string prepare() {
        learned = example::sentences_of(train, phrases);
        held = example::sentences_of(dev.empty() ? train : dev, false);
        if (!resume) model.words = nn::Vocabulary(learned.words);
        x = model.words.encode_all(learned.words);
        return fmt::format("{} examples, {} words", x.size(), model.words.size());
    }
    nn::ShuffledBatches source() const { return {nn::lengths_of(x), batch, seed}; }
    template <class T>
    Variable<T> loss(const Model<T>& net, example::Numbers which) const {
        auto some = nn::pad_sequences(x, which, model.words.padding());
        example::forget_words(some.numbers, model.words, current_random<T>());
        return cross_entropy(net(some), example::chosen(learned.labels, which));
    }
    example::Figures figures(const Model<float>& net, bool) const {
        return evaluate(net, held).figures();
    }
};

void classify(const std::string& path, const std::string& sentence) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    const nn::Tokens tokens = nn::treebank_words(sentence);
    if (tokens.empty()) fail("classify", "the sentence has no words");
    Tensor<float> shares;
    const auto x = settings.words.encode_all({{tokens}});
    const auto p = softmax(model(nn::pad_sequences(x, settings.words.padding()), &shares));
    for (std::size_t t = 0; shares.storage() && t < tokens.size(); ++t)
        std::printf("%-20s %5.1f %%  %s\n", tokens[t].c_str(),
                    100 * static_cast<double>(shares(t, 0)),
                    std::string(static_cast<std::size_t>(40 * shares(t, 0)), '#').c_str());
    example::Figures all;
    for (std::size_t c = 0; c < example::feelings.size(); ++c)
        all.emplace_back("p" + std::to_string(c), static_cast<double>(p.value()(0, c)));
    example::print_result(all, {{"class", argmax(p).item()}});
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
    program.train("learn from trees with a label at each node", example::train<Training, Model>);
    std::string path, trees = example::shipped("trees.txt"), text;
    CLI::App* command = program.add("eval", "accuracy, precision, recall and F1", path, [&] {
        const auto model = example::load<Settings, Model>(path).model;
        const auto scores = evaluate(model, example::sentences_of(trees, false));
        std::fputs(scores.table().text().c_str(), stdout);
        example::print_result(scores.figures(), {{"macro_f1", scores.five.macro().f1},
                                                 {"binary_f1", scores.binary.macro().f1},
                                                 {"sentences", scores.five.total()}});
    });
    command->add_option("FILE", trees, "a tree a line");

    command = program.add("classify", "one sentence, and where it looked", path,
                          [&] { return classify(path, text); });
    command->add_option("SENTENCE", text)->required();

    return program.run(argc, argv);
}
