#include "core/files/files.hpp"

#include <unroll/nn/trees/treebank.hpp>

using namespace test;

TEST_CASE("treebanks: words, labels and shape of a tree") {
    const auto tree = nn::parse_tree("(3 (2 It) (4 (2 is) (1 Good)))", "x", 1);
    CHECK(tree.words == nn::Tokens{"it", "is", "good"});
    std::vector<std::int64_t> labels, parents;
    for (const auto& node : tree.nodes) {
        labels.push_back(node.label);
        parents.push_back(node.parent);
    }
    CHECK(labels == std::vector<std::int64_t>{2, 2, 1, 4, 3});
    CHECK(parents == std::vector<std::int64_t>{4, 3, 3, 4, -1});
    const auto phrase = tree.phrase(3);
    CHECK(nn::Tokens(phrase.begin(), phrase.end()) == nn::Tokens{"is", "good"});
    CHECK(tree.tree().root() == 4);
    CHECK(tree.tree().children(3)[1] == 2);
    CHECK(tree.tree().is_leaf(2));
}

TEST_CASE("treebanks: errors with path and line") {
    const auto refused = [](const std::string& text) {
        const std::string message = refusal([&] { nn::parse_tree(text, "trees.txt", 7); });
        CHECK(says(message, "'trees.txt', line 7"));
        return message;
    };
    CHECK(says(refused("(3 (2 a) (7 b))"), "label from 0 to 4"));
    CHECK(says(refused("(3 (2 a) b)"), "words next to"));
    CHECK(says(refused("(3 (2 a) (2 b) (2 c))"), "3 parts"));
    CHECK(says(refused("(3 (2 a) (2 b)"), "')' is missing"));
    CHECK(says(refused("(3 a))"), "')' too many"));
    CHECK(says(refused("(3 )"), "without words"));
    CHECK(says(refused("(3 a) (2 b)"), "end of the line"));
    CHECK(says(refused("a"), "in brackets"));
    CHECK(says(refused(""), "no tree"));
    const Folder folder;
    put(folder / "x", "(2 a)\n(3 (2 b) (2 c))\n");
    CHECK(nn::read_trees(folder / "x").size() == 2);
    put(folder / "x", "");
    CHECK(says(refusal([&] { nn::read_trees(folder / "x"); }), "is empty"));
}

TEST_CASE("treebanks: clitics are words") {
    CHECK(nn::treebank_words("Don't; the film's over, isn't it?") ==
          nn::Tokens{"do", "n't", ";", "the", "film", "'s", "over", ",", "is", "n't", "it", "?"});
    CHECK(nn::treebank_words("'quoted'") == nn::Tokens{"'", "quoted", "'"});
}
