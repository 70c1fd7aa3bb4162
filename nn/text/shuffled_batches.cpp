#include <unroll/core/base/scope.hpp>
#include <unroll/nn/text/batches.hpp>
#include <unroll/nn/text/shuffled_batches.hpp>

#include <fmt/format.h>

namespace unroll::nn {

ShuffledBatches::ShuffledBatches(std::size_t n, std::size_t batch, std::uint64_t seed, Where where)
    : ShuffledBatches(std::vector<std::size_t>(n), batch, seed, where) {}

ShuffledBatches::ShuffledBatches(std::vector<std::size_t> lengths, std::size_t batch,
                                 std::uint64_t seed, Where where)
    : lengths_(std::move(lengths)), batch_(batch), seed_(seed) {
    const Called here(where);
    if (batch == 0 || lengths_.size() < batch)
        fail("ShuffledBatches", fmt::format("{} examples are fewer than a batch of {}; expected a "
                                            "batch of at least 1 and at most all examples",
                                            lengths_.size(), batch));
    begin_epoch(0);
}

void ShuffledBatches::begin_epoch(std::uint64_t epoch) {
    Random random = Random(seed_).split(1000 + epoch);
    chosen_ = bucket_by_length(lengths_, random, {.batch = batch_});
    std::erase_if(chosen_, [&](const auto& batch) { return batch.size() < batch_; });
}

std::span<const std::size_t> ShuffledBatches::part(std::size_t batch, std::size_t shard,
                                                   std::size_t shards) const {
    const std::size_t width = batch_ / shards;
    return std::span(chosen_[batch]).subspan(shard * width, width);
}

} // namespace unroll::nn
