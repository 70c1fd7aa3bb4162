#include "support.hpp"

#include <unroll/nn/text/shuffled_batches.hpp>
#include <unroll/nn/text/stream.hpp>

#include <algorithm>
#include <numeric>
#include <set>

using namespace test;

TEST_CASE("TextStream: columns of a text, a few steps at a time") {
    std::vector<std::int64_t> text(12);
    std::iota(text.begin(), text.end(), 0);
    const nn::TextStream stream(text, 2, 3); // columns 0 1 2 3 4 and 5 6 7 8 9
    CHECK(stream.batches() == 2);
    const auto [x, y] = stream.batch(0);
    CHECK(x.shape() == Shape{3, 2});
    CHECK(x.to_vector() == std::vector<std::int64_t>{0, 5, 1, 6, 2, 7});
    CHECK(y.to_vector() == std::vector<std::int64_t>{1, 6, 2, 7, 3, 8});
    const auto [rest, after] = stream.batch(1, 1, 2);
    CHECK(rest.to_vector() == std::vector<std::int64_t>{8, 9});
    CHECK(after.to_vector() == std::vector<std::int64_t>{9, 10});
}

TEST_CASE("TextStream: errors") {
    const std::vector<std::int64_t> text(9);
    CHECK(contains(error_of([&] { nn::TextStream(text, 5, 3); }), "too short for 5 columns"));
    CHECK(contains(error_of([&] { nn::TextStream(text, 0, 3); }), "got 0 and 3"));
    CHECK(contains(error_of([&] { nn::TextStream(text, 2, 0); }), "got 2 and 0"));
    const nn::TextStream stream(text, 4, 2);
    CHECK(contains(error_of([&] { stream.batch(1); }), "batch 1"));
    CHECK(contains(error_of([&] { stream.batch(0, 3, 5); }), "[3, 5)"));
}

TEST_CASE("ShuffledBatches: an epoch is reproducible") {
    nn::ShuffledBatches batches(10, 3, 7);
    CHECK(batches.count() == 3);
    const auto epoch = [&](std::uint64_t number) {
        batches.begin_epoch(number);
        std::vector<std::size_t> all;
        for (std::size_t b = 0; b < batches.count(); ++b)
            all.insert(all.end(), batches[b].begin(), batches[b].end());
        return all;
    };
    const auto first = epoch(0), second = epoch(1);
    CHECK(std::set<std::size_t>(first.begin(), first.end()).size() == 9);
    CHECK(*std::ranges::max_element(first) < 10);
    CHECK(first != second);
    CHECK(first == epoch(0));
    batches.begin_epoch(0);
    CHECK(batches.part(1, 2, 3)[0] == batches[1][2]);

    std::vector<std::size_t> lengths;
    for (std::size_t i = 0; i < 40; ++i) lengths.push_back(i * 7 % 40);
    const nn::ShuffledBatches similar(lengths, 4, 1);
    for (std::size_t b = 0; b < similar.count(); ++b) {
        std::vector<std::size_t> in_batch;
        for (const std::size_t i : similar[b]) in_batch.push_back(lengths[i]);
        const auto [low, high] = std::ranges::minmax(in_batch);
        CHECK(high - low == 3);
    }
    CHECK(contains(error_of([] { nn::ShuffledBatches(2, 3, 1); }), "2 examples"));
    CHECK(contains(error_of([] { nn::ShuffledBatches(2, 0, 1); }), "batch of 0"));
}
