#include <unroll/core/autograd/adjoint.hpp>
#include <unroll/core/autograd/rule.hpp>
#include <unroll/core/autograd/tape.hpp>
#include <unroll/core/base/error.hpp>

#include <algorithm>

namespace unroll {

namespace {

template <class T>
void require_inside(const Accumulator<T>& to, const char* what, const Indices& indices,
                    std::size_t end) {
    const Indices flat = indices.contiguous();
    const std::int64_t* const all = flat.data();
    for (std::size_t i = 0; i < flat.size(); ++i)
        if (static_cast<std::uint64_t>(all[i]) >= end)
            to.refuse("adds to " + std::string(what) + " " + std::to_string(all[i]) +
                      " of a gradient that has " + std::to_string(end));
}

} // namespace

template <class T>
Adjoint<T> Adjoints<T>::operator[](std::size_t input) const {
    if (input >= inputs_.size())
        to_->refuse("adds to the gradient of input " + std::to_string(input) +
                    ", but the operation has " + std::to_string(inputs_.size()) +
                    " inputs, counted from 0");
    const NodeId id = inputs_[input];
    if (id == no_node || !to_->needs(id)) return Adjoint<T>(*to_);
    const Node<T>& n = to_->tape().node(id);
    return Adjoint<T>(*to_, n.root, n.view);
}

template <class T>
void Adjoint<T>::add(const Variable<T>& x, T scale) const {
    if (needs_grad()) to_->add(root_, part_, x, scale);
}

template <class T>
void Adjoint<T>::add_product(const Variable<T>& a, const Variable<T>& b, T scale) const {
    if (!needs_grad()) return;
    const auto rows = [](const Shape& s) { return s[s.size() - 2]; };
    if (a.dimension() < 2 || b.dimension() < 2 || a.shape().back() != rows(b.shape()))
        to_->refuse("adds the product of " + to_string(a.shape()) + " and " + to_string(b.shape()) +
                    ", expected [..., m, k] and [..., k, n]");
    to_->add_product(root_, part_, a, b, scale);
}

template <class T>
void Adjoint<T>::scatter_rows(const Indices& rows, const Variable<T>& x) const {
    if (!needs_grad()) return;
    if (part_.shape().empty()) to_->refuse("adds rows to the gradient of a scalar");
    require_inside(*to_, "row", rows, part_.shape()[0]);
    Shape row(part_.shape().begin() + 1, part_.shape().end());
    if (x.size() != rows.size() * element_count(row))
        to_->refuse("adds " + std::to_string(rows.size()) + " rows of shape " + to_string(row) +
                    ", but the contribution has shape " + to_string(x.shape()));
    to_->scatter_rows(root_, part_, rows, x);
}

template <class T>
void Adjoint<T>::scatter_elements(const Indices& elements, const Variable<T>& x) const {
    if (!needs_grad()) return;
    require_inside(*to_, "element", elements, part_.size());
    if (x.size() != elements.size())
        to_->refuse("adds " + std::to_string(elements.size()) +
                    " elements, but the contribution has shape " + to_string(x.shape()));
    to_->scatter_elements(root_, part_, elements, x);
}

template <class T>
OutputOperand<T> Adjoint<T>::open() const& {
    if (!needs_grad()) return {};
    OutputOperand<T> sink = to_->open(root_, part_);
    sink.layout = &*part_.layout;
    return sink;
}

template <class T>
void Adjoint<T>::open(std::span<const Adjoint> parts, std::span<OutputOperand<T>> sinks) {
    for (std::size_t i = 0; i < parts.size(); ++i) sinks[i] = parts[i].open();
    // Two leaves of the tape of an InnerRun may represent views of one value.
    const auto is_leaf = [&](std::size_t i) {
        return parts[i].to_->tape().node(parts[i].root_).is_leaf();
    };
    const auto gradient = [&](std::size_t i) {
        return Tensor<T>(StorageRef(), sinks[i].data, parts[i].part_.layout);
    };
    const auto share = [&](std::size_t i, std::size_t j) {
        return parts[i].root_ == parts[j].root_ ||
               (is_leaf(i) && is_leaf(j) && overlap(gradient(i), gradient(j)));
    };
    // If one part is overwritten and a later one adds to some of the same elements, contributions
    // would be lost, unless both visit the same elements at the same time.
    for (std::size_t j = 1; j < parts.size(); ++j) {
        if (!sinks[j].accumulate) continue;
        for (std::size_t i = 0; i < j; ++i) {
            if (sinks[i].accumulate || !parts[i].needs_grad() || !share(i, j)) continue;
            if (sinks[i].data == sinks[j].data && parts[i].part_.layout == parts[j].part_.layout)
                continue;
            gradient(i).fill(T(0));
            sinks[i].accumulate = true;
        }
    }
}

template <class T>
Adjoint<T> Adjoint<T>::slice(std::ptrdiff_t axis, std::size_t begin, std::size_t end) const {
    if (!needs_grad()) return *this;
    const std::size_t a = normal_axis(to_->operation(), axis, part_.shape().size());
    if (begin > end || end > part_.shape()[a])
        to_->refuse("slices [" + std::to_string(begin) + ", " + std::to_string(end) + ") of axis " +
                    std::to_string(a) + " of a gradient of shape " + to_string(part_.shape()));
    Shape shape = part_.shape();
    shape[a] = end - begin;
    const std::size_t offset = begin * static_cast<std::size_t>(part_.strides()[a]);
    return Adjoint(*to_, root_, {part_.offset + offset, shape, part_.strides()});
}

template <class T>
Adjoint<T> Adjoint<T>::reshape(const Shape& shape) const {
    if (!needs_grad()) return *this;
    T* const nowhere = nullptr;
    if (!Tensor<T>(StorageRef(), nowhere, part_.layout).is_contiguous())
        to_->refuse("reshapes the gradient of a view that is not contiguous");
    if (element_count(shape) != part_.size())
        to_->refuse("reshapes a gradient of shape " + to_string(part_.shape()) + " to " +
                    to_string(shape));
    return Adjoint(*to_, root_, {part_.offset, LayoutRef(shape)});
}

template <class T>
Adjoint<T> Adjoint<T>::transpose(std::span<const std::size_t> order) const {
    if (!needs_grad()) return *this;
    const std::size_t rank = part_.shape().size();
    bool is_order = order.size() == rank;
    for (std::size_t axis = 0; axis < rank; ++axis)
        is_order = is_order && std::find(order.begin(), order.end(), axis) != order.end();
    if (!is_order)
        to_->refuse("transposes a gradient of shape " + to_string(part_.shape()) +
                    " by an order that does not name each of its axes once");
    Shape shape(rank);
    Strides strides(rank);
    for (std::size_t i = 0; i < rank; ++i) {
        shape[i] = part_.shape()[order[i]];
        strides[i] = part_.strides()[order[i]];
    }
    return Adjoint(*to_, root_, {part_.offset, shape, strides});
}

template class Adjoint<float>;
template class Adjoint<double>;
template class Adjoints<float>;
template class Adjoints<double>;

} // namespace unroll
