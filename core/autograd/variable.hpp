#pragma once

#include <unroll/core/autograd/parameter.hpp>
#include <unroll/core/tensor/tensor.hpp>

#include <cstdint>

namespace unroll {

template <class T>
class Tape;

// Where a tape is found, or that it is gone: outlives the tape, so that a variable of a tape that
// was cleared or destroyed is noticed.
template <class T>
struct TapeSlot {
    Tape<T>* tape = nullptr;
    std::uint64_t generation = 0;
};

using NodeId = std::uint32_t;
inline constexpr NodeId no_node = ~NodeId{0};

// A value, and its place on a tape if it has one. Without one it is a constant: operations on
// constants alone compute and record nothing. A parameter joins the tape of what it meets; a
// constant may know a tape (Tape::constant) for parameters to meet.
template <class T>
class Variable {
public:
    using value_type = T;

    Variable() = default;
    Variable(Tensor<T> constant) : value_(std::move(constant)) {}
    Variable(T constant) : value_(Tensor<T>::scalar(constant)) {}
    Variable(const Parameter<T>& parameter)
        : value_(parameter.value()), parameter_(parameter.is_trainable() ? &parameter : nullptr) {}
    // `untracked`: computed from parameters that had met no tape, whose gradient is lost.
    Variable(Tensor<T> value, bool untracked) : value_(std::move(value)), untracked_(untracked) {}
    Variable(Tensor<T> value, TapeSlot<T>* slot, std::uint64_t generation, NodeId node)
        : value_(std::move(value)), slot_(slot), generation_(generation), node_(node) {}

    const Tensor<T>& value() const& { return value_; }
    Tensor<T> value() && { return std::move(value_); }
    const Shape& shape() const { return value_.shape(); }
    std::size_t shape(std::size_t axis) const { return value_.shape(axis); }
    std::size_t dimension() const { return value_.dimension(); }
    std::size_t size() const { return value_.size(); }
    T item() const { return value_.item(); }

    // Whether a gradient can flow through it.
    bool is_recorded() const { return node_ != no_node; }
    TapeSlot<T>* slot() const { return slot_; }
    std::uint64_t generation() const { return generation_; }
    NodeId node() const { return node_; }
    const Parameter<T>* parameter() const { return parameter_; }
    bool is_untracked() const { return untracked_; }
    // Its tape, or null. Throws Error where that was cleared or destroyed.
    Tape<T>* tape() const;

private:
    Tensor<T> value_;
    TapeSlot<T>* slot_ = nullptr;
    std::uint64_t generation_ = 0;
    NodeId node_ = no_node;
    bool untracked_ = false;
    const Parameter<T>* parameter_ = nullptr;
};

// The value without its history: no gradient flows back through it.
template <class T>
Variable<T> stop_gradient(const Variable<T>& x) {
    return Variable<T>(x.value(), x.slot(), x.generation(), no_node);
}

} // namespace unroll
