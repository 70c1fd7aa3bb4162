#include "treebank.hpp"

#include "program.hpp"

#include <algorithm>
#include <set>

namespace example {

using namespace unroll;

std::string LabelledTree::text(std::size_t node) const {
    std::string all;
    for (const auto& word : phrase(node)) all += (all.empty() ? "" : " ") + word;
    return all;
}

LabelledTree parse_tree(const std::string& text, const std::string& path, std::size_t line) {
    const auto refuse = [&](const std::string& problem) {
        nn::refuse_line("read_trees", path, line, problem + " in " + nn::quoted(text));
    };
    struct Open {
        std::int64_t label;
        std::size_t begin, at; // its first word, its first byte
        std::vector<std::size_t> children;
    };
    std::vector<Open> open;
    LabelledTree tree;
    std::size_t at = 0;
    while (at < text.size()) {
        const char c = text[at];
        if (c == ' ') {
            ++at;
        } else if (c == '(') {
            if (!tree.nodes.empty() && open.empty())
                refuse("expected the end of the line after the tree");
            if (at + 2 >= text.size() || text[at + 1] < '0' || text[at + 1] > '4' ||
                text[at + 2] != ' ')
                refuse("expected a label from 0 to 4 after '(', byte " + std::to_string(at));
            open.push_back({text[at + 1] - '0', tree.words.size(), at, {}});
            at += 2;
        } else if (c == ')') {
            if (open.empty()) refuse("one ')' too many");
            const Open closed = std::move(open.back());
            open.pop_back();
            if (closed.begin == tree.words.size()) refuse("a phrase without words");
            if (closed.children.size() > 2)
                refuse(std::to_string(closed.children.size()) + " parts of the phrase " +
                       nn::quoted(text.substr(closed.at, at + 1 - closed.at)) +
                       ", expected at most two,");
            std::size_t covered = closed.children.empty() ? 1 : 0;
            for (const std::size_t child : closed.children)
                covered += tree.nodes[child].end - tree.nodes[child].begin;
            if (covered != tree.words.size() - closed.begin)
                refuse("words next to the parts of the phrase " +
                       nn::quoted(text.substr(closed.at, at + 1 - closed.at)));
            const std::size_t node = tree.nodes.size();
            for (const std::size_t child : closed.children)
                tree.nodes[child].parent = static_cast<std::int64_t>(node);
            if (!open.empty()) open.back().children.push_back(node);
            tree.nodes.push_back({closed.label, closed.begin, tree.words.size(), -1});
            ++at;
        } else {
            if (open.empty()) refuse("expected a tree in brackets");
            const std::size_t end = std::min(text.find_first_of(" ()", at), text.size());
            tree.words.push_back(nn::to_lower(text.substr(at, end - at)));
            at = end;
        }
    }
    if (!open.empty()) refuse("a ')' is missing");
    if (tree.nodes.empty()) refuse("there is no tree");
    return tree;
}

std::vector<LabelledTree> read_trees(const std::string& path) {
    std::vector<LabelledTree> all;
    const auto lines = nn::read_lines(path);
    for (std::size_t i = 0; i < lines.size(); ++i) all.push_back(parse_tree(lines[i], path, i + 1));
    if (all.empty()) fail("read_trees", "'" + path + "' is empty");
    return all;
}

Sentences sentences_of(const std::string& path, bool phrases) {
    Sentences all;
    std::set<nn::Tokens> met;
    for (const LabelledTree& tree : read_trees(path))
        for (std::size_t p = phrases ? 0 : tree.nodes.size() - 1; p < tree.nodes.size(); ++p) {
            const auto phrase = tree.phrase(p);
            nn::Tokens words(phrase.begin(), phrase.end());
            if (phrases && !met.insert(words).second) continue;
            all.words.push_back(std::move(words));
            all.labels.push_back(tree.nodes[p].label);
        }
    return all;
}

void forget_words(Indices& words, const nn::Vocabulary& vocabulary, Random& random) {
    for (std::size_t i = 0; i < words.size(); ++i)
        if (words.data()[i] != vocabulary.padding() && random.below(30) == 0)
            words.data()[i] = vocabulary.unknown();
}

void SentimentScores::add(const Tensor<float>& probabilities, const Indices& labels) {
    const std::size_t n = labels.size();
    Indices predicted_class({n}), two({n}), positive({n});
    for (std::size_t i = 0; i < n; ++i) {
        const auto q = probabilities.select(0, i).to_vector();
        predicted_class.data()[i] = std::max_element(q.begin(), q.end()) - q.begin();
        two.data()[i] = labels.data()[i] == 2 ? -100 : labels.data()[i] > 2;
        positive.data()[i] = q[3] + q[4] > q[0] + q[1];
    }
    five.add(labels, predicted_class);
    binary.add(two, positive);
}

std::vector<std::pair<std::string, double>> SentimentScores::figures() const {
    return {{"five_class", five.accuracy()}, {"binary", binary.accuracy()}};
}

Table SentimentScores::table() const {
    Table table{{"class", "precision", "recall", "F1"}, {}};
    const auto add = [&](const std::string& name, const nn::Scores& s) {
        table.rows.push_back({name, fmt::format("{:.4f}", s.precision),
                              fmt::format("{:.4f}", s.recall), fmt::format("{:.4f}", s.f1)});
    };
    for (std::size_t c = 0; c < sentiments.size(); ++c) add(sentiments[c], five.of_class(c));
    add("(mean of five)", five.macro());
    add("binary: negative", binary.of_class(0));
    add("binary: positive", binary.of_class(1));
    return table;
}

nn::Tokens treebank_words(const std::string& text) {
    nn::Tokens words;
    const auto pieces = nn::split_words(nn::to_lower(text));
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        if (pieces[i] != "'" || i == 0 || i + 1 == pieces.size()) {
            words.push_back(pieces[i]);
            continue;
        }
        std::string tail = "'" + pieces[++i];
        if (tail == "'t" && words.back().size() > 1 && words.back().back() == 'n') {
            words.back().pop_back();
            tail = "n" + tail;
        }
        words.push_back(tail);
    }
    return words;
}

} // namespace example
