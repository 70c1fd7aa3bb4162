#pragma once

#include <unroll/core/autograd/variable.hpp>

#include <span>

namespace unroll {

// Receives a tape's callbacks from its construction until it or the tape is destroyed. An
// unobserved tape pays one branch per node. An exception thrown by a monitor ends the operation or
// the backward pass.
template <class T>
class Monitor {
public:
    explicit Monitor(Tape<T>& tape);
    virtual ~Monitor();
    Monitor(const Monitor&) = delete;
    Monitor& operator=(const Monitor&) = delete;

    // An operation was computed and recorded; its results are consecutive nodes from `first`.
    virtual void recorded(NodeId /*first*/, std::span<const Variable<T>* const> /*inputs*/,
                          std::span<const Variable<T>> /*results*/) {}
    // The rule of an operation is about to run. `gradients`: one per result; no storage if it
    // received none.
    virtual void before_rule(NodeId /*first*/, std::span<const Variable<T>> /*gradients*/) {}
    virtual void after_rule(NodeId /*first*/) {}
    // The gradient of a leaf or parameter is complete.
    virtual void leaf(NodeId /*id*/, const Tensor<T>& /*gradient*/) {}
    // The tape was cleared.
    virtual void cleared() {}
    // Whether gradients must be complete after every rule: the sum of all contributions so far, and
    // zeros elsewhere.
    virtual bool needs_whole_gradients() const { return false; }

protected:
    // Null once the tape is destroyed.
    Tape<T>* tape() const { return tape_; }

private:
    friend class Tape<T>;
    Tape<T>* tape_;
    Monitor* next_;
};

extern template class Monitor<float>;
extern template class Monitor<double>;

} // namespace unroll
