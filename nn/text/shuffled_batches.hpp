#pragma once

#include <unroll/core/base/error.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace unroll::nn {

// [0, n) in batches of equal size, shuffled every epoch. Incomplete batches are omitted. The
// batches of an epoch depend only on its number and the seed, so that a run can be resumed at any
// batch.
class ShuffledBatches {
public:
    // Throw Error if n is less than a batch, and for a batch of 0. With lengths, the examples of a
    // batch have similar lengths, as in bucket_by_length().
    ShuffledBatches(std::size_t n, std::size_t batch, std::uint64_t seed,
                    Where where = Where::current());
    ShuffledBatches(std::vector<std::size_t> lengths, std::size_t batch, std::uint64_t seed,
                    Where where = Where::current());

    std::size_t count() const { return lengths_.size() / batch_; } // per epoch
    void begin_epoch(std::uint64_t epoch);                         // initially 0
    std::span<const std::size_t> operator[](std::size_t batch) const { return chosen_[batch]; }
    // Part `shard` of a batch that is split into `shards` equal parts.
    std::span<const std::size_t> part(std::size_t batch, std::size_t shard,
                                      std::size_t shards) const;

private:
    std::vector<std::size_t> lengths_;
    std::size_t batch_;
    std::uint64_t seed_;
    std::vector<std::vector<std::size_t>> chosen_;
};

} // namespace unroll::nn
