#include <unroll/core/base/scope.hpp>
#include <unroll/nn/text/batches.hpp>

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
                          std::span<const std::size_t> which, std::int64_t padding, Where where) {
    const Called here(where);
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

std::vector<std::vector<std::int64_t>>
unpad_sequences(const Indices& numbers, std::span<const std::size_t> lengths, Op op) {
    if (numbers.dimension() != 2)
        fail(op, "numbers have shape " + to_string(numbers.shape()) + ", expected [T, B]");
    const auto ends = checked_lengths(op, numbers.shape(0), numbers.shape(1), lengths);
    std::vector<std::vector<std::int64_t>> sequences(ends.size());
    for (std::size_t b = 0; b < ends.size(); ++b)
        for (std::size_t t = 0; t < ends[b]; ++t) sequences[b].push_back(numbers(t, b));
    return sequences;
}

template <class T>
PaddedFrames<T> pad_frames(std::span<const Tensor<T>> series, Where where) {
    const Called here(where);
    if (series.empty()) fail("pad_frames", "there are no series");
    const std::size_t width = series[0].dimension() == 2 ? series[0].shape(1) : 0;
    PaddedFrames<T> padded;
    for (const auto& x : series) {
        if (x.dimension() != 2 || x.shape(1) != width)
            fail("pad_frames", "a series has shape " + to_string(x.shape()) + ", expected [T, " +
                                   (width > 0 ? std::to_string(width) : "n") + "]");
        padded.lengths.push_back(x.shape(0));
    }
    const std::size_t longest = *std::max_element(padded.lengths.begin(), padded.lengths.end());
    padded.frames = Tensor<T>::zeros({longest, series.size(), width});
    for (std::size_t b = 0; b < series.size(); ++b)
        padded.frames.select(1, b).slice(0, 0, padded.lengths[b]).assign(series[b]);
    return padded;
}
template PaddedFrames<float> pad_frames(std::span<const Tensor<float>>, Where);
template PaddedFrames<double> pad_frames(std::span<const Tensor<double>>, Where);

Indices hide_rare(const Indices& numbers, const Vocabulary& vocabulary,
                  std::span<const std::size_t> counts, double u, Random& random, Where where) {
    const Called here(where);
    constexpr const char* name = "hide_rare";
    if (!(u >= 0)) fail(name, "u must be at least 0, got " + std::to_string(u));
    if (vocabulary.unknown() < 0) fail(name, "the vocabulary has no unknown symbol");
    const auto special = {vocabulary.padding(), vocabulary.unknown(), vocabulary.start(),
                          vocabulary.end()};
    Indices hidden = numbers.copy();
    for (std::size_t i = 0; i < hidden.size(); ++i) {
        std::int64_t& word = hidden.data()[i];
        if (word < 0 || word >= static_cast<std::int64_t>(counts.size()))
            fail(name, "number " + std::to_string(word) + " is not one of the " +
                           std::to_string(counts.size()) + " with a count");
        if (std::find(special.begin(), special.end(), word) != special.end()) continue;
        const auto n = static_cast<double>(counts[static_cast<std::size_t>(word)]);
        if (random.uniform() * (u + n) < u) word = vocabulary.unknown();
    }
    return hidden;
}

std::vector<std::vector<std::size_t>> bucket_by_length(std::span<const std::size_t> lengths,
                                                       Random& random, const BucketOptions& options,
                                                       Where where) {
    const Called here(where);
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

std::vector<std::size_t> checked_lengths(const Op& op, std::size_t steps, std::size_t batch,
                                         std::span<const std::size_t> lengths) {
    if (lengths.empty()) return std::vector<std::size_t>(batch, steps);
    if (lengths.size() != batch)
        fail(op,
             std::to_string(lengths.size()) + " lengths for a batch of " + std::to_string(batch));
    for (std::size_t b = 0; b < batch; ++b)
        if (lengths[b] > steps)
            fail(op, "length " + std::to_string(static_cast<std::ptrdiff_t>(lengths[b])) +
                         " of sequence " + std::to_string(b) + " is more than the " +
                         std::to_string(steps) + " steps");
    return {lengths.begin(), lengths.end()};
}

Mask active_steps(const Op& op, std::size_t steps, std::size_t batch,
                  std::span<const std::size_t> lengths) {
    const auto ends = checked_lengths(op, steps, batch, lengths);
    Mask active(Shape{steps, batch});
    for (std::size_t t = 0; t < steps; ++t)
        for (std::size_t b = 0; b < batch; ++b) active.data()[t * batch + b] = t < ends[b];
    return active;
}

} // namespace unroll::nn
