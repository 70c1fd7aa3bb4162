#pragma once

#include "../common/learning.hpp"
#include "../common/treebank.hpp"

#include <variant>

namespace tree_sentiment {

using namespace unroll;

constexpr std::size_t classes = 5; // from very negative to very positive

struct Settings {
    static constexpr const char* program = "tree_sentiment";
    std::string cell = "nary";
    std::size_t hidden = 150, embedding = 150;
    double dropout = 0.6;
    nn::Vocabulary words = example::empty_vocabulary();

    void fields(example::Fields f) {
        f("--cell", cell, "recursive cell")
            ->check(CLI::IsMember({"recursive", "rntn", "child-sum", "nary"}));
        f("--hidden", hidden, "width of a node's state")->check(CLI::Range(1, 4096));
        f("--embedding", embedding, "width of the word embedding")->check(CLI::Range(1, 4096));
        f("--dropout", dropout, "dropout probability")->check(CLI::Range(0.0, 1.0));
        f.stored("vocabulary", words);
    }
};

// Trees with their words as numbers.
struct Numbered {
    std::vector<nn::Tree> trees;
    std::vector<std::vector<std::int64_t>> words, labels; // per node; -1 for inner nodes

    Numbered(const std::vector<nn::LabelledTree>& all, const nn::Vocabulary& vocabulary) {
        for (const auto& tree : all) {
            trees.push_back(tree.tree());
            std::vector<std::int64_t> word(tree.nodes.size(), -1), label;
            for (std::size_t n = 0; n < tree.nodes.size(); ++n) {
                label.push_back(tree.nodes[n].label);
                if (trees.back().is_leaf(n)) word[n] = vocabulary.encode(tree.phrase(n))[0];
            }
            words.push_back(std::move(word));
            labels.push_back(std::move(label));
        }
    }
};

// A batch of trees, with the words of their leaves and the labels of their nodes in the order of
// the batch.
struct Batch {
    nn::TreeBatch trees;
    Indices words, labels;

    Batch(const Numbered& all, std::span<const std::size_t> which)
        : trees(all.trees, which), words({trees.leaves().size()}), labels({trees.size()}) {
        for (std::size_t i = 0; i < words.size(); ++i)
            words.data()[i] = all.words[which[trees.leaves()[i].tree]][trees.leaves()[i].node];
        for (std::size_t i = 0; i < labels.size(); ++i)
            labels.data()[i] = all.labels[which[trees.nodes()[i].tree]][trees.nodes()[i].node];
    }
    Indices labels_of(const Indices& rows) const {
        Indices some(rows.shape());
        for (std::size_t i = 0; i < some.size(); ++i)
            some.data()[i] = labels.data()[rows.data()[i]];
        return some;
    }
};

// Embedding of the words at the leaves, a recursive network, classes of every node.
template <class T>
class Model {
public:
    using value_type = T;

    // Small initial word vectors, so that rare words have little influence.
    explicit Model(const Settings& s)
        : dropout_(s.dropout),
          embed_(nn::normal<T>({s.words.size(), s.embedding}, 0.1, nn::next_stream())),
          tree_(chosen(s)), head_({.input = s.hidden, .output = classes}) {}

    // Logits of all nodes, [nodes, classes].
    Variable<T> operator()(const Batch& batch) const {
        const auto x = dropout(embed_(batch.words), dropout_);
        return std::visit(
            [&](const auto& tree) { return head_(dropout(tree(batch.trees, x)[0], dropout_)); },
            tree_);
    }

    void members(nn::Members<T>& m) {
        m("embedding", embed_)("head", head_);
        std::visit([&](auto& tree) { m("tree", tree); }, tree_);
    }

private:
    using Network =
        std::variant<nn::Recursive<T>, nn::Rntn<T>, nn::ChildSumTreeLstm<T>, nn::NaryTreeLstm<T>>;
    static Network chosen(const Settings& s) {
        const nn::RecursiveOptions o{
            .input = s.embedding, .hidden = s.hidden, .arity = 2, .inputs_at_leaves = true};
        if (s.cell == "recursive") return nn::Recursive<T>(o);
        if (s.cell == "rntn") return nn::Rntn<T>(o);
        if (s.cell == "child-sum") return nn::ChildSumTreeLstm<T>(o);
        return nn::NaryTreeLstm<T>(o);
    }

    double dropout_;
    nn::Embedding<T> embed_;
    Network tree_;
    nn::Linear<T> head_;
};

struct Scores {
    example::SentimentScores roots;
    nn::ConfusionMatrix nodes{classes};
};

inline Scores evaluate(const Model<float>& model, const Numbered& all) {
    Scores scores;
    example::in_batches(all.trees.size(), 64, [&](const auto& which) {
        const Batch batch(all, which);
        const auto p = softmax(model(batch));
        scores.nodes.add(batch.labels, argmax(p));
        const auto& roots = batch.trees.roots();
        scores.roots.add(take(p, roots).value(), batch.labels_of(roots));
    });
    return scores;
}

} // namespace tree_sentiment
