#pragma once

#include "commands.hpp"
#include "network.hpp"
#include "trainer.hpp"

#include <algorithm>
#include <numeric>

namespace example {

// Indices of examples.
using Numbers = std::span<const std::size_t>;

// The mean loss over the examples `which`.
using BatchLoss = std::function<unroll::Variable<float>(Numbers which)>;

// Trains on batches, or draws the first one (--dump-graph). Sets batches and loss of `task`.
int learn(const TrainingOptions& options, unroll::nn::ShuffledBatches batches, Task task,
          const BatchLoss& loss, const unroll::Parameters<float>& parameters);

// The loss of the first batch.
template <class Loss>
auto first_loss(const unroll::nn::ShuffledBatches& batches, const Loss& loss) {
    return loss(batches[0]);
}

// Trains a model, or checks its gradients (--check-gradients) at the size set by `shrink`, on the
// default data. A training contains its options and the data that they specify:
//
//     struct Training : example::TrainingOptions {
//         Settings model;
//         void options(CLI::App& command);
//         void shrink();
//
//         // Reads the data, completes `model` unless a run is resumed, and returns a description.
//         std::string prepare();
//         // Or an nn::TextStream, with stream.hpp.
//         nn::ShuffledBatches source() const;
//         template <class T>
//         Variable<T> loss(const Model<T>& model, example::Numbers which) const;
//         // Reported ten times in a run, and at its end (`last`) from all data.
//         example::Figures figures(const Model<float>& model, bool last) const;
//     };
//
// Returns the program's exit status.
template <class Training, template <class> class Model>
int train(Training o) {
    using namespace unroll;
    if (o.inspection.checks()) {
        Training small;
        small.model = o.model;
        small.batch = 2;
        small.shrink();
        small.prepare();
        nn::seed(o.seed);
        Model<double> model(small.model);
        for (auto& parameter : parameters(model)) { // zero initialisation would hide errors
            const auto noise = nn::normal<double>(parameter.shape(), 0.1, nn::next_stream());
            parameter.set((parameter + noise).value());
        }
        const auto source = small.source();
        const auto loss = [&](const auto&... part) { return small.loss(model, part...); };
        return o.inspection.check([&] { return first_loss(source, loss); }, parameters(model));
    }
    if (o.resume) {
        o.continue_order();
        o.model = read<decltype(o.model)>(o.out);
    }
    Task task;
    task.about = o.prepare();
    nn::seed(o.seed);
    const auto make = [&] { return Model<float>(o.model); };
    auto model = o.resume ? within_file(o.out, make) : make();
    task.metrics = [&] { return o.figures(model, false); };
    task.result = [&] { return o.figures(model, true); };
    task.metadata = metadata(o.model);
    const auto source = o.source();
    const auto loss = [&](const auto&... part) { return o.loss(model, part...); };
    return learn(o, source, task, loss, parameters(model));
}

// Calls f(which) for batches of [0, lengths.size()) with similar lengths, or of [0, n) in
// order.
template <class F>
void in_batches(const std::vector<std::size_t>& lengths, std::size_t batch, const F& f) {
    unroll::Random random(0);
    for (const auto& which : unroll::nn::bucket_by_length(lengths, random, {.batch = batch}))
        f(which);
}
template <class F>
void in_batches(std::size_t n, std::size_t batch, const F& f) {
    for (std::size_t begin = 0; begin < n; begin += batch) {
        std::vector<std::size_t> which(std::min(batch, n - begin));
        std::iota(which.begin(), which.end(), begin);
        f(which);
    }
}

// A fixed random split: nine tenths for training and one tenth held out.
template <class X>
std::pair<std::vector<X>, std::vector<X>> divided(const std::vector<X>& all) {
    std::pair<std::vector<X>, std::vector<X>> parts;
    const auto order = unroll::Random(12345).permutation(all.size());
    for (std::size_t i = 0; i < order.size(); ++i)
        (i % 10 == 9 ? parts.second : parts.first).push_back(all[order[i]]);
    return parts;
}

// labels[which]
unroll::Indices chosen(std::span<const std::int64_t> labels, std::span<const std::size_t> which);

// `count` indices below n, starting at `first`, or fewer. Throws Error, naming `what` is counted,
// if there are none.
std::vector<std::size_t> some_of(const char* what, std::size_t n, std::size_t first,
                                 std::size_t count);

} // namespace example
