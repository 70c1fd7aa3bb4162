#pragma once

#include <unroll/unroll.hpp>

#include <set>
#include <string>
#include <vector>

namespace sentiment {

using namespace unroll;

constexpr std::size_t classes = 5; // from very negative to very positive

struct Example {
    nn::Tokens words;
    std::int64_t label;
};

// The phrases of a tree such as "(3 (2 It) (4 (2 is) (4 great)))", the whole last. Throws Error,
// naming path and line, for what is none.
inline std::vector<Example> parse_tree(const std::string& text, const std::string& path,
                                       std::size_t line) {
    const auto refuse = [&](const std::string& problem) {
        nn::refuse_line("read_trees", path, line, problem + " in " + nn::quoted(text));
    };
    struct Open {
        std::int64_t label;
        std::size_t begin;
    };
    std::vector<Open> open;
    std::vector<Example> phrases;
    nn::Tokens words;
    std::size_t at = 0;
    while (at < text.size()) {
        const char c = text[at];
        if (c == ' ') {
            ++at;
        } else if (c == '(') {
            if (phrases.size() > 0 && open.empty()) refuse("something behind the tree");
            if (at + 2 >= text.size() || text[at + 1] < '0' || text[at + 1] > '4' ||
                text[at + 2] != ' ')
                refuse("expected a label from 0 to 4 behind '(', byte " + std::to_string(at));
            open.push_back({text[at + 1] - '0', words.size()});
            at += 2;
        } else if (c == ')') {
            if (open.empty()) refuse("a ')' too many");
            const auto [label, begin] = open.back();
            open.pop_back();
            if (begin == words.size()) refuse("a phrase without words");
            phrases.push_back(
                {{words.begin() + static_cast<std::ptrdiff_t>(begin), words.end()}, label});
            ++at;
        } else {
            if (open.empty()) refuse("expected a tree in brackets");
            const std::size_t end = std::min(text.find_first_of(" ()", at), text.size());
            words.push_back(nn::to_lower(text.substr(at, end - at)));
            at = end;
        }
    }
    if (!open.empty()) refuse("a ')' is missing");
    if (phrases.empty()) refuse("no tree");
    return phrases;
}

// A file with a tree a line: sentences, or every phrase once.
inline std::vector<Example> read_trees(const std::string& path, bool phrases) {
    std::vector<Example> all;
    std::set<nn::Tokens> met;
    const auto lines = nn::read_lines(path);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        auto tree = parse_tree(lines[i], path, i + 1);
        for (std::size_t p = phrases ? 0 : tree.size() - 1; p < tree.size(); ++p)
            if (!phrases || met.insert(tree[p].words).second) all.push_back(std::move(tree[p]));
    }
    if (all.empty()) fail("read_trees", "'" + path + "' is empty");
    return all;
}

// A small language with "not", so that words alone do not tell.
inline std::vector<Example> made_up() {
    const std::vector<std::string> things{"film", "plot", "cast", "music"};
    const std::vector<std::string> words{"awful", "dull", "long", "good", "superb"};
    std::vector<Example> all;
    for (const std::string start : {"the", "its", "this", "a"})
        for (const auto& thing : things)
            for (std::int64_t label = 0; label < 5; ++label) {
                const std::string& word = words[static_cast<std::size_t>(label)];
                all.push_back({{start, thing, "is", word, "."}, label});
                all.push_back({{start, thing, "is", "really", "not", word, "."}, 4 - label});
            }
    return all;
}

// Words as treebanks cut them: don't is do n't, film's is film 's.
inline nn::Tokens treebank_words(const std::string& text) {
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

} // namespace sentiment
