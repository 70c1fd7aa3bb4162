#include "model.hpp"

#include <unroll/core/graph/graph.hpp>

#include <optional>
#include <sstream>

namespace tree_sentiment {

example::Figures figures(const Scores& predicted) {
    auto all = predicted.roots.figures();
    all.emplace_back("nodes", predicted.nodes.accuracy());
    return all;
}

struct Training : example::TrainingOptions {
    std::string train = example::shipped("trees.txt"), dev;
    Settings model;
    std::optional<Numbered> training, held_out;

    Training()
        : TrainingOptions{.batch = 16,
                          .learning_rate = 4e-3,
                          .clip = 5,
                          .out = "tree_sentiment.safetensors",
                          .unit = "trees"} {}
    void options(CLI::App& command) {
        command.add_option("TRAIN", train, "one tree per line");
        command.add_option("DEV", dev, "validation data; default: TRAIN");
        model.fields(command);
        TrainingOptions::options(command, "trees in a batch");
    }
    void shrink() { model.hidden = model.embedding = 3; }
    std::string prepare() {
        const auto trees = nn::read_trees(train);
        std::vector<nn::Tokens> sentences;
        for (const auto& tree : trees) sentences.push_back(tree.words);
        if (!resume) // a word that occurs once is not informative
            model.words = nn::Vocabulary(sentences, {.min_count = 2});
        training.emplace(trees, model.words);
        held_out.emplace(dev.empty() ? trees : nn::read_trees(dev), model.words);
        return fmt::format("{} trees, {} words", trees.size(), model.words.size());
    }
    nn::ShuffledBatches source() const { return {training->trees.size(), batch, seed}; }
    template <class T>
    Variable<T> loss(const Model<T>& net, example::Numbers which) const {
        Batch some(*training, which);
        example::forget_words(some.words, model.words, current_random<T>());
        // The root has as much weight as all other phrases of a sentence, most of which are neutral
        // words.
        const auto logits = net(some);
        const auto& roots = some.trees.roots();
        return cross_entropy(logits, some.labels) +
               cross_entropy(take(logits, roots), some.labels_of(roots));
    }
    example::Figures figures(const Model<float>& net, bool) const {
        return tree_sentiment::figures(evaluate(net, *held_out));
    }
};

void run_eval(const std::string& path, const std::string& file) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    const auto predicted = evaluate(model, Numbered(nn::read_trees(file), settings.words));
    std::printf("roots, labels (rows) and predictions (columns):\n%s",
                predicted.roots.five.table(example::sentiments).text().c_str());
    example::print_result(figures(predicted), {{"macro_f1", predicted.roots.five.macro().f1},
                                               {"sentences", predicted.roots.five.total()}});
}

// A tree in the DOT language, coloured from red to green by the prediction of each node; labels are
// added where they differ.
std::string picture(const nn::LabelledTree& tree, const std::vector<std::int64_t>& predicted) {
    const char* colors[]{"#d7654f", "#f2b8a2", "#eeeeee", "#b9dcae", "#62ad5c"};
    const char* signs[]{"− −", "−", "0", "+", "+ +"};
    std::ostringstream out;
    out << "digraph parse {\n  node [shape=circle style=filled fontname=\"Helvetica\" "
           "fixedsize=true width=0.55]\n  edge [arrowhead=none]\n  ordering=out\n";
    for (std::size_t n = 0; n < tree.nodes.size(); ++n) {
        const auto& node = tree.nodes[n];
        out << "  n" << n << " [label=\"" << signs[predicted[n]] << "\" fillcolor=\""
            << colors[predicted[n]] << "\"";
        if (predicted[n] != node.label) out << " xlabel=\"(" << signs[node.label] << ")\"";
        out << "]\n";
        if (node.parent >= 0) out << "  n" << node.parent << " -> n" << n << "\n";
        if (node.end - node.begin > 1) continue;
        std::string word;
        for (const char c : tree.words[node.begin])
            word += (c == '"' || c == '\\' ? "\\" : "") + std::string(1, c);
        out << "  w" << n << " [label=\"" << word << "\" shape=plaintext style=\"\" width=0 "
            << "fixedsize=false]\n  n" << n << " -> w" << n << " [style=dotted]\n";
    }
    out << "}\n";
    return out.str();
}

void draw(const std::string& path, const std::string& file, std::size_t which,
          const std::string& to) {
    const auto [settings, model] = example::load<Settings, Model>(path);
    const auto trees = nn::read_trees(file);
    if (which == 0 || which > trees.size())
        fail("draw", fmt::format("there is no tree {} of {}", which, trees.size()));
    const nn::LabelledTree& tree = trees[which - 1];
    const Batch batch(Numbered({tree}, settings.words), std::vector<std::size_t>{0});
    const auto classes = argmax(model(batch));
    std::vector<std::int64_t> predicted;
    std::size_t correct = 0;
    for (std::size_t n = 0; n < tree.nodes.size(); ++n) {
        predicted.push_back(classes.data()[batch.trees.row(0, n)]);
        correct += predicted[n] == tree.nodes[n].label;
        std::printf("%d (%d)  %s\n", static_cast<int>(predicted[n]),
                    static_cast<int>(tree.nodes[n].label),
                    fmt::format("{}", fmt::join(tree.phrase(n), " ")).c_str());
    }
    graph::write(to, picture(tree, predicted));
    example::print_result({{"root", predicted.back()},
                           {"correct", correct},
                           {"nodes", predicted.size()},
                           {"picture", to}});
}

} // namespace tree_sentiment

int main(int argc, char** argv) {
    using namespace tree_sentiment;
    example::Commands program("tree_sentiment",
                              "Classifies the sentiment of every phrase of a parsed sentence, from "
                              "0 (very negative) to 4 (very "
                              "positive): a recursive network from the words up to the sentence.",
                              {"train", "train sst/train.txt sst/dev.txt --epochs 4",
                               "train sst/train.txt sst/dev.txt --cell rntn --hidden 30",
                               "eval tree_sentiment.safetensors sst/test.txt",
                               "draw tree_sentiment.safetensors sst/test.txt --tree 12",
                               "train --check-gradients --check-order 2"});
    program.train("train on trees with a label at each node", example::train<Training, Model>);
    std::string path, file = example::shipped("trees.txt"), to = "parse.svg";
    std::size_t which = 1;
    const auto shared = [&](CLI::App& command) {
        command.add_option("FILE", file, "one tree per line");
    };
    CLI::App* command = program.add("eval", "accuracy of sentences and of all phrases", path,
                                    [&] { return run_eval(path, file); });
    shared(*command);

    command = program.add("draw", "draw a parse with the prediction for every phrase", path,
                          [&] { return draw(path, file, which, to); });
    shared(*command);
    command->add_option("--tree", which, "line number of the tree, from 1");
    command->add_option("--picture", to, ".svg, .png, .pdf or .dot");

    return program.run(argc, argv);
}
