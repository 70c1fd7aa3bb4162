#pragma once

#include "commands.hpp"
#include "network.hpp"
#include "trainer.hpp"

#include <algorithm>
#include <numeric>

namespace example {

// Indices of examples.
using Numbers = std::span<const std::size_t>;

// [0, n) in batches, shuffled every epoch. Incomplete batches are omitted.
class Batches {
public:
    // The mean loss over the examples `which`.
    using Loss = std::function<unroll::Variable<float>(Numbers which)>;

    // Throw Error if n is less than a batch. With lengths, a batch has examples of similar length.
    Batches(std::size_t n, std::size_t batch, std::uint64_t seed);
    Batches(std::vector<std::size_t> lengths, std::size_t batch, std::uint64_t seed);
    std::size_t count() const { return lengths_.size() / batch_; }
    void begin_epoch(std::uint64_t epoch);
    // Part `shard` of a batch that is split into `shards` equal parts.
    Numbers part(std::size_t batch, std::size_t shard, std::size_t shards) const;
    template <class F>
    auto first(const F& f) const {
        return f(part(0, 0, 1));
    }

private:
    std::vector<std::size_t> lengths_;
    std::size_t batch_;
    std::uint64_t seed_;
    std::vector<std::vector<std::size_t>> chosen_;
};

// Trains on batches, or draws the first one (--dump-graph). Sets batches and loss of `task`.
int learn(const TrainingOptions& options, Batches batches, Task task, const Batches::Loss& loss,
          const unroll::Parameters<float>& parameters);

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
//         // Or an example::Stream.
//         example::Batches source() const;
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
        return o.inspection.check(
            [&] {
                return source.first(
                    [&](const auto&... part) { return small.loss(model, part...); });
            },
            parameters(model));
    }
    if (o.resume) {
        o.continue_order();
        o.model = read<decltype(o.model)>(o.out);
    }
    Task task;
    task.about = o.prepare();
    nn::seed(o.seed);
    auto model = o.resume ? made<Model<float>>(o.model, o.out) : Model<float>(o.model);
    task.units = o.units;
    task.unit = o.unit;
    task.metrics = [&] { return o.figures(model, false); };
    task.result = [&] { return o.figures(model, true); };
    task.metadata = metadata(o.model);
    const auto source = o.source();
    const typename decltype(o.source())::Loss loss = [&](const auto&... part) {
        return o.loss(model, part...);
    };
    return learn(o, source, task, loss, parameters(model));
}

// Calls f(which) for batches of [0, lengths.size()) with similar lengths, or of [0, n) in
// order.
template <class F>
void in_batches(const std::vector<std::size_t>& lengths, std::size_t batch, const F& f) {
    unroll::Random random(0);
    for (const auto& which : unroll::nn::bucket_by_length(lengths, random, {.batch = batch})) {
        f(which);
    }
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

// Prints the figures and `more` as the result line.
void print_figures(const Figures& figures,
                   const std::vector<std::pair<std::string, std::string>>& more = {});

} // namespace example
