#include <unroll/core/base/error.hpp>
#include <unroll/nn/text/metrics.hpp>
#include <unroll/nn/text/n_grams.hpp>

#include <cmath>
#include <string>

namespace unroll::nn {

namespace {
constexpr const char* name = "NGrams";
} // namespace

NGrams::NGrams(const NGramOptions& options) : options_(options) {
    if (options.order == 0 || options.vocabulary == 0)
        fail(name, "order and vocabulary must be at least 1, got " + std::to_string(options.order) +
                       " and " + std::to_string(options.vocabulary));
}

std::size_t NGrams::checked(std::size_t order) const {
    if (order > options_.order)
        fail(name, "order " + std::to_string(order) + " was requested, but " +
                       std::to_string(options_.order) + " counted");
    return order == 0 ? options_.order : order;
}

std::vector<std::int64_t> NGrams::with_start(Numbers sequence) const {
    std::vector<std::int64_t> all(options_.order - 1, options_.start);
    all.insert(all.end(), sequence.begin(), sequence.end());
    return all;
}

void NGrams::add(Numbers sequence) {
    const auto all = with_start(sequence);
    for (auto at = all.begin() + static_cast<std::ptrdiff_t>(options_.order) - 1; at != all.end();
         ++at)
        for (std::size_t n = 0; n < options_.order; ++n) {
            Met& met = met_[{at - static_cast<std::ptrdiff_t>(n), at}];
            ++met.numbers[*at];
            ++met.total;
        }
    const auto any = met_.find({});
    if (any != met_.end() && any->second.numbers.size() > options_.vocabulary)
        fail(name, std::to_string(any->second.numbers.size()) +
                       " different tokens, expected at most " +
                       std::to_string(options_.vocabulary));
}

double NGrams::probability(Numbers before, std::int64_t number, std::size_t order) const {
    const std::size_t longest = std::min(checked(order) - 1, before.size());
    double p = 1 / static_cast<double>(options_.vocabulary);
    for (std::size_t n = 0; n <= longest; ++n) {
        const auto met = met_.find({before.end() - static_cast<std::ptrdiff_t>(n), before.end()});
        if (met == met_.end()) break;
        const auto& [numbers, total] = met->second;
        const auto found = numbers.find(number);
        const auto count = static_cast<double>(found == numbers.end() ? 0 : found->second);
        const auto kinds = static_cast<double>(numbers.size());
        p = (count + kinds * p) / (static_cast<double>(total) + kinds);
    }
    return p;
}

double NGrams::bits(std::span<const std::vector<std::int64_t>> sequences, std::size_t order) const {
    double nats = 0;
    std::size_t count = 0;
    for (const auto& sequence : sequences) {
        const auto all = with_start(sequence);
        for (std::size_t i = options_.order - 1; i < all.size(); ++i)
            nats -= std::log(probability(Numbers(all).first(i), all[i], order));
        count += sequence.size();
    }
    return bits_per_character(nats, count);
}

} // namespace unroll::nn
