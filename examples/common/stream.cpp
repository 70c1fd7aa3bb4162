#include "stream.hpp"

namespace example {

using namespace unroll;

int learn(TrainingOptions options, const nn::TextStream& stream, Task task, const StreamLoss& loss,
          const Parameters<float>& parameters) {
    options.units = static_cast<double>(stream.columns() * stream.steps());
    std::vector<Carried<float>> states(options.shards);
    task.batches = stream.batches();
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
