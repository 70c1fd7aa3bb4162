#pragma once

#include <unroll/core/tensor/tensor.hpp>

#include <cstdint>
#include <span>
#include <utility>

namespace unroll::nn {

// Batches for truncated back-propagation through time: a text split into `columns` segments of
// equal length, which are read in parallel, `steps` tokens at a time. Column c of a batch continues
// column c of the previous batch, so that a recurrent state can be carried over. Does not copy the
// text.
class TextStream {
public:
    // Throws Error for fewer than 2 tokens per column, and for 0 columns or steps.
    TextStream(std::span<const std::int64_t> text, std::size_t columns, std::size_t steps,
               Where where = Where::current());

    std::size_t batches() const { return (length_ + steps_ - 1) / steps_; }
    std::size_t columns() const { return columns_; }
    std::size_t steps() const { return steps_; }
    // Inputs and targets (the next tokens) of batch i for columns [begin, end): [T, end - begin].
    // T is `steps`, or fewer in the last batch.
    std::pair<Indices, Indices> batch(std::size_t i, std::size_t begin, std::size_t end,
                                      Where where = Where::current()) const;
    std::pair<Indices, Indices> batch(std::size_t i, Where where = Where::current()) const {
        return batch(i, 0, columns_, where);
    }

private:
    std::span<const std::int64_t> text_;
    std::size_t columns_, steps_, length_ = 0;
};

} // namespace unroll::nn
