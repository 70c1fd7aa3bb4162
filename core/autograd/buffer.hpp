#pragma once

#include <unroll/core/autograd/tape.hpp>

namespace unroll {

// A part of a buffer for a result to be stored in; empty for a result with memory of its own.
template <class T>
struct Place {
    Tensor<T> memory;
    NodeId root = no_node;
    Region region;
    TapeSlot<T>* slot = nullptr;  // of the buffer's tape
    bool* is_taken = nullptr;     // set when an operation stores its result here
    bool* is_untracked = nullptr; // set when that is computed from a parameter without a tape

    bool is_of_buffer() const { return is_untracked != nullptr; }
    bool is_given() const { return static_cast<bool>(memory.storage()); }
    Tensor<T> take(const Shape& shape) const {
        if (is_taken != nullptr) *is_taken = true;
        return is_given() ? memory : Tensor<T>(shape);
    }
};

// The same elements, for an operation to write its result into: a change that the tape knows of by
// the node, and that is no change of the other rows of a buffer.
template <class T>
Tensor<T> unversioned(const Tensor<T>& x) {
    return Tensor<T>(StorageRef(), const_cast<T*>(x.data()), x.shape(), x.strides());
}
template <class T>
Sink<T> result_sink(const Tensor<T>& x) {
    return {const_cast<T*>(x.data()), x.shape(), x.strides(), false};
}

// Memory for the steps of a sequence, [steps, ...]: operations store their results in its rows, one
// or several at once, and the rows become one variable without a copy.
template <class T>
class Buffer {
public:
    // On the tape of `like`, if that is recorded, else on the tape that records.
    Buffer(const Variable<T>& like, const Shape& shape);

    Place<T> row(std::size_t index) const;
    Place<T> part(std::size_t begin, std::size_t end) const;
    // Whether `x` is the last result that was stored in that place, with its history.
    bool holds(const Place<T>& place, const Variable<T>& x) const;
    // Rows [begin, end), all written by now, as a variable.
    Variable<T> rows(std::size_t begin, std::size_t end) const;

private:
    Place<T> place(Tensor<T> memory, std::size_t begin) const;

    Tensor<T> memory_;
    Variable<T> whole_; // on a tape
    mutable bool is_untracked_ = false;
};

// The storage of a value that is not used again, for a result to be stored in.
template <class T>
Place<T> in_place_of(const Op& op, const Variable<T>& x);

extern template class Buffer<float>;
extern template class Buffer<double>;

} // namespace unroll
