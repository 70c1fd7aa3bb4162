#pragma once

#include <unroll/core/autograd/accumulator.hpp>

#include <span>

namespace unroll {

// Accumulates a rule's gradient of one input. The first contribution is stored, later ones are
// added in place. Broadcasting in the forward pass is reversed here and nowhere else.
// Contributions are linear in the gradient that the rule received. Throws Error, naming the
// operation, if shapes or indices do not match.
template <class T>
class Adjoint {
public:
    // For an input that needs no gradient: contributions are dropped.
    explicit Adjoint(Accumulator<T>& to) : to_(&to) {}
    Adjoint(Accumulator<T>& to, NodeId root, StridedView part)
        : to_(&to), root_(root), part_(std::move(part)) {}

    // False: this gradient was not requested, and contributions are dropped.
    bool needs_grad() const { return root_ != no_node; }
    const Shape& shape() const { return part_.shape(); }
    // Whether the pass is recorded: then there is no open().
    bool is_recording() const { return to_->is_recording(); }
    // The name for operations that a rule records.
    Op operation() const { return Op::unplaced(to_->derivative_name()); }

    // += scale * x, of any shape that broadcasts to or from this one.
    void add(const Variable<T>& x, T scale = 1) const;
    // += scale * a b, for matrices; for batches [..., m, k] [..., k, n] the leading axes broadcast.
    void add_product(const Variable<T>& a, const Variable<T>& b, T scale = 1) const;
    // Row rows[i] += x[i], for every i; rows along the first axis.
    void scatter_rows(const Indices& rows, const Variable<T>& x) const;
    // Element elements[i], in row-major order, += x[i], for every i.
    void scatter_elements(const Indices& elements, const Variable<T>& x) const;

    // A view of this adjoint, to accumulate into a part of the gradient.
    Adjoint slice(std::ptrdiff_t axis, std::size_t begin, std::size_t end) const;
    Adjoint reshape(const Shape& shape) const;
    Adjoint transpose(std::span<const std::size_t> order) const;

    // For kernels: opens this part, all of which will be written. The result refers to it.
    OutputOperand<T> open() const&;
    OutputOperand<T> open() const&& = delete;
    // The same for several parts, possibly overlapping, that one pass over memory will fill.
    static void open(std::span<const Adjoint> parts, std::span<OutputOperand<T>> sinks);

private:
    Accumulator<T>* to_;
    NodeId root_ = no_node;
    StridedView part_;
};

extern template class Adjoint<float>;
extern template class Adjoint<double>;

} // namespace unroll
