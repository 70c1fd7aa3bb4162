#pragma once

#include <unroll/core/autograd/tape.hpp>

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

namespace unroll::optim {

// Data-parallel training: each shard of a batch records on its own tape, and gradients are summed
// in shard order, so the result is bitwise identical for any number of threads. With a single
// shard, all threads share each operation.
//   optim::DataParallel<float> shards(4, adam.parameters());
//   double loss = shards.backward([&](std::size_t shard) { return loss; });
template <class T = float>
class DataParallel {
public:
    // The random streams of the shards are split from `random`, which is seeded by the thread's
    // generator by default. Throws Error for 0 shards.
    DataParallel(std::size_t count, const Parameters<T>& parameters,
                 const Random& random = Random(thread_random().next()),
                 Where where = Where::current());

    std::size_t size() const { return tapes_.size(); }
    // The tape of a shard, for its random() and set_evaluating().
    Tape<T>& tape(std::size_t shard) { return *tapes_[shard]; }

    // Calls `loss(shard)` for every shard while its tape records, runs each tape backward and adds
    // the mean of the shards' gradients, optionally weighted, to the gradients of the parameters.
    // Returns the mean loss. Throws Error, changing no gradient, for weights that are negative or
    // all zero, for a loss that is infinite or NaN, and if a parameter that was not given to the
    // constructor received a gradient; an exception of a shard is rethrown, also without changing
    // gradients.
    using Loss = std::function<Variable<T>(std::size_t shard)>;
    double backward(const Loss& loss, std::span<const double> weights = {},
                    BackwardOptions options = {}, Where where = Where::current());

private:
    // The gradients of the shards' last pass, by parameter and shard; without storage if a
    // parameter received none.
    std::vector<Tensor<T>> gradients_of_shards(const Op& op) const;

    Parameters<T> parameters_;
    std::unordered_map<const Value<T>*, std::size_t> index_; // in parameters_
    std::vector<std::unique_ptr<Tape<T>>> tapes_;
};

} // namespace unroll::optim
