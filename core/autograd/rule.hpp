#pragma once

#include <unroll/core/autograd/adjoint.hpp>
#include <unroll/core/autograd/formula.hpp>
#include <unroll/core/autograd/variable.hpp>

#include <span>

namespace unroll {

// A value that a rule keeps: its elements, and its place on the tape if it has one.
template <class T>
struct Saved {
    StorageRef storage;
    T* data;
    const Region* layout; // its shape and strides
    NodeId node;
    std::uint32_t version;

    bool changed() const { return storage && storage->version() != version; }
};

// The adjoints of an operation's inputs, by their number.
template <class T>
class Adjoints {
public:
    Adjoints(Tape<T>* tape, std::span<const NodeId> inputs) : tape_(tape), inputs_(inputs) {}
    Adjoint<T> operator[](std::size_t input) const;
    Tape<T>& tape() const { return *tape_; }

private:
    Tape<T>* tape_;
    std::span<const NodeId> inputs_;
};

// What a node does when the sweep reaches it.
template <class T>
class Rule {
public:
    virtual ~Rule() = default;
    // `gradients`: one for each output; the shape of one that nothing arrived at is [0].
    virtual void run(const Adjoints<T>& to, std::span<const Variable<T>> gradients) = 0;
    virtual std::span<const Saved<T>> kept() const = 0;
    // Of a fused operation, what it computes.
    virtual Formula formula() const { return {}; }
};

extern template class Adjoints<float>;
extern template class Adjoints<double>;

} // namespace unroll
