#pragma once

#include <unroll/core/autograd/variable.hpp>

#include <span>

namespace unroll {

// Is told what a tape does from its construction until it or the tape is destroyed; tapes without
// one pay a comparison a node. What a monitor throws ends the operation or the backward pass.
template <class T>
class Monitor {
public:
    explicit Monitor(Tape<T>& tape);
    virtual ~Monitor();
    Monitor(const Monitor&) = delete;
    Monitor& operator=(const Monitor&) = delete;

    // An operation was computed and recorded, its results on the nodes from `first` on.
    virtual void recorded(NodeId /*first*/, std::span<const Variable<T>* const> /*inputs*/,
                          std::span<const Variable<T>> /*results*/) {}
    // The rule of an operation is about to run. `gradients`: one for each result; no storage where
    // nothing arrived.
    virtual void before_rule(NodeId /*first*/, std::span<const Variable<T>> /*gradients*/) {}
    virtual void after_rule(NodeId /*first*/) {}
    // The gradient of a leaf or parameter is complete.
    virtual void leaf(NodeId /*id*/, const Tensor<T>& /*gradient*/) {}
    // The tape was cleared.
    virtual void cleared() {}
    // Whether after every rule the gradients must hold all that rules have added and zeros
    // elsewhere.
    virtual bool needs_whole_gradients() const { return false; }

protected:
    // Null once the tape is gone.
    Tape<T>* tape() const { return tape_; }

private:
    friend class Tape<T>;
    Tape<T>* tape_;
    Monitor* next_;
};

extern template class Monitor<float>;
extern template class Monitor<double>;

} // namespace unroll
