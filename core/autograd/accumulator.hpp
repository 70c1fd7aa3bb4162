#pragma once

#include <unroll/core/autograd/variable.hpp>
#include <unroll/core/kernels/operands.hpp>
#include <unroll/core/tensor/strided_view.hpp>

#include <span>
#include <string>

namespace unroll {

template <class T>
struct Node;

// Accumulates the gradients of one backward pass. A gradient belongs to the root of a node: the
// node itself, unless it is a view. There are two: InPlace adds into buffers, Recorded keeps the
// contributions as variables, so that the pass can be differentiated. Rules use Adjoint.
template <class T>
class Accumulator {
public:
    explicit Accumulator(Tape<T>& tape) : tape_(tape) {}
    virtual ~Accumulator() = default;
    Accumulator(const Accumulator&) = delete;
    Accumulator& operator=(const Accumulator&) = delete;

    Tape<T>& tape() const { return tape_; }
    // Whether gradients are variables: then there is no open().
    bool is_recording() const { return is_recording_; }
    // Whether a requested gradient depends on that of the node.
    virtual bool needs(NodeId id) const = 0;
    // Called around the rule of the operation `id`, which received `gradients`.
    virtual void begin_rule(NodeId id, std::span<const Variable<T>> gradients);
    virtual void end_rule() { running_ = nullptr; }
    // The operation whose rule is running.
    Op operation() const;
    // Throws Error about the running rule.
    [[noreturn]] void refuse(const std::string& problem) const;
    // The name for operations that a rule records: "∂tanh".
    virtual const char* derivative_name() const { return ""; }

    // part += scale * x, where x has the part's shape or broadcasts to or from it.
    virtual void add(NodeId root, const StridedView& part, const Variable<T>& x, T scale) = 0;
    // part += scale * a b for matrices, or for batches whose leading axes broadcast.
    virtual void add_product(NodeId root, const StridedView& part, const Variable<T>& a,
                             const Variable<T>& b, T scale) = 0;
    // Row rows[i] of the part += x[i], for every i.
    virtual void scatter_rows(NodeId root, const StridedView& part, const Indices& rows,
                              const Variable<T>& x) = 0;
    // Element elements[i] of the part, in row-major order, += x[i], for every i.
    virtual void scatter_elements(NodeId root, const StridedView& part, const Indices& elements,
                                  const Variable<T>& x) = 0;
    // In place only: announces that all of the part will be written.
    virtual OutputOperand<T> open(NodeId root, const StridedView& part) = 0;

    // The accumulated gradient of a node; no storage if it received none. The last request
    // for a root's gradient may take its buffer.
    virtual Variable<T> arrived(NodeId id, bool is_last) = 0;
    // Frees the gradient of a root.
    virtual void release(NodeId root) = 0;

protected:
    // Whether the part is an entire leaf matrix, or its transpose: then the products of many steps
    // may be joined.
    bool is_matrix_leaf(NodeId root, const StridedView& part, bool transposed) const;

    Tape<T>& tape_;
    bool is_recording_ = false;
    const Node<T>* running_ = nullptr; // while a rule runs: its operation
};

extern template class Accumulator<float>;
extern template class Accumulator<double>;

} // namespace unroll
