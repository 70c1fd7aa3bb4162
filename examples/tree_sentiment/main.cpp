#include "training.hpp"

#include <unroll/core/graph.hpp>

#include <cstdio>
#include <sstream>

#include <CLI/CLI.hpp>

namespace tree_sentiment {

using example::number;

int run_eval(const std::string& path, const std::string& file) {
    const auto [settings, words] = read_header(path);
    const auto model = example::load<Model<float>>(path, settings, words.size());
    const auto told = evaluate(model, Numbered(trees_of(file), words));
    const std::vector<std::string> names{"very negative", "negative", "neutral", "positive",
                                         "very positive"};
    std::printf("roots, as they are labelled (down) and told (across):\n%s",
                told.roots.five.table(names).text().c_str());
    example::print_figures(figures(told), {{"macro_f1", number(told.roots.five.macro().f1, 4)},
                                           {"sentences", std::to_string(told.roots.five.total())}});
    return 0;
}

// A tree in Graphviz's language, coloured from red to green by what is told of each node; where the
// label is another, it stands beside.
std::string picture(const example::LabelledTree& tree, const std::vector<std::int64_t>& told) {
    const char* colors[]{"#d7654f", "#f2b8a2", "#eeeeee", "#b9dcae", "#62ad5c"};
    const char* signs[]{"− −", "−", "0", "+", "+ +"};
    std::ostringstream out;
    out << "digraph parse {\n  node [shape=circle style=filled fontname=\"Helvetica\" "
           "fixedsize=true width=0.55]\n  edge [arrowhead=none]\n  ordering=out\n";
    for (std::size_t n = 0; n < tree.nodes.size(); ++n) {
        const auto& node = tree.nodes[n];
        out << "  n" << n << " [label=\"" << signs[told[n]] << "\" fillcolor=\"" << colors[told[n]]
            << "\"";
        if (told[n] != node.label) out << " xlabel=\"(" << signs[node.label] << ")\"";
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

int draw(const std::string& path, const std::string& file, std::size_t which,
         const std::string& to) {
    const auto [settings, words] = read_header(path);
    const auto model = example::load<Model<float>>(path, settings, words.size());
    const auto trees = trees_of(file);
    if (which == 0 || which > trees.size())
        fail("draw",
             "there is no tree " + std::to_string(which) + " of " + std::to_string(trees.size()));
    const example::LabelledTree& tree = trees[which - 1];
    Tape<float> tape;
    tape.set_recording(false);
    const Batch batch(Numbered({tree}, words), std::vector<std::size_t>{0});
    const auto classes = argmax(model(tape, batch));
    std::vector<std::int64_t> told;
    std::size_t right = 0;
    for (std::size_t n = 0; n < tree.nodes.size(); ++n) {
        told.push_back(classes.data()[batch.trees.row(0, n)]);
        right += told[n] == tree.nodes[n].label;
        std::printf("%d (%d)  %s\n", static_cast<int>(told[n]),
                    static_cast<int>(tree.nodes[n].label), tree.text(n).c_str());
    }
    graph::write(to, picture(tree, told));
    example::print_result({{"root", std::to_string(told.back())},
                           {"right", std::to_string(right)},
                           {"nodes", std::to_string(told.size())},
                           {"picture", to}});
    return 0;
}

} // namespace tree_sentiment

int main(int argc, char** argv) {
    using namespace tree_sentiment;
    CLI::App app{"Tells how every phrase of a parsed sentence feels, from 0 (very negative) to 4 "
                 "(very positive): a recursive network from the words up to the sentence."};
    app.footer("Examples:\n"
               "  tree_sentiment train\n"
               "  tree_sentiment train sst/train.txt sst/dev.txt --epochs 4\n"
               "  tree_sentiment train sst/train.txt sst/dev.txt --cell rntn --hidden 30\n"
               "  tree_sentiment eval tree_sentiment.safetensors sst/test.txt\n"
               "  tree_sentiment draw tree_sentiment.safetensors sst/test.txt --tree 12\n"
               "  tree_sentiment train --check-gradients --check-order 2");
    app.require_subcommand(1);
    Training o;
    auto* train_command = app.add_subcommand("train", "learn from trees with a label at each node");
    train_command->add_option("TRAIN", o.train, "a tree a line; without one, a made-up language");
    train_command->add_option("DEV", o.dev, "looked at now and then; without one, TRAIN");
    train_command->add_option("--cell", o.model.cell, "what the network is made of")
        ->check(CLI::IsMember({"recursive", "rntn", "child-sum", "nary"}))
        ->capture_default_str();
    for (const auto& [name, value, what] :
         {std::tuple("--hidden", &o.model.hidden, "width of a node's state"),
          std::tuple("--embedding", &o.model.embedding, "width of a word's vector")})
        train_command->add_option(name, *value, what)
            ->capture_default_str()
            ->check(CLI::Range(1, 4096));
    train_command->add_option("--dropout", o.model.dropout, "share of values dropped")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 1.0));
    o.add_to(*train_command, "trees in a batch");
    std::string path, file, to = "parse.svg";
    std::size_t which = 1;
    auto* eval_command = app.add_subcommand("eval", "accuracy of sentences and of all phrases");
    auto* draw_command = app.add_subcommand("draw", "a parse with what is told of every phrase");
    for (auto* command : {eval_command, draw_command}) {
        command->add_option("MODEL", path)->required();
        command->add_option("FILE", file, "a tree a line; without one, the made-up language");
    }
    draw_command->add_option("--tree", which, "number of a line, from 1")->capture_default_str();
    draw_command->add_option("--picture", to, ".svg, .png, .pdf or .dot")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    return example::guarded("tree_sentiment", [&] {
        if (*train_command) return o.inspection.checks() ? check_gradients(o) : train(o);
        return *eval_command ? run_eval(path, file) : draw(path, file, which, to);
    });
}
