#pragma once

#include "network.hpp"
#include "trainer.hpp"

namespace example {

// A text cut into `columns` equal pieces that are read side by side, `steps` numbers at a time.
class Stream {
public:
    // The mean loss of inputs and targets, which carries `state` on.
    using Loss =
        std::function<unroll::Variable<float>(unroll::Tape<float>& tape, const unroll::Indices& x,
                                              const unroll::Indices& y, Carried<float>* state)>;

    // Throws Error for a text too short for it.
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

// Trains on a stream, whose columns the shards divide; states go on from batch to batch, begin anew
// with every epoch, and are saved. `task` says all but its batches and its loss.
int learn(const TrainingOptions& options, const Stream& stream, Task task, const Stream::Loss& loss,
          const unroll::optim::NamedParameters<float>& parameters);

// Cuts off the last `count`, to measure with.
template <class X>
std::vector<X> cut_off(std::vector<X>& all, std::size_t count) {
    const auto begin = all.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<X> last(begin, all.end());
    all.erase(begin, all.end());
    return last;
}

// A model's mean loss in nats over a text, which is read in pieces of 2000 numbers or more, up to
// 20 of them side by side. Nothing is recorded.
template <class Model>
double mean_nats(const Model& model, std::span<const std::int64_t> text) {
    const unroll::threads::Team team;
    const Stream stream(text, std::clamp<std::size_t>(text.size() / 2000, 1, 20), 64);
    unroll::Tape<float> tape;
    tape.set_recording(false);
    Carried<float> state;
    double total = 0, count = 0;
    for (std::size_t i = 0; i < stream.batches(); ++i) {
        tape.clear();
        const auto [x, y] = stream.batch(i, 0, stream.columns());
        const auto n = static_cast<double>(x.size());
        total += n * static_cast<double>(model.loss(tape, x, y, &state).item());
        count += n;
    }
    return total / count;
}

// What a program is told that learns a text, and what it makes of that. Its model has a
// loss(tape, x, y, state).
struct StreamOptions : TrainingOptions {
    std::size_t steps = 64; // that a gradient flows back through
    std::vector<std::int64_t> learned = {}, held = {};

    Stream source() const { return {learned, batch, steps}; }
    template <class Model, class T, class... Batch>
    unroll::Variable<T> loss(const Model& model, unroll::Tape<T>& tape,
                             const Batch&... batch) const {
        return model.loss(tape, batch...);
    }
    // On the text held out; before the last time on so much of it that it takes little of a run.
    template <class Model>
    double held_nats(const Model& model, bool last) const {
        return mean_nats(
            model,
            std::span(held).first(last ? held.size() : std::min<std::size_t>(held.size(), 20000)));
    }
};

} // namespace example
