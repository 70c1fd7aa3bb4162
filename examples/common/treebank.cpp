#include "treebank.hpp"

#include <algorithm>
#include <set>

namespace example {

using namespace unroll;

Sentences sentences_of(const std::string& path, bool phrases) {
    Sentences all;
    std::set<nn::Tokens> met;
    for (const auto& tree : nn::read_trees(path))
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

Figures SentimentScores::figures() const {
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

} // namespace example
