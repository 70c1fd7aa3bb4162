#pragma once

#include <unroll/core/autograd/tape.hpp>

#include <vector>

namespace unroll::detail {

// For its scope, a function of this thread runs on `tape`, whose leaves represent the parameters
// and the variables of older tapes that the function reads. With `reads`, nothing is recorded: the
// operations only compute, and list these variables instead. Their results are then
// Lost::in_gradient.
template <class T>
class InnerRun {
public:
    InnerRun(Tape<T>& tape, std::vector<Variable<T>>* reads);
    ~InnerRun() { current_ = outer_; }
    InnerRun(const InnerRun&) = delete;
    InnerRun& operator=(const InnerRun&) = delete;

    // Null if there is none on this thread.
    static const InnerRun* current() { return current_; }
    Tape<T>& tape() const { return tape_; }
    TapeSlot<T>* slot() const { return slot_; }
    // Whether a recorded value belongs to an older tape.
    bool is_outside(const Value<T>& x) const {
        return x.slot != slot_ && x.slot->lifetime.load(std::memory_order_relaxed) < lifetime_;
    }
    bool only_computes() const { return reads_ != nullptr; }
    // Adds the operands that need a gradient to the list.
    void note(std::span<const Variable<T>* const> operands) const;

private:
    static thread_local constinit const InnerRun* current_;
    Tape<T>& tape_;
    TapeSlot<T>* slot_;
    std::uint64_t lifetime_;
    std::vector<Variable<T>>* reads_;
    const InnerRun* outer_;
};

// For its scope, this thread runs a function a second time: what the first run has counted, as the
// running statistics of a normalisation, must not be counted again.
class SecondRun {
public:
    SecondRun();
    ~SecondRun();
    SecondRun(const SecondRun&) = delete;
    SecondRun& operator=(const SecondRun&) = delete;
    static bool is_on() { return is_on_; }

private:
    static thread_local constinit bool is_on_;
    bool outer_;
};

extern template class InnerRun<float>;
extern template class InnerRun<double>;

} // namespace unroll::detail
