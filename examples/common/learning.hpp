#pragma once

#include "network.hpp"
#include "trainer.hpp"

namespace example {

// The mean loss over some of the examples.
using PartLoss = std::function<unroll::Variable<float>(unroll::Tape<float>& tape,
                                                       std::span<const std::size_t> which)>;

// Trains on n examples in another order each epoch, or draws the first batch where that was asked
// for. `task` says all but its batches and its loss.
int learn(const TrainingOptions& options, std::size_t n, Task task, const PartLoss& loss,
          const unroll::optim::NamedParameters<float>& parameters);

template <class Model>
auto named(Model& model) {
    return unroll::optim::by_name<unroll::nn::scalar_of<Model>>(
        unroll::nn::named_parameters(model));
}

// A model with the weights of a file.
template <class Model, class Settings>
Model load(const std::string& path, const Settings& settings) {
    Model model(settings);
    unroll::optim::load_weights(path, named(model));
    return model;
}

// Figures, and more, as the last line.
void print_figures(const Figures& figures,
                   const std::vector<std::pair<std::string, std::string>>& more = {});

// What `body` returns; 1, with the reason told, where it throws.
int guarded(const char* program, const std::function<int()>& body);

} // namespace example
