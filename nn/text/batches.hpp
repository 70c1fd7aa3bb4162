#pragma once

#include <unroll/core/tensor/random.hpp>
#include <unroll/core/tensor/tensor.hpp>
#include <unroll/nn/text/vocabulary.hpp>

#include <span>
#include <vector>

namespace unroll::nn {

// Sequences side by side, as recurrent layers take them.
struct PaddedBatch {
    Indices numbers;                  // [T, B]
    std::vector<std::size_t> lengths; // of the B sequences
};

// Sequences, or those listed by `which`, beside each other and filled up with `padding` to the
// length of the longest. Throws Error for a number in `which` that is no sequence's.
PaddedBatch pad_sequences(std::span<const std::vector<std::int64_t>> sequences,
                          std::int64_t padding);
PaddedBatch pad_sequences(std::span<const std::vector<std::int64_t>> sequences,
                          std::span<const std::size_t> which, std::int64_t padding);

// The reverse: sequences of such lengths, without what they were filled up with. Throws Error for
// lengths that are not of numbers [T, B].
std::vector<std::vector<std::int64_t>> unpad_sequences(const Indices& numbers,
                                                       std::span<const std::size_t> lengths);

// Series of vectors side by side, filled up with zeros to the length of the longest.
template <class T>
struct PaddedFrames {
    Tensor<T> frames;                 // [T, B, n]
    std::vector<std::size_t> lengths; // of the B series
};
// Of series [T_b, n]. Throws Error for none, and for one of another shape than the first.
template <class T>
PaddedFrames<T> pad_frames(std::span<const Tensor<T>> series);

// Numbers of words, of which those that occurred n times in what is learned are unknown with
// probability u / (u + n), so that a model learns what to make of words never met (Kiperwasser and
// Goldberg 2016). Special symbols stay. Throws Error for a number without a count, for a negative u
// and for a vocabulary without an unknown symbol.
Indices hide_rare(const Indices& numbers, const Vocabulary& vocabulary,
                  std::span<const std::size_t> counts, double u, Random& random);

struct BucketOptions {
    std::size_t batch = 32; // sequences in a batch; the last of all may have fewer
    std::size_t pool = 100; // batches' worth of sequences, drawn at random, that are sorted
};

// Batches of sequences of nearly one length, as their numbers: the sequences are shuffled, sorted
// by length within pools, cut into batches, and the batches shuffled. Every sequence is in one.
// Throws Error for a batch or pool of 0.
std::vector<std::vector<std::size_t>> bucket_by_length(std::span<const std::size_t> lengths,
                                                       Random& random,
                                                       const BucketOptions& options = {});

// Numbers of elements, for bucket_by_length.
template <class Sequences>
std::vector<std::size_t> lengths_of(const Sequences& sequences) {
    std::vector<std::size_t> lengths;
    for (const auto& sequence : sequences) lengths.push_back(sequence.size());
    return lengths;
}

// Every sequence's length: `steps` where none are given. Throws Error, for `owner`, where their
// number is not that of the batch or one is more than `steps`.
std::vector<std::size_t> checked_lengths(const char* owner, std::size_t steps, std::size_t batch,
                                         std::span<const std::size_t> lengths);
// Whether step t of sequence b is before its end, [T, B]. Throws Error as checked_lengths() does.
Mask active_steps(const char* owner, std::size_t steps, std::size_t batch,
                  std::span<const std::size_t> lengths);

} // namespace unroll::nn
