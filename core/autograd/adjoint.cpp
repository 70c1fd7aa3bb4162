#include <unroll/core/autograd/adjoint.hpp>
#include <unroll/core/autograd/rule.hpp>
#include <unroll/core/autograd/tape.hpp>
#include <unroll/core/base/error.hpp>

#include <algorithm>

namespace unroll {

template <class T>
Adjoint<T> Adjoints<T>::operator[](std::size_t input) const {
    const NodeId id = inputs_[input];
    if (id == no_node || !to_->needs(id)) return Adjoint<T>(*to_);
    const Node<T>& n = to_->tape().node(id);
    return Adjoint<T>(*to_, n.root, *n.view);
}

template <class T>
void Adjoint<T>::add(const Variable<T>& x, T scale) const {
    if (needs_grad()) to_->add(root_, part_, x, scale);
}

template <class T>
void Adjoint<T>::add_product(const Variable<T>& a, const Variable<T>& b, T scale) const {
    if (needs_grad()) to_->add_product(root_, part_, a, b, scale);
}

template <class T>
void Adjoint<T>::scatter_rows(const Indices& rows, const Variable<T>& x) const {
    if (needs_grad()) to_->scatter_rows(root_, part_, rows, x);
}

template <class T>
void Adjoint<T>::scatter_elements(const Indices& elements, const Variable<T>& x) const {
    if (needs_grad()) to_->scatter_elements(root_, part_, elements, x);
}

template <class T>
OutputOperand<T> Adjoint<T>::open() const& {
    if (!needs_grad()) return {};
    OutputOperand<T> sink = to_->open(root_, part_);
    sink.shape = &part_.shape;
    sink.strides = &part_.strides;
    return sink;
}

template <class T>
void Adjoint<T>::open(std::span<const Adjoint> parts, std::span<OutputOperand<T>> sinks) {
    for (std::size_t i = 0; i < parts.size(); ++i) sinks[i] = parts[i].open();
    // If one part is overwritten and a later one adds to some of the same elements, contributions
    // would be lost, unless both visit the same elements at the same time.
    for (std::size_t j = 1; j < parts.size(); ++j) {
        if (!sinks[j].accumulate) continue;
        for (std::size_t i = 0; i < j; ++i) {
            if (sinks[i].accumulate || !parts[i].needs_grad() || parts[i].root_ != parts[j].root_)
                continue;
            if (sinks[i].data == sinks[j].data && *sinks[i].strides == *sinks[j].strides &&
                *sinks[i].shape == *sinks[j].shape)
                continue;
            Tensor<T>(StorageRef(), sinks[i].data, *sinks[i].shape, *sinks[i].strides).fill(T(0));
            sinks[i].accumulate = true;
        }
    }
}

template <class T>
Adjoint<T> Adjoint<T>::slice(std::ptrdiff_t axis, std::size_t begin, std::size_t end) const {
    if (!needs_grad()) return *this;
    const std::size_t a = normal_axis(Op::unplaced("slice"), axis, part_.shape.size());
    StridedView part = part_;
    part.offset += begin * static_cast<std::size_t>(part.strides[a]);
    part.shape[a] = end - begin;
    return Adjoint(*to_, root_, part);
}

template <class T>
Adjoint<T> Adjoint<T>::reshape(const Shape& shape) const {
    if (!needs_grad()) return *this;
    T* const nowhere = nullptr;
    if (!Tensor<T>(StorageRef(), nowhere, part_.shape, part_.strides).is_contiguous())
        fail("Adjoint::reshape", "the input is a view that is not contiguous");
    return Adjoint(*to_, root_, {part_.offset, shape, row_major(shape)});
}

template <class T>
Adjoint<T> Adjoint<T>::transpose(std::span<const std::size_t> order) const {
    if (!needs_grad()) return *this;
    StridedView part = part_;
    for (std::size_t i = 0; i < order.size(); ++i) {
        part.shape[i] = part_.shape[order[i]];
        part.strides[i] = part_.strides[order[i]];
    }
    return Adjoint(*to_, root_, part);
}

template class Adjoint<float>;
template class Adjoint<double>;
template class Adjoints<float>;
template class Adjoints<double>;

} // namespace unroll
