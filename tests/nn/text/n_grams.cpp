#include "support.hpp"

#include <unroll/nn/text/n_grams.hpp>

using namespace test;
using Numbers = std::vector<std::int64_t>;

namespace {

constexpr std::int64_t start = 9;

// The number of occurrences of x after a context, in sequences padded with start symbols.
double count(const std::vector<Numbers>& sequences, const Numbers& context, std::int64_t x) {
    double found = 0;
    for (const auto& sequence : sequences)
        for (std::size_t i = 0; i < sequence.size(); ++i) {
            bool same = sequence[i] == x;
            for (std::size_t k = 0; k < context.size(); ++k) {
                const auto back = context.size() - k;
                same = same && context[k] == (back > i ? start : sequence[i - back]);
            }
            found += same;
        }
    return found;
}

// The formula of the header, for tokens in [0, vocabulary).
double expected(const std::vector<Numbers>& sequences, Numbers context, std::int64_t x,
                std::int64_t vocabulary) {
    double total = 0, kinds = 0;
    for (std::int64_t v = 0; v < vocabulary; ++v) {
        total += count(sequences, context, v);
        kinds += count(sequences, context, v) > 0;
    }
    const double own = count(sequences, context, x);
    const double shorter =
        context.empty()
            ? 1 / static_cast<double>(vocabulary)
            : expected(sequences, Numbers(context.begin() + 1, context.end()), x, vocabulary);
    return total == 0 ? shorter : (own + kinds * shorter) / (total + kinds);
}

const std::vector<Numbers> learned{{0, 1, 0, 1, 2}, {0, 1, 1}, {}, {2}, {0, 0, 0, 3, 2, 1}};

nn::NGrams counted(std::size_t order) {
    nn::NGrams grams({.order = order, .vocabulary = 5, .start = start});
    for (const auto& sequence : learned) grams.add(sequence);
    return grams;
}

} // namespace

TEST_CASE("n-grams equal their formula and sum to 1") {
    const nn::NGrams grams = counted(3);
    std::vector<Numbers> contexts{{}, {start, start}, {start}, {start, 0}};
    for (std::int64_t a = 0; a < 5; ++a)
        for (std::int64_t b = 0; b < 5; ++b) contexts.push_back({a, b});
    for (const auto& context : contexts)
        for (std::size_t order = 1; order <= 3; ++order) {
            double sum = 0;
            const std::size_t n = std::min(context.size(), order - 1);
            const Numbers last(context.end() - static_cast<std::ptrdiff_t>(n), context.end());
            for (std::int64_t x = 0; x < 5; ++x) {
                const double p = grams.probability(context, x, order);
                CHECK(p == doctest::Approx(expected(learned, last, x, 5)).epsilon(1e-12));
                CHECK(p == counted(order).probability(context, x));
                CHECK(p > 0);
                sum += p;
            }
            CHECK(sum == doctest::Approx(1).epsilon(1e-12));
        }
    // Only the last order - 1 tokens count.
    CHECK(grams.probability(Numbers{4, 4, 0, 1}, 1) == grams.probability(Numbers{0, 1}, 1));
    CHECK(grams.probability(Numbers{0, 1}, 1) == grams.probability(Numbers{0, 1}, 1, 3));
}

TEST_CASE("bits of sequences padded with start symbols") {
    const std::vector<Numbers> held{{0, 1, 4}, {}, {2}};
    const nn::NGrams grams = counted(3);
    for (std::size_t order = 1; order <= 3; ++order) {
        double bits = 0;
        for (const auto& sequence : held)
            for (std::size_t i = 0; i < sequence.size(); ++i) {
                Numbers context;
                for (std::size_t back = order - 1; back > 0; --back)
                    context.push_back(back > i ? start : sequence[i - back]);
                bits -= std::log2(expected(learned, context, sequence[i], 5));
            }
        CHECK(grams.bits(held, order) == doctest::Approx(bits / 4).epsilon(1e-12));
    }
    CHECK(grams.bits(held) == grams.bits(held, 3));
    const nn::NGrams none({.order = 2, .vocabulary = 8});
    CHECK(none.bits(held) == doctest::Approx(3));
}

TEST_CASE("n-grams reject invalid arguments") {
    CHECK(contains(error_of([] { nn::NGrams({.order = 0, .vocabulary = 3}); }),
                   "order and vocabulary must be at least 1, got 0 and 3"));
    CHECK(contains(error_of([] { nn::NGrams({.order = 2}); }), "got 2 and 0"));
    CHECK(contains(error_of([] { counted(2).probability({}, 1, 3); }),
                   "order 3 was requested, but 2"));
    CHECK(contains(error_of([] { counted(2).bits({}); }), "no characters"));
    nn::NGrams few({.order = 1, .vocabulary = 2});
    few.add(Numbers{7, 8, 7});
    CHECK(
        contains(error_of([&] { few.add(Numbers{9}); }), "3 different tokens, expected at most 2"));
}
