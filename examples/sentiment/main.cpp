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
        f("--pooling", pooling, "pooling over time")
            ->check(CLI::IsMember({"last", "mean", "max", "attention"}));
        f("--embedding", embedding, "width of the word embedding")->check(CLI::Range(1, 4096));
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
          head({.input = s.width(), .output = example::sentiments.size()}) {}

    // Logits [B, classes]. Stores the attention weights of the steps [T, B] in `attention_weights`,
    // if given.
    Variable<T> operator()(const nn::PaddedBatch& batch,
                           Tensor<T>* attention_weights = nullptr) const {
        const auto x = dropout(embed(batch.numbers), settings.dropout);
        return head(dropout(pooled(x, batch.lengths, attention_weights), settings.dropout));
    }
    Variable<T> pooled(const Variable<T>& x, std::span<const std::size_t> lengths,
                       Tensor<T>* attention_weights) const {
        if (settings.pooling == "last") return net.last(x, lengths);
        const auto h = net(x, lengths);
        if (settings.pooling == "mean") return nn::mean_over_time(h, lengths);
        if (settings.pooling == "max") return nn::max_over_time(h, lengths);
        const auto [context, weights] = attend(h, lengths);
        if (attention_weights != nullptr) *attention_weights = weights.value();
        return context;
    }
    void members(nn::Members<T>& m) {
        m("embedding", embed)("net", net)("head", head);
        if (settings.pooling == "attention") m("", attend);
    }
};

example::SentimentScores evaluate(const Model<float>& model, const Sentences& all) {
    const nn::Vocabulary& words = model.settings.words;
    const auto x = words.encode_all(all.words);
    example::SentimentScores scores;
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
    Sentences training, held_out;
    std::vector<std::vector<std::int64_t>> x;

    Training()
        : TrainingOptions{.batch = 128, .out = "sentiment.safetensors", .unit = "examples"} {}
    void options(CLI::App& command) {
        command.add_option("TRAIN", train, "one tree per line");
        command.add_option("DEV", dev, "validation data; default: TRAIN");
        command.add_flag("--phrases", phrases, "train on every phrase of the trees");
        model.fields(command);
        TrainingOptions::options(command, "examples in a batch");
    }
    void shrink() { model.hidden = model.embedding = 4; }
    std::string prepare() {
        training = example::sentences_of(train, phrases);
        held_out = example::sentences_of(dev.empty() ? train : dev, false);
        if (!resume) model.words = nn::Vocabulary(training.words);
        x = model.words.encode_all(training.words);
        return fmt::format("{} examples, {} words", x.size(), model.words.size());
    }
    nn::ShuffledBatches source() const { return {nn::lengths_of(x), batch, seed}; }
    template <class T>
    Variable<T> loss(const Model<T>& net, example::Numbers which) const {
        auto some = nn::pad_sequences(x, which, model.words.padding());
        example::forget_words(some.numbers, model.words, current_random<T>());
        return cross_entropy(net(some), example::chosen(training.labels, which));
    }
    example::Figures figures(const Model<float>& net, bool) const {
        return evaluate(net, held_out).figures();
    }
};

void classify(const std::string& path, const std::string& sentence) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    const nn::Tokens tokens = nn::treebank_words(sentence);
    if (tokens.empty()) fail("classify", "the sentence has no words");
    Tensor<float> weights;
    const auto x = settings.words.encode_all({{tokens}});
    const auto p = softmax(model(nn::pad_sequences(x, settings.words.padding()), &weights));
    for (std::size_t t = 0; weights.storage() && t < tokens.size(); ++t)
        std::printf("%-20s %5.1f %%  %s\n", tokens[t].c_str(),
                    100 * static_cast<double>(weights(t, 0)),
                    std::string(static_cast<std::size_t>(40 * weights(t, 0)), '#').c_str());
    example::Figures all;
    for (std::size_t c = 0; c < example::sentiments.size(); ++c)
        all.emplace_back("p" + std::to_string(c), static_cast<double>(p.value()(0, c)));
    example::print_result(all, {{"class", argmax(p).item()}});
}

} // namespace sentiment

int main(int argc, char** argv) {
    using namespace sentiment;
    example::Commands program("sentiment",
                              "Classifies the sentiment of a sentence, from 0 (very negative) to 4 "
                              "(very positive): a bidirectional "
                              "LSTM whose steps are pooled into one vector.",
                              {"train", "train sst/train.txt sst/dev.txt --phrases --epochs 3",
                               "train sst/train.txt sst/dev.txt --phrases --pooling attention",
                               "eval sentiment.safetensors sst/test.txt",
                               "classify sentiment.safetensors \"A film that is never dull.\"",
                               "train --pooling attention --check-gradients"});
    program.train("train on trees with a label at each node", example::train<Training, Model>);
    std::string path, trees = example::shipped("trees.txt"), text;
    CLI::App* command = program.add("eval", "accuracy, precision, recall and F1", path, [&] {
        const auto model = example::load<Settings, Model>(path).model;
        const auto scores = evaluate(model, example::sentences_of(trees, false));
        std::fputs(scores.table().text().c_str(), stdout);
        example::print_result(scores.figures(), {{"macro_f1", scores.five.macro().f1},
                                                 {"binary_f1", scores.binary.macro().f1},
                                                 {"sentences", scores.five.total()}});
    });
    command->add_option("FILE", trees, "one tree per line");

    command = program.add("classify", "classify one sentence and show the attention weights", path,
                          [&] { return classify(path, text); });
    command->add_option("SENTENCE", text)->required();

    return program.run(argc, argv);
}
