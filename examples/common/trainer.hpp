#pragma once

#include "inspection.hpp"

#include <unroll/unroll.hpp>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace example {

// The options of every program that trains.
struct TrainingOptions {
    std::size_t batch = 32, shards = 2, threads = 0;
    double rate = 3e-3, clip = 1, minutes = 3, epochs = 0;
    std::uint64_t seed = 1;
    std::string out = "", csv = "", svg = "";
    bool resume = false;
    Inspection inspection = {};
    std::string unit = "sequences"; // what its speed is told in,
    double units = 0;               // and how many a batch has; 0: as many as --batch says

    // `what` a batch is made of.
    void fields(Fields& f, const char* what);
};

// Named numbers in the order in which they are told.
using Figures = std::vector<std::pair<std::string, double>>;

// What is trained.
struct Task {
    std::string about;       // what there is to learn from, told at the beginning
    std::size_t batches = 0; // in an epoch
    double units = 0;        // in a batch, for the speed; 0: as many as the option --batch says
    std::string unit = "sequences";
    // The mean loss of a shard's part of a batch of the epoch that was begun last.
    std::function<unroll::Variable<float>(std::size_t shard, unroll::Tape<float>& tape,
                                          std::size_t batch)>
        loss;
    std::function<void(std::uint64_t epoch)> begin_epoch = [](std::uint64_t) {};
    // Looked at ten times in a run, beside the training loss, and at its end.
    std::function<Figures()> glance = [] { return Figures(); };
    std::function<Figures()> result = glance;
    // What a model is read with, and what a resumed run goes on with.
    std::map<std::string, std::string> words = {};
    std::function<std::map<std::string, unroll::Tensor<float>>()> carried = [] {
        return std::map<std::string, unroll::Tensor<float>>();
    };
    std::function<void(const std::map<std::string, unroll::Tensor<float>>&)> carry_on =
        [](const auto&) {};
};

// Trains parameters with Adam on the shards of batches, by minutes or epochs, with a rate that
// warms up and falls along a cosine; shows its progress, saves where it ends or is interrupted, and
// resumes bit for bit; or draws the first batch, where that was asked for. Returns the program's
// exit status; throws Error where a batch cannot be cut into as many equal shards.
int train(const TrainingOptions& options, const Task& task,
          const unroll::optim::NamedParameters<float>& parameters);

} // namespace example
