#include <unroll/core/base/scope.hpp>
#include <unroll/nn/text/text_metrics.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace unroll::nn {

namespace {

using NgramCounts =
    std::map<std::span<const std::string>, std::size_t, decltype([](auto a, auto b) {
                 return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
             })>;

NgramCounts ngrams(std::span<const std::string> tokens, std::size_t n) {
    NgramCounts counts;
    for (std::size_t i = 0; i + n <= tokens.size(); ++i) ++counts[tokens.subspan(i, n)];
    return counts;
}

template <class Item>
std::size_t distance(std::span<const Item> a, std::span<const Item> b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (const Item& item : a) {
        std::size_t diagonal = row[0]++;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t substituted = diagonal + (item == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

} // namespace

std::vector<Entity> entities(std::span<const std::string> tags, Where where) {
    const Called here(where);
    std::vector<Entity> found;
    bool is_open = false;
    for (std::size_t i = 0; i < tags.size(); ++i) {
        const std::string& tag = tags[i];
        if (tag == "O") {
            is_open = false;
            continue;
        }
        const bool has_form = !tag.empty() && (tag[0] == 'B' || tag[0] == 'I') &&
                              (tag.size() == 1 || (tag.size() > 2 && tag[1] == '-'));
        if (!has_form)
            fail("entities", "tag '" + tag + "' at position " + std::to_string(i) +
                                 "; expected O, B-type or I-type");
        const std::string type = tag.size() > 2 ? tag.substr(2) : "";
        if (is_open && tag[0] == 'I' && type == found.back().type)
            found.back().end = i + 1;
        else
            found.push_back({type, i, i + 1});
        is_open = true;
    }
    return found;
}

void EntityScores::add(std::span<const std::string> targets, std::span<const std::string> predicted,
                       Where where) {
    const Called here(where);
    if (targets.size() != predicted.size())
        fail("EntityScores", std::to_string(targets.size()) + " target tags and " +
                                 std::to_string(predicted.size()) + " predicted ones");
    const auto actual = entities(targets), guessed = entities(predicted);
    for (const auto& entity : actual) ++types_[entity.type].actual;
    for (const auto& entity : guessed) {
        Count& count = types_[entity.type];
        ++count.predicted;
        count.right += std::find(actual.begin(), actual.end(), entity) != actual.end();
    }
    tokens_ += targets.size();
    for (std::size_t i = 0; i < targets.size(); ++i) right_tokens_ += targets[i] == predicted[i];
}

EntityScores::Count EntityScores::sum() const {
    Count sum;
    for (const auto& [type, count] : types_) {
        sum.right += count.right;
        sum.predicted += count.predicted;
        sum.actual += count.actual;
    }
    return sum;
}

Scores EntityScores::overall() const { return sum().scores(); }

Scores EntityScores::of_type(const std::string& type) const {
    const auto found = types_.find(type);
    return found == types_.end() ? Scores() : found->second.scores();
}

std::vector<std::string> EntityScores::types() const {
    std::vector<std::string> types;
    for (const auto& [type, count] : types_) types.push_back(type);
    return types;
}

double EntityScores::token_accuracy() const {
    return Scores::of(right_tokens_, tokens_, tokens_).recall;
}

Table EntityScores::table() const {
    Table table{{"type", "actual", "predicted", "correct", "precision", "recall", "F1"}, {}};
    const auto add = [&](const std::string& type, const Count& count) {
        const Scores s = count.scores();
        table.rows.push_back({type, std::to_string(count.actual), std::to_string(count.predicted),
                              std::to_string(count.right), format_fixed(100 * s.precision, 2),
                              format_fixed(100 * s.recall, 2), format_fixed(100 * s.f1, 2)});
    };
    add("(all)", sum());
    for (const auto& [type, count] : types_) add(type, count);
    return table;
}

Bleu::Bleu(std::size_t order, Smoothing smoothing, Where where)
    : smoothing_(smoothing), matched_(order), all_(order) {
    if (order == 0) fail(Op("Bleu", where), "the order must be at least 1");
}

void Bleu::add(const Tokens& candidate, std::span<const Tokens> references, Where where) {
    const Called here(where);
    if (references.empty()) fail("Bleu", "at least one reference is needed");
    const std::size_t length = candidate.size();
    const auto gap = [&](const Tokens& r) {
        return std::pair(std::max(r.size(), length) - std::min(r.size(), length), r.size());
    };
    const auto closest =
        std::min_element(references.begin(), references.end(),
                         [&](const Tokens& a, const Tokens& b) { return gap(a) < gap(b); });
    candidates_ += length;
    references_ += closest->size();
    for (std::size_t n = 1; n <= matched_.size() && n <= length; ++n) {
        NgramCounts most;
        for (const auto& reference : references)
            for (const auto& [ngram, count] : ngrams(reference, n))
                most[ngram] = std::max(most[ngram], count);
        for (const auto& [ngram, count] : ngrams(candidate, n)) {
            const auto found = most.find(ngram);
            if (found != most.end()) matched_[n - 1] += std::min(count, found->second);
            all_[n - 1] += count;
        }
    }
}

double Bleu::precision(std::size_t n, Where where) const {
    const Called here(where);
    if (n == 0 || n > matched_.size())
        fail("Bleu", "no precision of " + std::to_string(n) + "-grams; the order is " +
                         std::to_string(matched_.size()));
    const std::size_t added = smoothing_ == Smoothing::add_one && n > 1 ? 1 : 0;
    return Scores::of(matched_[n - 1] + added, all_[n - 1] + added, 0).precision;
}

double Bleu::brevity_penalty() const {
    if (candidates_ == 0) return references_ == 0 ? 1 : 0;
    return std::exp(
        std::min(0.0, 1 - static_cast<double>(references_) / static_cast<double>(candidates_)));
}

double Bleu::score() const {
    double logs = 0;
    for (std::size_t n = 1; n <= matched_.size(); ++n) logs += std::log(precision(n));
    return brevity_penalty() * std::exp(logs / static_cast<double>(matched_.size()));
}

std::size_t edit_distance(std::span<const std::string> a, std::span<const std::string> b) {
    return distance(a, b);
}
std::size_t edit_distance(std::span<const std::int64_t> a, std::span<const std::int64_t> b) {
    return distance(a, b);
}

} // namespace unroll::nn
