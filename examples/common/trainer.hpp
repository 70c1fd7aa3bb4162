#pragma once

#include "inspection.hpp"

#include <unroll/unroll.hpp>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace example {

// The options of every program that trains.
struct TrainingOptions {
    std::size_t batch = 32, shards = 2, threads = 0;
    std::size_t steps = 64; // steps of truncated back-propagation through time, for a stream
    double learning_rate = 3e-3, clip = 1, minutes = 3, epochs = 0, save_every = 5;
    std::uint64_t seed = 1;
    std::string out = "", csv = "", svg = "";
    bool resume = false;
    Inspection inspection = {};
    std::string unit = "sequences"; // for the speed
    double units = 0;               // per batch; 0: --batch
    const CLI::App* command = nullptr;

    void options(CLI::App& command, const std::string& of_a_batch);
    // Takes the options that determine the order of batches from the run saved in `out`. Throws
    // Error if the command line differs.
    void continue_order();
};

// A training task.
struct Task {
    std::string about;       // description of the data, printed at the beginning
    std::size_t batches = 0; // batches per epoch
    // The mean loss of one shard of a batch of the current epoch.
    std::function<unroll::Variable<float>(std::size_t shard, std::size_t batch)> loss;
    std::function<void(std::uint64_t epoch)> begin_epoch = [](std::uint64_t) {};
    // Metrics besides the training loss, computed ten times in a run and at its end.
    std::function<Figures()> metrics = [] { return Figures(); };
    std::function<Figures()> result = metrics;
    // Metadata of the model file, and additional state of a resumed run.
    std::map<std::string, std::string> metadata = {};
    std::function<std::map<std::string, unroll::Tensor<float>>()> carried = [] {
        return std::map<std::string, unroll::Tensor<float>>();
    };
    std::function<void(const std::map<std::string, unroll::Tensor<float>>&)> carry_on =
        [](const auto&) {};
};

// Trains parameters with Adam on sharded batches for the given minutes or epochs, with a cosine
// schedule and warm-up. Shows progress and resumes bit for bit. Or draws the first batch
// (--dump-graph). The state is saved every --save-every minutes, at the end, after an interrupt and
// before an error is thrown (a non-finite loss, out of memory). Outputs are tested for write access
// before the first batch; a state that cannot be saved at the end is saved elsewhere. Returns the
// exit status: 130 after an interrupt, 1 if the state was saved elsewhere. Throws Error if a batch
// cannot be split into equal shards, and for outputs that cannot be written or that another process
// is writing.
int train(const TrainingOptions& options, const Task& task,
          const unroll::Parameters<float>& parameters);

} // namespace example
