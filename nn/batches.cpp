#include <unroll/core/error.hpp>
#include <unroll/nn/batches.hpp>

#include <algorithm>
#include <numeric>

namespace unroll::nn {

PaddedBatch pad_sequences(std::span<const std::vector<std::int64_t>> sequences,
                          std::int64_t padding) {
    std::vector<std::size_t> all(sequences.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    return pad_sequences(sequences, all, padding);
}

PaddedBatch pad_sequences(std::span<const std::vector<std::int64_t>> sequences,
                          std::span<const std::size_t> which, std::int64_t padding) {
    PaddedBatch padded;
    std::size_t longest = 0;
    for (const std::size_t s : which) {
        if (s >= sequences.size())
            fail("pad_sequences",
                 "sequence " + std::to_string(s) + " of " + std::to_string(sequences.size()));
        padded.lengths.push_back(sequences[s].size());
        longest = std::max(longest, sequences[s].size());
    }
    padded.numbers = Indices::full({longest, which.size()}, padding);
    for (std::size_t b = 0; b < which.size(); ++b)
        for (std::size_t t = 0; t < padded.lengths[b]; ++t)
            padded.numbers.data()[t * which.size() + b] = sequences[which[b]][t];
    return padded;
}

std::vector<std::vector<std::size_t>> bucket_by_length(std::span<const std::size_t> lengths,
                                                       Random& random,
                                                       const BucketOptions& options) {
    if (options.batch == 0 || options.pool == 0)
        fail("bucket_by_length", "batch and pool must be at least 1, got " +
                                     std::to_string(options.batch) + " and " +
                                     std::to_string(options.pool));
    const std::vector<std::size_t> order = random.permutation(lengths.size());
    std::vector<std::vector<std::size_t>> batches;
    const std::size_t most = lengths.size() + 1;
    const std::size_t pool = std::min(options.batch, most) * std::min(options.pool, most);
    for (std::size_t begin = 0; begin < order.size(); begin += pool) {
        const std::size_t end = std::min(begin + pool, order.size());
        std::vector<std::size_t> part(order.begin() + static_cast<std::ptrdiff_t>(begin),
                                      order.begin() + static_cast<std::ptrdiff_t>(end));
        std::stable_sort(part.begin(), part.end(),
                         [&](std::size_t a, std::size_t b) { return lengths[a] < lengths[b]; });
        for (std::size_t i = 0; i < part.size(); ++i) {
            if (i % options.batch == 0) batches.emplace_back();
            batches.back().push_back(part[i]);
        }
    }
    std::vector<std::vector<std::size_t>> shuffled;
    for (const std::size_t i : random.permutation(batches.size()))
        shuffled.push_back(std::move(batches[i]));
    return shuffled;
}

std::vector<std::size_t> checked_lengths(const char* owner, std::size_t steps, std::size_t batch,
                                         std::span<const std::size_t> lengths) {
    if (lengths.empty()) return std::vector<std::size_t>(batch, steps);
    if (lengths.size() != batch)
        fail(owner,
             std::to_string(lengths.size()) + " lengths for a batch of " + std::to_string(batch));
    for (std::size_t b = 0; b < batch; ++b)
        if (lengths[b] > steps)
            fail(owner, "length " + std::to_string(lengths[b]) + " of sequence " +
                            std::to_string(b) + " is more than the " + std::to_string(steps) +
                            " steps");
    return {lengths.begin(), lengths.end()};
}

Mask active_steps(const char* owner, std::size_t steps, std::size_t batch,
                  std::span<const std::size_t> lengths) {
    const auto ends = checked_lengths(owner, steps, batch, lengths);
    Mask active(Shape{steps, batch});
    for (std::size_t t = 0; t < steps; ++t)
        for (std::size_t b = 0; b < batch; ++b) active.data()[t * batch + b] = t < ends[b];
    return active;
}

} // namespace unroll::nn
