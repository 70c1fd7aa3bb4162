#pragma once

#include "commands.hpp"
#include "network.hpp"
#include "trainer.hpp"

#include <algorithm>
#include <numeric>

namespace example {

// Numbers of examples.
using Numbers = std::span<const std::size_t>;

// The numbers [0, n) in batches, in another order each epoch; those that make no whole batch wait
// for another epoch.
class Batches {
public:
    // The mean loss over some of the examples.
    using Loss = std::function<unroll::Variable<float>(unroll::Tape<float>& tape, Numbers which)>;

    // Throw Error where n is less than a batch. With lengths, those of a batch are nearly equal.
    Batches(std::size_t n, std::size_t batch, std::uint64_t seed);
    Batches(std::vector<std::size_t> lengths, std::size_t batch, std::uint64_t seed);
    std::size_t count() const { return lengths_.size() / batch_; }
    void begin_epoch(std::uint64_t epoch);
    // Part `shard` of `shards` equal ones of a batch.
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

// Trains on batches, or draws the first one where that was asked for. `task` says all but its
// batches and its loss.
int learn(const TrainingOptions& options, Batches batches, Task task, const Batches::Loss& loss,
          const unroll::optim::NamedParameters<float>& parameters);

// Trains a model; or checks its gradients, where that was asked for, at the size that `shrink`
// gives it and on the data that a training has by default. A training is its options with what they
// name:
//
//     struct Training : example::TrainingOptions {
//         Settings model;
//         void fields(example::Fields& f);
//         void shrink();
//
//         // Reads data, completes `model` unless a run is resumed, and tells what there is.
//         std::string prepare();
//         // Or an example::Stream.
//         example::Batches source() const;
//         template <class T>
//         Variable<T> loss(const Model<T>& model, Tape<T>& tape, example::Numbers which) const;
//         // Told ten times in a run, and at its end from all there is.
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
        for (auto* parameter : nn::parameters(model)) { // zeros to begin with would tell little
            const auto noise = nn::normal<double>(parameter->shape(), 0.1, nn::next_stream());
            parameter->set((Variable<double>(parameter->value()) + noise).value());
        }
        const auto source = small.source();
        return o.inspection.check(
            [&](Tape<double>& tape) {
                return source.first(
                    [&](const auto&... part) { return small.loss(model, tape, part...); });
            },
            nn::named_parameters(model));
    }
    if (o.resume) o.model = read<decltype(o.model)>(o.out);
    Task task;
    task.about = o.prepare();
    nn::seed(o.seed);
    Model<float> model(o.model);
    task.units = o.units;
    task.unit = o.unit;
    task.glance = [&] { return o.figures(model, false); };
    task.result = [&] { return o.figures(model, true); };
    task.words = words(o.model);
    const auto source = o.source();
    const typename decltype(o.source())::Loss loss = [&](Tape<float>& tape, const auto&... part) {
        return o.loss(model, tape, part...);
    };
    return learn(o, source, task, loss, named(model));
}

// Calls f(tape, which) for all of [0, lengths.size()), some at a time that are nearly equally long,
// or for those of [0, n) in their order. Nothing is recorded.
template <class F>
void in_batches(const std::vector<std::size_t>& lengths, std::size_t batch, const F& f) {
    unroll::Tape<float> tape;
    tape.set_recording(false);
    unroll::Random random(0);
    for (const auto& which : unroll::nn::bucket_by_length(lengths, random, {.batch = batch})) {
        tape.clear();
        f(tape, which);
    }
}
template <class F>
void in_batches(std::size_t n, std::size_t batch, const F& f) {
    unroll::Tape<float> tape;
    tape.set_recording(false);
    for (std::size_t begin = 0; begin < n; begin += batch) {
        std::vector<std::size_t> which(std::min(batch, n - begin));
        std::iota(which.begin(), which.end(), begin);
        tape.clear();
        f(tape, which);
    }
}

// Nine tenths to learn and a tenth to measure with, drawn at random, the same ones each time.
template <class X>
std::pair<std::vector<X>, std::vector<X>> divided(const std::vector<X>& all) {
    std::pair<std::vector<X>, std::vector<X>> parts;
    const auto order = unroll::Random(12345).permutation(all.size());
    for (std::size_t i = 0; i < order.size(); ++i)
        (i % 10 == 9 ? parts.second : parts.first).push_back(all[order[i]]);
    return parts;
}

// Some of the labels.
unroll::Indices chosen(std::span<const std::int64_t> labels, std::span<const std::size_t> which);

// `count` numbers from `first` on, or fewer, of [0, n). Throws Error where there is none, naming
// `what` they are of.
std::vector<std::size_t> some_of(const char* what, std::size_t n, std::size_t first,
                                 std::size_t count);

// Figures, and more, as the last line.
void print_figures(const Figures& figures,
                   const std::vector<std::pair<std::string, std::string>>& more = {});

} // namespace example
