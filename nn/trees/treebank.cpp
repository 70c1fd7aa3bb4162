#include <unroll/core/base/scope.hpp>
#include <unroll/nn/text/text.hpp>
#include <unroll/nn/trees/treebank.hpp>

#include <algorithm>

namespace unroll::nn {

Tree LabelledTree::tree() const {
    std::vector<std::int64_t> parents;
    for (const Node& node : nodes) parents.push_back(node.parent);
    return Tree::from_parents(parents);
}

LabelledTree parse_tree(const std::string& text, const std::string& path, std::size_t line) {
    const auto refuse = [&](const std::string& problem) {
        refuse_line("read_trees", path, line, problem + " in " + nn::quoted(text));
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
            tree.words.push_back(to_lower(text.substr(at, end - at)));
            at = end;
        }
    }
    if (!open.empty()) refuse("a ')' is missing");
    if (tree.nodes.empty()) refuse("there is no tree");
    return tree;
}

std::vector<LabelledTree> read_trees(const std::string& path, Where where) {
    const Called here(where);
    std::vector<LabelledTree> all;
    const auto lines = read_lines(path);
    for (std::size_t i = 0; i < lines.size(); ++i) all.push_back(parse_tree(lines[i], path, i + 1));
    if (all.empty()) fail("read_trees", "'" + path + "' is empty");
    return all;
}

Tokens treebank_words(std::string_view text) {
    Tokens words;
    const auto pieces = split_words(to_lower(text));
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

} // namespace unroll::nn
