#include <unroll/core/base/scope.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/nn/losses/skip_gram.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/ops/loss.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/reduce.hpp>
#include <unroll/ops/views.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace unroll::nn {

namespace {

constexpr const char* name = "SkipGram";

Indices to_indices(const std::vector<std::int64_t>& numbers) {
    return Indices({numbers.size()}, std::span(numbers));
}

} // namespace

NoiseTable::NoiseTable(std::span<const std::size_t> counts, double power, Where where) {
    const Called here(where);
    constexpr double most = 1 - 1e-6; // above this, drawing a different word takes too long
    double sum = 0, largest = 0;
    for (const std::size_t count : counts) {
        const double weight = count == 0 ? 0 : std::pow(static_cast<double>(count), power);
        sums_.push_back(sum += weight);
        largest = std::max(largest, weight);
    }
    if (!(largest < most * sum) || !std::isfinite(sum))
        fail("NoiseTable", "at least two words with a comparable weight are needed; of " +
                               std::to_string(counts.size()) +
                               " words, the likeliest has the weight " + std::to_string(largest) +
                               " of " + std::to_string(sum));
    for (double& s : sums_) s /= sum;
}

double NoiseTable::probability(std::int64_t word, Where where) const {
    const Called here(where);
    const auto i = static_cast<std::size_t>(word);
    if (word < 0 || i >= size())
        fail("NoiseTable",
             "word " + std::to_string(word) + " is outside [0, " + std::to_string(size()) + ")");
    return sums_[i] - (i > 0 ? sums_[i - 1] : 0);
}

std::int64_t NoiseTable::draw(Random& random) const {
    return std::upper_bound(sums_.begin(), sums_.end(), random.uniform()) - sums_.begin();
}

Indices NoiseTable::draw_beside(const Indices& contexts, std::size_t draws, Random& random,
                                Where where) const {
    const Called here(where);
    if (contexts.dimension() != 1)
        fail("NoiseTable", "contexts have shape " + to_string(contexts.shape()) + ", expected [N]");
    const auto words = contexts.to_vector();
    Indices drawn(Shape{words.size(), draws});
    for (std::size_t i = 0; i < drawn.size(); ++i) {
        std::int64_t& word = drawn.data()[i];
        do word = draw(random);
        while (word == words[i / draws]);
    }
    return drawn;
}

SkipGramPairs skip_gram_pairs(std::span<const std::int64_t> text, std::size_t window,
                              Random& random, Where where) {
    const Called here(where);
    if (window == 0) fail("skip_gram_pairs", "the window must be at least 1");
    std::vector<std::int64_t> centres, contexts;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const std::size_t reach = 1 + random.below(window);
        const std::size_t begin = i - std::min(i, reach);
        const std::size_t end = i + std::min(text.size() - i, reach + 1);
        for (std::size_t j = begin; j < end; ++j) {
            if (j == i) continue;
            centres.push_back(text[i]);
            contexts.push_back(text[j]);
        }
    }
    return {to_indices(centres), to_indices(contexts)};
}

std::vector<std::int64_t> subsample(std::span<const std::int64_t> text,
                                    std::span<const std::size_t> counts, double threshold,
                                    Random& random, Where where) {
    const Called here(where);
    if (!(threshold > 0))
        fail("subsample", "the threshold must be above 0, got " + std::to_string(threshold));
    const auto all =
        static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::size_t{0}));
    std::vector<std::int64_t> kept;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto word = static_cast<std::size_t>(text[i]);
        if (text[i] < 0 || word >= counts.size() || counts[word] == 0)
            fail("subsample", "word " + std::to_string(text[i]) + " at position " +
                                  std::to_string(i) + " has no count; there are counts of " +
                                  std::to_string(counts.size()) + " words");
        const double frequency = static_cast<double>(counts[word]) / all;
        if (random.uniform() < std::sqrt(threshold / frequency)) kept.push_back(text[i]);
    }
    return kept;
}

namespace {

template <class T>
Tensor<T> first_vectors(const SkipGramOptions& o, Where where) {
    require_sizes(Op(name, where), {{"vocabulary", o.vocabulary}, {"width", o.width}});
    return uniform<T>({o.vocabulary, o.width}, 0.5 / static_cast<double>(o.width), next_stream());
}

} // namespace

template <class T>
SkipGram<T>::SkipGram(const SkipGramOptions& options, Where where)
    : centre(first_vectors<T>(options, where)),
      context(Tensor<T>::zeros({options.vocabulary, options.width})) {}

template <class T>
void SkipGram<T>::members(Members<T>& m) {
    m(module_name)("centre", centre)("context", context);
}

template <class T>
Variable<T> SkipGram<T>::loss(const Indices& centres, const Indices& contexts,
                              const Indices& negatives, Where caller) const {
    const Scope scope(module_name, caller);
    if (centres.dimension() != 1 || contexts.shape() != centres.shape() ||
        negatives.dimension() != 2 || negatives.shape(0) != centres.shape(0))
        fail(name, "centres " + to_string(centres.shape()) + ", contexts " +
                       to_string(contexts.shape()) + " and negatives " +
                       to_string(negatives.shape()) + "; expected [N], [N] and [N, K]");
    const Variable<T> v = centre(centres);
    const Variable<T> met = sum(context(contexts) * v, {-1});
    const Variable<T> drawn = sum(context(negatives) * expand_dims(v, 1), {-1});
    // -log sigmoid(x) = softplus(-x)
    return mean_or_zero(softplus(-met) + sum(softplus(drawn), {-1}));
}

template <class T>
WordVectors<T> SkipGram<T>::vectors(const Vocabulary& vocabulary) const {
    return WordVectors<T>(vocabulary.symbols(), centre.weight.value().copy());
}

template class SkipGram<float>;
template class SkipGram<double>;

} // namespace unroll::nn
