#pragma once

#include <unroll/core/autograd/accumulator.hpp>
#include <unroll/core/autograd/tape.hpp>

#include <vector>

namespace unroll {

// Gradients as buffers that rules add into: the usual backward pass. Products that contribute to
// one weight's gradient over many steps are deferred and joined into one.
template <class T>
class InPlace final : public Accumulator<T> {
public:
    // `whole`: after every rule, buffers hold zeros where nothing was added. `into_parameters`:
    // accumulate directly into the gradient buffer of a parameter that has no gradient.
    InPlace(Tape<T>& tape, bool whole, bool into_parameters);
    // For the tape of an InnerRun in a rule of `outer`: gradients of its leaves are added to those
    // of the inputs of the rule's operation. Throws Error for a leaf that is none of them.
    InPlace(Tape<T>& tape, InPlace& outer);
    ~InPlace() override;

    // The leaves whose gradients `outer` needs.
    const std::vector<NodeId>& needed_leaves() const { return needed_leaves_; }

    bool needs(NodeId id) const override;
    void add(NodeId root, const StridedView& part, const Variable<T>& x, T scale) override;
    void add_product(NodeId root, const StridedView& part, const Variable<T>& a,
                     const Variable<T>& b, T scale) override;
    void scatter_rows(NodeId root, const StridedView& part, const Indices& rows,
                      const Variable<T>& x) override;
    void scatter_elements(NodeId root, const StridedView& part, const Indices& elements,
                          const Variable<T>& x) override;
    OutputOperand<T> open(NodeId root, const StridedView& part) override;
    Variable<T> arrived(NodeId id, bool is_last) override;
    void release(NodeId root) override;

private:
    using DeferredProduct = typename PassMemory<T>::DeferredProduct;
    // Ensures that the root has a buffer and that no deferred product still reads the part, which
    // is about to change. True: add to the part; false: overwrite it.
    bool open_part(NodeId root, const StridedView& part);
    // The part, filled with zeros unless it holds a gradient.
    Tensor<T> opened(NodeId root, const StridedView& part);
    void defer(NodeId target, const Tensor<T>& a, const Tensor<T>& b);
    void flush(std::size_t product);
    void flush_target(NodeId target);
    void flush_overlapping(const Tensor<T>& window);
    // Which accumulator holds the gradient of a root: this one or an outer one, where it is `root`.
    InPlace& holder(NodeId& root) {
        InPlace* to = this;
        for (; to->outer_ != nullptr && to->outer_roots_[root] != no_node; to = to->outer_)
            root = to->outer_roots_[root];
        return *to;
    }

    bool whole_, into_parameters_;
    InPlace* outer_ = nullptr;
    std::vector<NodeId> outer_roots_; // by node
    std::vector<NodeId> needed_leaves_;
    std::vector<DeferredProduct>& deferred_;
    std::size_t open_ = 0; // buffers
};

extern template class InPlace<float>;
extern template class InPlace<double>;

} // namespace unroll
