#include "learning.hpp"

namespace example {

using namespace unroll;

Batches::Batches(std::size_t n, std::size_t batch, std::uint64_t seed)
    : Batches(std::vector<std::size_t>(n), batch, seed) {}

Batches::Batches(std::vector<std::size_t> lengths, std::size_t batch, std::uint64_t seed)
    : lengths_(std::move(lengths)), batch_(batch), seed_(seed) {
    if (lengths_.size() < batch)
        fail("train", fmt::format("{} examples are fewer than a batch of {} (--batch)",
                                  lengths_.size(), batch));
    begin_epoch(0);
}

void Batches::begin_epoch(std::uint64_t epoch) {
    Random random = Random(seed_).split(1000 + epoch);
    chosen_ = nn::bucket_by_length(lengths_, random, {.batch = batch_});
    std::erase_if(chosen_, [&](const auto& batch) { return batch.size() < batch_; });
}

Numbers Batches::part(std::size_t batch, std::size_t shard, std::size_t shards) const {
    const std::size_t width = batch_ / shards;
    return std::span(chosen_[batch]).subspan(shard * width, width);
}

int learn(const TrainingOptions& options, Batches batches, Task task, const Batches::Loss& loss,
          const Parameters<float>& parameters) {
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

void print_figures(const Figures& figures,
                   const std::vector<std::pair<std::string, std::string>>& more) {
    std::vector<std::pair<std::string, std::string>> all;
    for (const auto& [name, value] : figures) all.emplace_back(name, fmt::format("{:.4f}", value));
    all.insert(all.end(), more.begin(), more.end());
    print_result(all);
}

} // namespace example
