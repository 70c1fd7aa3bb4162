#include "training.hpp"

#include <unroll/core/graph.hpp>

#include <cstdio>
#include <sstream>

namespace tree_sentiment {

using example::number;

int run_eval(const std::string& path, const std::string& file) {
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    const auto told = evaluate(model, Numbered(trees_of(file), settings.words));
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
    const auto [settings, model] = example::load<Settings, Model<float>>(path);
    const auto trees = trees_of(file);
    if (which == 0 || which > trees.size())
        fail("draw",
             "there is no tree " + std::to_string(which) + " of " + std::to_string(trees.size()));
    const example::LabelledTree& tree = trees[which - 1];
    Tape<float> tape;
    tape.set_recording(false);
    const Batch batch(Numbered({tree}, settings.words), std::vector<std::size_t>{0});
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
    example::Commands program(
        "tree_sentiment",
        "Tells how every phrase of a parsed sentence feels, from 0 (very negative) to 4 (very "
        "positive): a recursive network from the words up to the sentence.",
        {"train", "train sst/train.txt sst/dev.txt --epochs 4",
         "train sst/train.txt sst/dev.txt --cell rntn --hidden 30",
         "eval tree_sentiment.safetensors sst/test.txt",
         "draw tree_sentiment.safetensors sst/test.txt --tree 12",
         "train --check-gradients --check-order 2"});
    program.train("learn from trees with a label at each node", train, check_gradients);
    std::string path, file, to = "parse.svg";
    std::size_t which = 1;
    example::Fields shared;
    shared.model(path).takes("FILE", file, "a tree a line; without one, the made-up language");
    program
        .add("eval", "accuracy of sentences and of all phrases",
             [&] { return run_eval(path, file); })
        .takes(shared);
    program
        .add("draw", "a parse with what is told of every phrase",
             [&] { return draw(path, file, which, to); })
        .takes(shared)
        .takes("--tree", which, "number of a line, from 1")
        .takes("--picture", to, ".svg, .png, .pdf or .dot");
    return program.run(argc, argv);
}
