#pragma once

#include <unroll/core/autograd/variable.hpp>
#include <unroll/core/kernels/operands.hpp>
#include <unroll/core/tensor/region.hpp>

#include <span>

namespace unroll {

// Where a backward rule leaves its share of one input's gradient. The first share is stored, later
// ones are added in place; whatever was broadcast on the way there is summed on the way back, here
// and nowhere else. Shares are linear in the rule's incoming adjoint.
template <class T>
class Adjoint {
public:
    Adjoint(Tape<T>* tape, NodeId node, Region region)
        : tape_(tape), node_(node), region_(std::move(region)) {}

    // False: nobody asked for this gradient, and every share is dropped.
    bool wanted() const { return node_ != no_node; }
    const Shape& shape() const { return region_.shape; }
    // Whether shares are kept as variables, as in a pass that is recorded: then there is no open().
    bool is_recording() const;
    // What operations of such a pass are called.
    Op operation() const;

    // += scale * share. The share may be of any shape that broadcasts to or from this one's.
    void add(const Variable<T>& share, T scale = 1) const;
    // += scale * a b, for matrices; for batches [..., m, k] [..., k, n] the leading axes broadcast.
    void add_product(const Variable<T>& a, const Variable<T>& b, T scale = 1) const;
    // Row indices[i] += share[i], for every i; this adjoint seen as rows along its first axis.
    void add_rows(const Indices& indices, const Variable<T>& share) const;
    // Element elements[i] in row-major order += share[i], for every i.
    void add_picked(const Indices& elements, const Variable<T>& share) const;

    // A part of this adjoint, to add into: the verb is then "add into a region".
    Adjoint slice(std::ptrdiff_t axis, std::size_t begin, std::size_t end) const;
    Adjoint reshape(const Shape& shape) const;
    Adjoint transpose(std::span<const std::size_t> order) const;

    // For kernels: opens this place, all of which will be written. The sink refers to it.
    Sink<T> open() const&;
    Sink<T> open() const&& = delete;
    // The same for several places that one pass over memory will fill, which may overlap.
    static void open(std::span<const Adjoint> places, std::span<Sink<T>> sinks);

private:
    Tensor<T> window() const;
    // Whether this is the whole of a matrix that is a leaf, or that matrix transposed.
    bool is_leaf(bool transposed) const;

    Tape<T>* tape_;
    NodeId node_; // owner of the buffer
    Region region_;
};

extern template class Adjoint<float>;
extern template class Adjoint<double>;

} // namespace unroll
