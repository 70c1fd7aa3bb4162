#pragma once

#include "network.hpp"
#include "trainer.hpp"

namespace example {

// The mean loss of inputs x and targets y [T, B]; updates `state`.
using StreamLoss = std::function<unroll::Variable<float>(
    const unroll::Indices& x, const unroll::Indices& y, Carried<float>* state)>;

// Trains on a stream whose columns are divided among the shards. States are carried from batch to
// batch, saved, and reset at every epoch. Sets batches and loss of `task`.
int learn(TrainingOptions options, const unroll::nn::TextStream& stream, Task task,
          const StreamLoss& loss, const unroll::Parameters<float>& parameters);

// The loss of the first batch of a stream.
template <class Loss>
auto first_loss(const unroll::nn::TextStream& stream, const Loss& loss) {
    const auto [x, y] = stream.batch(0);
    return loss(x, y);
}

// Removes the last `count` elements and returns them.
template <class X>
std::vector<X> cut_off(std::vector<X>& all, std::size_t count) {
    const auto begin = all.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<X> last(begin, all.end());
    all.erase(begin, all.end());
    return last;
}

// The mean loss of a model in nats per token. The text is read in up to 20 columns of at least 2000
// tokens.
template <class Model>
double mean_nats(const Model& model, std::span<const std::int64_t> text) {
    const unroll::threads::ParallelRegion region;
    const unroll::nn::TextStream stream(text, std::clamp<std::size_t>(text.size() / 2000, 1, 20),
                                        64);
    Carried<float> state;
    double total = 0, count = 0;
    for (std::size_t i = 0; i < stream.batches(); ++i) {
        const auto [x, y] = stream.batch(i);
        const auto n = static_cast<double>(x.size());
        total += n * static_cast<double>(model.loss(x, y, &state).item());
        count += n;
    }
    return total / count;
}

// Options and data of a language model, whose loss is model.loss(x, y, state).
struct StreamOptions : TrainingOptions {
    std::vector<std::int64_t> training = {}, held_out = {};

    unroll::nn::TextStream source() const { return {training, batch, steps}; }
    template <class Model, class... Batch>
    auto loss(const Model& model, const Batch&... batch) const {
        return model.loss(batch...);
    }
    // On the held-out text; unless it is the `last` time, on at most 20,000 tokens of it.
    template <class Model>
    double held_nats(const Model& model, bool last) const {
        const std::size_t most = last ? held_out.size() : 20000;
        return mean_nats(model, std::span(held_out).first(std::min(held_out.size(), most)));
    }
};

} // namespace example
