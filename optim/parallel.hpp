#pragma once

#include <unroll/core/autograd/tape.hpp>

#include <functional>
#include <memory>
#include <unordered_map>
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
    // The shards' random streams are split from `random`, by default one that the thread's
    // generator seeds. Throws Error for no shards.
    Shards(std::size_t count, const Parameters<T>& parameters,
           const Random& random = Random(thread_random().next()));

    std::size_t size() const { return tapes_.size(); }
    // What the shard records on, for its random() and set_evaluating().
    Tape<T>& tape(std::size_t shard) { return *tapes_[shard]; }

    // Calls `loss(shard)` for every shard while that shard's tape records, runs each backwards and
    // adds to the parameters' gradients the mean of theirs over the shards, weighted if weights are
    // given. Returns the mean loss. Throws Error, changing no gradient, for weights that are
    // negative or all zero, and if a parameter that was not given to the constructor received a
    // gradient; an exception of a shard is rethrown, and changes no gradient either.
    using Loss = std::function<Variable<T>(std::size_t shard)>;
    double backward(const Loss& loss, std::span<const double> weights = {});

private:
    // The gradients of the shards' last pass, by parameter and shard; without storage if a
    // parameter received none.
    std::vector<Tensor<T>> gradients_of_shards() const;

    Parameters<T> parameters_;
    std::unordered_map<const Value<T>*, std::size_t> index_; // in parameters_
    std::vector<std::unique_ptr<Tape<T>>> tapes_;
};

} // namespace unroll::optim
