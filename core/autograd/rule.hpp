#pragma once

#include <unroll/core/autograd/adjoint.hpp>
#include <unroll/core/autograd/formula.hpp>
#include <unroll/core/autograd/variable.hpp>

#include <span>
#include <string>

namespace unroll {

// A saved tensor, and its version when it was saved.
template <class U>
struct SavedTensor {
    explicit SavedTensor(const Tensor<U>& x)
        : value(x), version(x.storage() ? x.storage()->version() : 0) {}

    bool has_changed() const { return value.storage() && value.storage()->version() != version; }
    std::string text() const {
        const char* const what = std::is_same_v<U, bool>           ? "the mask"
                                 : std::is_same_v<U, std::int64_t> ? "the indices"
                                                                   : "the tensor";
        return what + (" of shape " + to_string(value.shape()));
    }

    Tensor<U> value;
    std::uint32_t version;
};

// A saved variable, its node on the tape, and the version of its value.
template <class T>
struct Saved {
    Variable<T> variable;
    NodeId node;
    std::uint32_t version;

    const Tensor<T>& value() const { return variable.value(); }
    bool has_changed() const {
        return value().storage() && value().storage()->version() != version;
    }
    // The same, or overwritten by a node after `last`.
    bool has_changed(const Tape<T>& tape, NodeId last) const {
        return has_changed() || (node != no_node && tape.overwritten(node, last));
    }
};

// The adjoints of an operation's inputs, by index.
template <class T>
class Adjoints {
public:
    Adjoints(Accumulator<T>& to, std::span<const NodeId> inputs) : to_(&to), inputs_(inputs) {}
    Adjoint<T> operator[](std::size_t input) const;
    Accumulator<T>& accumulator() const { return *to_; }
    // Whether the pass is recorded: contributions must then be computed with variables.
    bool is_recording() const { return to_->is_recording(); }

private:
    Accumulator<T>* to_;
    std::span<const NodeId> inputs_;
};

// The backward function of an operation.
template <class T>
class Rule {
public:
    virtual ~Rule() = default;
    // Accumulates vector-Jacobian products into `to`. `gradients`: one per output; an empty tensor
    // means that this output received no gradient.
    virtual void run(const Adjoints<T>& to, std::span<const Variable<T>> gradients) = 0;
    virtual std::span<const Saved<T>> kept() const = 0;
    // Whether a saved value has changed, or was overwritten by a node after `last` of the
    // operation.
    virtual bool has_changed(const Tape<T>& tape, NodeId last) const {
        for (const Saved<T>& x : kept())
            if (x.has_changed(tape, last)) return true;
        return !changed().empty();
    }
    // The changed one among the tensors saved in addition to kept(): "the indices of shape [3]".
    // Empty: none.
    virtual std::string changed() const { return {}; }
    // Whether it computes with plain tensors, so that its result cannot be differentiated.
    virtual bool is_differentiable_once() const { return false; }
    // What a fused operation computes.
    virtual Formula formula() const { return {}; }
};

extern template class Adjoints<float>;
extern template class Adjoints<double>;

} // namespace unroll
