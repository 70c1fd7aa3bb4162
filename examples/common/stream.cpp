#include "stream.hpp"

namespace example {

using namespace unroll;

Stream::Stream(std::span<const std::int64_t> text, std::size_t columns, std::size_t steps)
    : text_(text), columns_(columns), steps_(steps) {
    if (columns == 0 || steps == 0) fail("train", "batch and steps must be at least 1");
    if (text.size() < columns * 2)
        fail("train", fmt::format("a text of {} symbols is too short for {} columns (--batch)",
                                  text.size(), columns));
    length_ = (text.size() - 1) / columns;
    batches_ = (length_ + steps - 1) / steps;
}

std::pair<Indices, Indices> Stream::batch(std::size_t i, std::size_t begin, std::size_t end) const {
    const std::size_t first = i * steps_, steps = std::min(steps_, length_ - first);
    Indices x({steps, end - begin}), y({steps, end - begin});
    for (std::size_t t = 0; t < steps; ++t)
        for (std::size_t c = begin; c < end; ++c) {
            const std::size_t at = c * length_ + first + t, to = t * (end - begin) + c - begin;
            x.data()[to] = text_[at];
            y.data()[to] = text_[at + 1];
        }
    return {x, y};
}

int learn(const TrainingOptions& options, const Stream& stream, Task task, const Stream::Loss& loss,
          const Parameters<float>& parameters) {
    std::vector<Carried<float>> states(options.shards);
    task.batches = stream.batches();
    task.units = static_cast<double>(stream.columns() * stream.steps());
    task.loss = [&](std::size_t shard, std::size_t batch) {
        const std::size_t width = stream.columns() / options.shards;
        const auto [x, y] = stream.batch(batch, shard * width, (shard + 1) * width);
        return loss(x, y, &states[shard]);
    };
    task.begin_epoch = [&](std::uint64_t) { states.assign(options.shards, {}); };
    const auto name = [](std::size_t shard, std::size_t number) {
        return fmt::format("shard{}.{}", shard, number);
    };
    task.carried = [&] {
        std::map<std::string, Tensor<float>> kept;
        for (std::size_t s = 0; s < states.size(); ++s)
            for (std::size_t i = 0; i < states[s].size(); ++i)
                kept[name(s, i)] = states[s][i].value();
        return kept;
    };
    task.carry_on = [&](const std::map<std::string, Tensor<float>>& kept) {
        for (std::size_t s = 0; s < states.size(); ++s)
            while (kept.contains(name(s, states[s].size())))
                states[s].push_back(kept.at(name(s, states[s].size())));
    };
    return train(options, task, parameters);
}

} // namespace example
