#pragma once

#include <unroll/core/tensor/random.hpp>
#include <unroll/core/tensor/tensor.hpp>
#include <unroll/nn/text/vocabulary.hpp>

#include <span>
#include <vector>

namespace unroll::nn {

// A batch of padded sequences, the input of recurrent layers.
struct PaddedBatch {
    Indices numbers;                  // [T, B]
    std::vector<std::size_t> lengths; // of the B sequences
};

// Batches all sequences, or those with indices `which`, padded with `padding` to the length of the
// longest. Throws Error for an index out of range.
PaddedBatch pad_sequences(std::span<const std::vector<std::int64_t>> sequences,
                          std::int64_t padding);
PaddedBatch pad_sequences(std::span<const std::vector<std::int64_t>> sequences,
                          std::span<const std::size_t> which, std::int64_t padding,
                          Where where = Where::current());

// The inverse: the sequences without padding. Throws Error if the lengths do not match numbers [T,
// B].
std::vector<std::vector<std::int64_t>> unpad_sequences(const Indices& numbers,
                                                       std::span<const std::size_t> lengths,
                                                       Op op = "unpad_sequences");

// A batch of series of vectors, padded with zeros to the length of the longest.
template <class T = float>
struct PaddedFrames {
    Tensor<T> frames;                 // [T, B, n]
    std::vector<std::size_t> lengths; // of the B series
};
// From series [T_b, n]. Throws Error if there are none, or if their widths differ.
template <class T = float>
PaddedFrames<T> pad_frames(std::span<const Tensor<T>> series, Where where = Where::current());

// Word dropout: replaces words that occurred n times in the training text by the unknown symbol
// with probability u / (u + n), so that a model learns to handle unseen words (Kiperwasser and
// Goldberg 2016). Special symbols are kept. Throws Error for a word without a count, for a negative
// u and for a vocabulary without an unknown symbol.
Indices hide_rare(const Indices& numbers, const Vocabulary& vocabulary,
                  std::span<const std::size_t> counts, double u, Random& random,
                  Where where = Where::current());

struct BucketOptions {
    std::size_t batch = 32; // sequences in a batch; the last batch may have fewer
    std::size_t pool = 100; // size of a sorting pool, in batches
};

// Batches of sequences of similar length, as indices: shuffles the sequences, sorts them by length
// within pools, splits them into batches and shuffles the batches. Every sequence is in exactly one
// batch. Throws Error for a batch or pool of 0.
std::vector<std::vector<std::size_t>> bucket_by_length(std::span<const std::size_t> lengths,
                                                       Random& random,
                                                       const BucketOptions& options = {},
                                                       Where where = Where::current());

// Numbers of elements, for bucket_by_length.
template <class Sequences>
std::vector<std::size_t> lengths_of(const Sequences& sequences) {
    std::vector<std::size_t> lengths;
    for (const auto& sequence : sequences) lengths.push_back(sequence.size());
    return lengths;
}

// The length of every sequence; `steps` if none are given. Throws Error, naming `op`, if their
// number is not the batch size or one exceeds `steps`.
std::vector<std::size_t> checked_lengths(const Op& op, std::size_t steps, std::size_t batch,
                                         std::span<const std::size_t> lengths);
// Whether step t of sequence b is before its end, [T, B]. Throws Error as checked_lengths() does.
Mask active_steps(const Op& op, std::size_t steps, std::size_t batch,
                  std::span<const std::size_t> lengths);

} // namespace unroll::nn
