#include "nn/trees/trees.hpp"

using namespace test;

TEST_CASE("a tree is read from parents and from children") {
    const auto a = nn::Tree::from_parents(std::vector<std::int64_t>{4, 0, 4, 0, -1});
    CHECK(a.root() == 4);
    CHECK(a.children(4)[0] == 0);
    CHECK(a.children(4)[1] == 2);
    CHECK(a.children(0).size() == 2);
    CHECK(a.is_leaf(3));
    const auto b = nn::Tree::from_children(Children{{3, 1}, {}, {}, {}, {2, 0}});
    CHECK(b.root() == 4);
    CHECK(b.children(0)[0] == 3);
    CHECK(b.children(4)[0] == 2);
    CHECK(chain(10000).size() == 10000);
}

TEST_CASE("invalid trees are rejected with the node's number") {
    using Parents = std::vector<std::int64_t>;
    const auto of_parents = [](const Parents& p) {
        return error_of([&] { nn::Tree::from_parents(p); });
    };
    const auto of_children = [](const Children& c) {
        return error_of([&] { nn::Tree::from_children(c); });
    };
    CHECK(contains(of_parents({}), "at least one node"));
    CHECK(contains(of_parents({-1, 7}), "the parent of node 1 is 7"));
    CHECK(contains(of_parents({-1, -2}), "the parent of node 1 is -2"));
    CHECK(contains(of_parents({-1, 0, -1}), "node 2 is a second root"));
    CHECK(contains(of_parents({0}), "node 0 is on a cycle"));
    CHECK(contains(of_parents({1, 0}), "is on a cycle"));
    // 3 is a descendant of the cycle of 1 and 2 but not on it.
    const std::string cycle = of_parents({-1, 2, 1, 2});
    CHECK((contains(cycle, "node 1 is on") || contains(cycle, "node 2 is on")));
    CHECK(contains(of_children({{1}, {5}}), "a child of node 1 is 5"));
    CHECK(contains(of_children({{2}, {}, {-1}}), "a child of node 2 is -1"));
    CHECK(contains(of_children({{1, 2}, {2}, {}}), "node 2 is a child of node 1 and of node 0"));
    CHECK(contains(of_children({{1, 1}, {}}), "node 1 is a child of node 0 and of node 0"));
    CHECK(contains(of_children({{1}, {0}}), "is on a cycle"));
    CHECK(contains(of_children({{}, {}}), "node 1 is a second root"));
}

TEST_CASE("the children of a level are the next level") {
    const auto trees = random_trees(1, 3);
    const nn::TreeBatch batch(trees);
    std::size_t nodes = 0, inner = 0, leaves = 0;
    for (const auto& tree : trees) nodes += tree.size();
    REQUIRE(batch.size() == nodes);
    for (std::size_t t = 0; t < trees.size(); ++t) {
        const auto root = static_cast<std::size_t>(batch.roots().data()[t]);
        CHECK(batch.nodes()[root].tree == t);
        CHECK(batch.nodes()[root].node == trees[t].root());
        for (std::size_t n = 0; n < trees[t].size(); ++n) {
            CHECK(batch.nodes()[batch.row(t, n)].tree == t);
            CHECK(batch.nodes()[batch.row(t, n)].node == n);
        }
    }
    const auto& levels = batch.levels();
    for (std::size_t d = 0; d < levels.size(); ++d) {
        const auto& level = levels[d];
        CHECK(level.begin == (d == 0 ? 0 : levels[d - 1].end));
        CHECK(level.inner_before == inner);
        CHECK(level.leaves_before == leaves);
        for (std::size_t row = level.begin; row < level.end; ++row) {
            const auto [tree, node] = batch.nodes()[row];
            const bool is_leaf = trees[tree].is_leaf(node);
            CHECK(is_leaf == (row >= level.leaves));
            if (is_leaf) CHECK(batch.leaves()[leaves].node == node);
            ++(is_leaf ? leaves : inner);
            if (d == 0) continue;
            const auto i = row - level.begin;
            const auto above = levels[d - 1].begin;
            const auto parent =
                batch.nodes()[above + static_cast<std::size_t>(level.parents.data()[i])];
            CHECK(parent.tree == tree);
            const auto number = static_cast<std::size_t>(level.numbers.data()[i]);
            CHECK(trees[tree].children(parent.node)[number] == node);
        }
    }
    CHECK(levels.back().end == nodes);
    CHECK(leaves == batch.leaves().size());
}
