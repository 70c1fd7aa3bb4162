#pragma once

#include <unroll/core/autograd/tape.hpp>

namespace unroll {

// Destination of an operation's result: a part of a buffer, or empty for a result with its own
// memory.
template <class T>
struct OutputSlot {
    Tensor<T> memory;
    NodeId root = no_node;
    StridedView view;
    TapeSlot<T>* tape_slot = nullptr; // of the buffer's tape
    bool* is_taken = nullptr;         // set when an operation stores its result here
    Lost* lost = nullptr;             // raised to that of an unrecorded result

    bool is_of_buffer() const { return lost != nullptr; }
    bool is_given() const { return static_cast<bool>(memory.storage()); }
    Tensor<T> take(const Shape& shape) const {
        if (is_taken != nullptr) *is_taken = true;
        return is_given() ? memory : Tensor<T>(shape);
    }
};

// The same elements without a version count, for an operation to write its result into: the tape
// tracks this write by the node, and the other rows of the buffer are unchanged.
template <class T>
Tensor<T> unversioned(const Tensor<T>& x) {
    return Tensor<T>(StorageRef(), const_cast<T*>(x.data()), x.layout());
}
template <class T>
OutputOperand<T> result_operand(const Tensor<T>& x) {
    return {const_cast<T*>(x.data()), x.layout(), false};
}

// Memory for the steps of a sequence, [steps, ...]: operations store their results in one or more
// rows, which together form one variable without a copy.
template <class T>
class Buffer {
public:
    // On the tape of `like` if it is recorded, otherwise on the current tape.
    Buffer(const Variable<T>& like, const Shape& shape);

    OutputSlot<T> row(std::size_t index) const;
    OutputSlot<T> part(std::size_t begin, std::size_t end) const;
    // Whether `x` is the last result that was stored there, with its history.
    bool holds(const OutputSlot<T>& slot, const Variable<T>& x) const;
    // Rows [begin, end) as a variable. All must have been written.
    Variable<T> rows(std::size_t begin, std::size_t end) const;

private:
    OutputSlot<T> slot_at(Tensor<T> memory, std::size_t begin) const;

    Tensor<T> memory_;
    Variable<T> whole_; // on a tape
    mutable Lost lost_ = Lost::nothing;
};

// The storage of a value that is no longer used, as the destination of a result.
template <class T>
OutputSlot<T> in_place_of(const Op& op, const Variable<T>& x);

extern template class Buffer<float>;
extern template class Buffer<double>;

} // namespace unroll
