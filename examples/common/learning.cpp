#include "learning.hpp"

namespace example {

using namespace unroll;

int learn(const TrainingOptions& options, nn::ShuffledBatches batches, Task task,
          const BatchLoss& loss, const Parameters<float>& parameters) {
    task.batches = batches.count();
    task.begin_epoch = [&](std::uint64_t epoch) { batches.begin_epoch(epoch); };
    task.loss = [&](std::size_t shard, std::size_t batch) {
        return loss(batches.part(batch, shard, options.shards));
    };
    return train(options, task, parameters);
}

Indices chosen(std::span<const std::int64_t> labels, std::span<const std::size_t> which) {
    Indices some({which.size()});
    for (std::size_t b = 0; b < which.size(); ++b) some.data()[b] = labels[which[b]];
    return some;
}

std::vector<std::size_t> some_of(const char* what, std::size_t n, std::size_t first,
                                 std::size_t count) {
    if (first >= n)
        fail(what, fmt::format("there is no example {}; the range is 0 to {}", first, n - 1));
    std::vector<std::size_t> which(std::min(count, n - first));
    std::iota(which.begin(), which.end(), first);
    return which;
}

} // namespace example
