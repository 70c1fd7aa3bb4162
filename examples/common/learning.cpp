#include "learning.hpp"

#include <cstdio>

namespace example {

using namespace unroll;

int learn(const TrainingOptions& options, std::size_t n, Task task, const PartLoss& loss,
          const optim::NamedParameters<float>& parameters) {
    check_shards(options);
    Shuffled order(n, options.batch, options.seed);
    if (options.inspection.draws()) {
        Inspection inspection = options.inspection;
        return inspection.draw<float>(
            [&](Tape<float>& tape) { return loss(tape, order.part(0, 0, 1)); });
    }
    task.batches = order.batches();
    task.units = static_cast<double>(options.batch);
    task.begin_epoch = [&](std::uint64_t epoch) { order.begin_epoch(epoch); };
    task.loss = [&](std::size_t shard, Tape<float>& tape, std::size_t batch) {
        return loss(tape, order.part(batch, shard, options.shards));
    };
    return train(options, task, parameters);
}

void print_figures(const Figures& figures,
                   const std::vector<std::pair<std::string, std::string>>& more) {
    std::vector<std::pair<std::string, std::string>> all;
    for (const auto& [name, value] : figures) all.emplace_back(name, number(value, 4));
    all.insert(all.end(), more.begin(), more.end());
    print_result(all);
}

int guarded(const char* program, const std::function<int()>& body) {
    try {
        return body();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", program, error.what());
        return 1;
    }
}

} // namespace example
