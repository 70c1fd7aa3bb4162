#pragma once

#include "trainer.hpp"

#include <array>

namespace example {

// A text cut into `columns` equal pieces that are read side by side, `steps` numbers at a time.
class Stream {
public:
    // Throws Error for a text too short for it.
    Stream(std::span<const std::int64_t> text, std::size_t columns, std::size_t steps);

    std::size_t batches() const { return batches_; }
    std::size_t columns() const { return columns_; }
    std::size_t steps() const { return steps_; }
    // Inputs and targets of batch i for columns [begin, end): [T, end - begin].
    std::pair<unroll::Indices, unroll::Indices> batch(std::size_t i, std::size_t begin,
                                                      std::size_t end) const;

private:
    std::span<const std::int64_t> text_;
    std::size_t columns_, steps_, length_, batches_;
};

// A recurrent state without history: h, and c of an LSTM; each [layers, B, hidden].
template <class T>
using Carried = std::array<unroll::Tensor<T>, 2>;

// The mean loss of inputs and targets, which carries `state` on.
using StreamLoss =
    std::function<unroll::Variable<float>(unroll::Tape<float>& tape, const unroll::Indices& x,
                                          const unroll::Indices& y, Carried<float>* state)>;

// Trains on a stream, whose columns the shards divide; states go on from batch to batch, begin anew
// with every epoch, and are saved. `task` says all but its batches and its loss.
int learn(const TrainingOptions& options, const Stream& stream, Task task, const StreamLoss& loss,
          const unroll::optim::NamedParameters<float>& parameters);

// The mean of loss(x, y, state) over a text, as a scalar, in nats; nothing is recorded on `tape`.
template <class T, class F>
double mean_loss(unroll::Tape<T>& tape, const Stream& stream, const F& loss) {
    tape.set_recording(false);
    Carried<T> state;
    double total = 0, count = 0;
    for (std::size_t i = 0; i < stream.batches(); ++i) {
        const auto [x, y] = stream.batch(i, 0, stream.columns());
        const auto n = static_cast<double>(x.size());
        total += n * static_cast<double>(loss(x, y, &state).item());
        count += n;
    }
    return total / count;
}

} // namespace example
