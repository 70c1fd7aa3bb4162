#pragma once

#include <unroll/core/autograd/tape.hpp>

#include <functional>
#include <memory>
#include <vector>

namespace unroll::optim {

// Trains on the shards of a batch side by side: each shard records on a tape of its own, and the
// gradients are added in the order of the shards, so that the result is the same bits for any
// number of threads. A single shard is run by all threads together, operation by operation.
//   optim::Shards<float> shards(4, adam.parameters());
//   double loss = shards.backward([&](std::size_t shard) { return loss; });
template <class T>
class Shards {
public:
    // Throws Error for no shards. Random streams of the shards are split from `random`.
    Shards(std::size_t count, Parameters<T> parameters, Random random = Random());

    std::size_t size() const { return tapes_.size(); }
    Tape<T>& tape(std::size_t shard) { return *tapes_[shard]; }

    // Calls `loss(shard)` for every shard while that shard's tape records, runs each backwards and
    // leaves in the parameters the mean over the shards of their gradients, weighted where weights
    // are given. Returns the mean loss. An exception of any shard is rethrown, and no gradient
    // changed.
    using Loss = std::function<Variable<T>(std::size_t shard)>;
    double backward(const Loss& loss, std::span<const double> weights = {});

private:
    Parameters<T> parameters_;
    std::vector<std::unique_ptr<Tape<T>>> tapes_;
};

} // namespace unroll::optim
