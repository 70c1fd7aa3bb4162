#include <unroll/core/autograd/record.hpp>
#include <unroll/core/autograd/shares.hpp>
#include <unroll/core/kernels/loops.hpp>
#include <unroll/core/kernels/product.hpp>

namespace unroll {

template <class T>
Tensor<T> Adjoint<T>::window() const {
    const Gradient<T>& gradient = *tape_->node(node_).gradient;
    return Tensor<T>(gradient.storage, gradient.data + region_.offset, region_.shape,
                     region_.strides);
}

template <class T>
bool Adjoint<T>::is_recording() const {
    return tape_->shares() != nullptr;
}

template <class T>
Op Adjoint<T>::operation() const {
    return Op::unplaced(tape_->derivative_name());
}

template <class T>
Sink<T> Adjoint<T>::open() const& {
    if (!wanted()) return {};
    const bool add = tape_->open_part(node_, region_);
    T* const gradient = tape_->node(node_).gradient->data;
    return {gradient + region_.offset, region_.shape, region_.strides, add};
}

template <class T>
void Adjoint<T>::open(std::span<const Adjoint> places, std::span<Sink<T>> sinks) {
    for (std::size_t i = 0; i < places.size(); ++i) sinks[i] = places[i].open();
    // A place that is overwritten while a later one adds to some of its elements would lose them,
    // except where both pass the same elements at the same time.
    for (std::size_t j = 1; j < places.size(); ++j) {
        if (!sinks[j].accumulate) continue;
        for (std::size_t i = 0; i < j; ++i) {
            if (sinks[i].accumulate || !places[i].wanted() || places[i].node_ != places[j].node_)
                continue;
            if (sinks[i].data == sinks[j].data && *sinks[i].strides == *sinks[j].strides &&
                *sinks[i].shape == *sinks[j].shape)
                continue;
            places[i].window().fill(T(0));
            sinks[i].accumulate = true;
        }
    }
}

template <class T>
void Adjoint<T>::add(const Variable<T>& share, T scale) const {
    if (!wanted()) return;
    if (Shares<T>* shares = tape_->shares()) {
        const bool fits = scale == T(1) && share.shape() == region_.shape;
        const std::size_t size = element_count(tape_->node(node_).region->shape);
        return shares->add(node_, size, region_,
                           fits ? share : fit(operation(), share, region_.shape, scale));
    }
    const Tensor<T>& x = share.value();
    const Shape common = broadcast(Op::unplaced("add to an adjoint"), x.shape(), region_.shape);
    map_elements(common, std::array{Source<T>(x)}, std::array{open()},
                 [scale](auto v) { return v * scale; });
}

template <class T>
bool Adjoint<T>::is_leaf(bool transposed) const {
    const Node<T>& n = tape_->node(node_);
    const Region& whole = *n.region;
    if (n.input_count != 0 || n.rows != no_node || whole.shape.size() != 2 ||
        region_.shape.size() != 2)
        return false;
    const std::size_t rows = transposed ? 1 : 0, columns = 1 - rows;
    return region_.shape[rows] == whole.shape[0] && region_.shape[columns] == whole.shape[1] &&
           region_.strides[rows] == whole.strides[0] &&
           region_.strides[columns] == whole.strides[1];
}

template <class T>
void Adjoint<T>::add_product(const Variable<T>& a, const Variable<T>& b, T scale) const {
    if (!wanted()) return;
    if (Shares<T>* shares = tape_->shares()) {
        const bool plain = scale == T(1) && a.dimension() == 2 && b.dimension() == 2;
        if (plain && is_leaf(false)) return shares->add_product(node_, a, b);
        if (plain && is_leaf(true)) return shares->add_product(node_, transposed(b), transposed(a));
        // Of a transposed place the transposed product, so that rows are added to rows.
        const std::size_t rank = region_.shape.size();
        if (rank == 2 && plain && region_.strides[0] < region_.strides[1]) {
            const std::size_t order[] = {1, 0};
            return transpose(order).add(product(operation(), transposed(b), transposed(a)));
        }
        return add(product(operation(), a, b), scale);
    }
    const Tensor<T>&x = a.value(), &y = b.value();
    Shape shape = broadcast(Op::unplaced("add a product to an adjoint"),
                            Shape(x.shape().begin(), x.shape().end() - 2),
                            Shape(y.shape().begin(), y.shape().end() - 2));
    shape.push_back(x.shape(x.dimension() - 2));
    shape.push_back(y.shape(y.dimension() - 1));
    if (shape != region_.shape || repeats(region_)) {
        Tensor<T> product(shape);
        multiply(x, y, scale, T(0), product);
        return add(Variable<T>(std::move(product)));
    }
    if (scale == T(1) && is_leaf(false)) return tape_->defer_product(node_, x, y);
    if (scale == T(1) && is_leaf(true))
        return tape_->defer_product(node_, y.transpose(), x.transpose());
    const bool add = tape_->open_part(node_, region_);
    Tensor<T> target = window();
    multiply(x, y, scale, T(add ? 1 : 0), target);
}

template <class T>
void Adjoint<T>::add_rows(const Indices& indices, const Variable<T>& share) const {
    if (!wanted()) return;
    if (tape_->shares() != nullptr)
        return add(put_rows(operation(), share, indices, region_.shape));
    // Some rows may get nothing: open all of it for zeros.
    const Sink<T> sink = open();
    Tensor<T> target = window();
    if (!sink.accumulate) target.fill(T(0));
    unroll::add_rows(target, indices, share.value());
}

template <class T>
void Adjoint<T>::add_picked(const Indices& elements, const Variable<T>& share) const {
    if (!wanted()) return;
    if (tape_->shares() != nullptr) {
        const Shape flat{element_count(region_.shape)};
        const Variable<T> all = put_rows(operation(), share, elements, flat);
        return add(record_view(Op::unplaced("reshape"), all, all.value().reshape(region_.shape)));
    }
    const Sink<T> sink = open();
    Tensor<T> target = window();
    if (!sink.accumulate) target.fill(T(0));
    const Indices flat = elements.contiguous();
    const Tensor<T> shares = share.value().contiguous();
    for (std::size_t i = 0; i < flat.size(); ++i) {
        auto at = static_cast<std::size_t>(flat.data()[i]);
        std::ptrdiff_t offset = 0;
        for (std::size_t a = region_.shape.size(); a-- > 0; at /= region_.shape[a])
            offset += static_cast<std::ptrdiff_t>(at % region_.shape[a]) * region_.strides[a];
        target.data()[offset] += shares.data()[i];
    }
}

template <class T>
Adjoint<T> Adjoint<T>::slice(std::ptrdiff_t axis, std::size_t begin, std::size_t end) const {
    if (!wanted()) return *this;
    const std::size_t a = normal_axis(Op::unplaced("slice"), axis, region_.shape.size());
    Region part = region_;
    part.offset += begin * static_cast<std::size_t>(part.strides[a]);
    part.shape[a] = end - begin;
    return Adjoint(tape_, node_, part);
}

template <class T>
Adjoint<T> Adjoint<T>::reshape(const Shape& shape) const {
    if (!wanted()) return *this;
    // A tensor without memory knows how its strides split; where they cannot, there is no window.
    T* const nowhere = nullptr;
    const Tensor<T> flat = Tensor<T>(StorageRef(), nowhere, region_.shape, region_.strides);
    if (!flat.is_contiguous())
        fail("Adjoint::reshape", "the input is a view that is not contiguous");
    return Adjoint(tape_, node_, {region_.offset, shape, row_major(shape)});
}

template <class T>
Adjoint<T> Adjoint<T>::transpose(std::span<const std::size_t> order) const {
    if (!wanted()) return *this;
    Region part = region_;
    for (std::size_t i = 0; i < order.size(); ++i) {
        part.shape[i] = region_.shape[order[i]];
        part.strides[i] = region_.strides[order[i]];
    }
    return Adjoint(tape_, node_, part);
}

template class Adjoint<float>;
template class Adjoint<double>;

} // namespace unroll
