#pragma once

#include "commands.hpp"
#include "network.hpp"
#include "trainer.hpp"

#include <algorithm>
#include <numeric>

namespace example {

// The numbers [0, n) in batches, in another order each epoch; those that make no whole batch wait
// for another epoch.
class Batches {
public:
    // Throw Error where n is less than a batch. With lengths, those of a batch are nearly equal.
    Batches(std::size_t n, std::size_t batch, std::uint64_t seed);
    Batches(std::vector<std::size_t> lengths, std::size_t batch, std::uint64_t seed);
    std::size_t count() const { return lengths_.size() / batch_; }
    void begin_epoch(std::uint64_t epoch);
    // Part `shard` of `shards` equal ones of a batch.
    std::span<const std::size_t> part(std::size_t batch, std::size_t shard,
                                      std::size_t shards) const;

private:
    std::vector<std::size_t> lengths_;
    std::size_t batch_;
    std::uint64_t seed_;
    std::vector<std::vector<std::size_t>> chosen_;
};

// The mean loss over some of the examples.
using PartLoss = std::function<unroll::Variable<float>(unroll::Tape<float>& tape,
                                                       std::span<const std::size_t> which)>;

// Trains on batches, or draws the first one where that was asked for. `task` says all but its
// batches and its loss.
int learn(const TrainingOptions& options, Batches batches, Task task, const PartLoss& loss,
          const unroll::optim::NamedParameters<float>& parameters);

// Calls f(tape, which) for all of [0, lengths.size()), some at a time that are nearly equally long,
// or for those of [begin, end) in their order. Nothing is recorded.
template <class F>
void in_batches(const std::vector<std::size_t>& lengths, std::size_t batch, const F& f) {
    unroll::Tape<float> tape;
    tape.set_recording(false);
    unroll::Random random(0);
    for (const auto& which : unroll::nn::bucket_by_length(lengths, random, {.batch = batch})) {
        tape.clear();
        f(tape, which);
    }
}
template <class F>
void in_batches(std::size_t begin, std::size_t end, std::size_t batch, const F& f) {
    unroll::Tape<float> tape;
    tape.set_recording(false);
    for (; begin < end; begin += batch) {
        std::vector<std::size_t> which(std::min(batch, end - begin));
        std::iota(which.begin(), which.end(), begin);
        tape.clear();
        f(tape, which);
    }
}

// Some of the labels.
unroll::Indices chosen(std::span<const std::int64_t> labels, std::span<const std::size_t> which);

// Figures, and more, as the last line.
void print_figures(const Figures& figures,
                   const std::vector<std::pair<std::string, std::string>>& more = {});

} // namespace example
