#pragma once

#include "network.hpp"
#include "trainer.hpp"

namespace example {

// A text split into `columns` segments of equal length, which are read in parallel, `steps` tokens
// at a time.
class Stream {
public:
    // The mean loss of inputs x and targets y [T, B]; updates `state`.
    using Loss = std::function<unroll::Variable<float>(
        const unroll::Indices& x, const unroll::Indices& y, Carried<float>* state)>;

    // Throws Error for a text that is too short.
    Stream(std::span<const std::int64_t> text, std::size_t columns, std::size_t steps);

    std::size_t batches() const { return batches_; }
    std::size_t columns() const { return columns_; }
    std::size_t steps() const { return steps_; }
    // Inputs and targets of batch i for columns [begin, end): [T, end - begin].
    std::pair<unroll::Indices, unroll::Indices> batch(std::size_t i, std::size_t begin,
                                                      std::size_t end) const;
    template <class F>
    auto first(const F& f) const {
        const auto [x, y] = batch(0, 0, columns_);
        return f(x, y);
    }

private:
    std::span<const std::int64_t> text_;
    std::size_t columns_, steps_, length_, batches_;
};

// Trains on a stream whose columns are divided among the shards. States are carried from batch to
// batch, saved, and reset at every epoch. Sets batches and loss of `task`.
int learn(const TrainingOptions& options, const Stream& stream, Task task, const Stream::Loss& loss,
          const unroll::Parameters<float>& parameters);

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
    const Stream stream(text, std::clamp<std::size_t>(text.size() / 2000, 1, 20), 64);
    Carried<float> state;
    double total = 0, count = 0;
    for (std::size_t i = 0; i < stream.batches(); ++i) {
        const auto [x, y] = stream.batch(i, 0, stream.columns());
        const auto n = static_cast<double>(x.size());
        total += n * static_cast<double>(model.loss(x, y, &state).item());
        count += n;
    }
    return total / count;
}

// Options and data of a language model, whose loss is model.loss(x, y, state).
struct StreamOptions : TrainingOptions {
    std::vector<std::int64_t> training = {}, held_out = {};

    Stream source() const { return {training, batch, steps}; }
    template <class Model, class... Batch>
    auto loss(const Model& model, const Batch&... batch) const {
        return model.loss(batch...);
    }
    // On the held-out text; unless it is the `last` time, on at most 20,000 tokens of it.
    template <class Model>
    double held_nats(const Model& model, bool last) const {
        return mean_nats(
            model, std::span(held_out).first(last ? held_out.size()
                                                  : std::min<std::size_t>(held_out.size(), 20000)));
    }
};

} // namespace example
