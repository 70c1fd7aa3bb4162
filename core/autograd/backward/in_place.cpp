#include <unroll/core/autograd/backward/in_place.hpp>
#include <unroll/core/autograd/backward/linear_maps.hpp>
#include <unroll/core/autograd/backward/pass.hpp>
#include <unroll/core/autograd/buffer.hpp>
#include <unroll/core/kernels/loops.hpp>
#include <unroll/core/kernels/product.hpp>

#include <algorithm>
#include <optional>

namespace unroll {

namespace {

// x and then next, if they are neighbours in memory along `axis`.
template <class T>
std::optional<Tensor<T>> joined(const Tensor<T>& x, const Tensor<T>& next, std::size_t axis) {
    if (x.storage() != next.storage() || x.strides() != next.strides()) return {};
    if (x.data() + x.strides()[axis] * static_cast<std::ptrdiff_t>(x.shape(axis)) != next.data())
        return {};
    Shape shape = x.shape();
    shape[axis] += next.shape(axis);
    return Tensor<T>(x.storage(), const_cast<T*>(x.data()), shape, x.strides());
}

} // namespace

template <class T>
InPlace<T>::InPlace(Tape<T>& tape, bool whole, bool into_parameters)
    : Accumulator<T>(tape), whole_(whole), into_parameters_(into_parameters),
      deferred_(tape.m_->pass.deferred) {}

template <class T>
InPlace<T>::InPlace(Tape<T>& tape, InPlace& outer)
    : Accumulator<T>(tape), whole_(outer.whole_), into_parameters_(false), outer_(&outer),
      outer_roots_(tape.size(), no_node), deferred_(tape.m_->pass.deferred) {
    const Node<T>& running = *outer.running_;
    const std::span inputs(running.inputs, running.input_count);
    for (const auto& [x, id] : tape.m_->leaf_order) {
        const NodeId of = outer.tape_.id_of(x);
        if (std::find(inputs.begin(), inputs.end(), of) == inputs.end())
            outer.refuse("runs a function again, which now reads " +
                         (x.is_parameter()
                              ? "the parameter '" + tape.node(id).parameter->name() + "'"
                              : std::string("a variable")) +
                         " of shape " + to_string(x.shape()) +
                         ", but did not the first time; it must compute the same both times");
        outer_roots_[id] = outer.tape_.node(of).root;
        if (outer.needs(of)) needed_leaves_.push_back(id);
    }
}

template <class T>
InPlace<T>::~InPlace() {
    // A pass that has finished has released all of them.
    for (NodeId id = 0; open_ != 0; ++id) release(id);
    deferred_.clear();
}

template <class T>
bool InPlace<T>::needs(NodeId id) const {
    return (this->tape_.m_->flags[id] & BackwardPass<T>::needed) != 0;
}

template <class T>
bool InPlace<T>::open_part(NodeId id, const StridedView& part) {
    Node<T>& root = this->tape_.node(id);
    if (root.gradient == nullptr) {
        auto& spare = this->tape_.m_->spare_gradients;
        if (spare.empty()) spare.push_back(std::make_unique<Gradient<T>>());
        Gradient<T>& fresh = *spare.back();
        if (into_parameters_ && root.parameter != nullptr && !root.parameter->has_gradient &&
            root.parameter->lent_to == nullptr) {
            root.parameter->lent_to = &fresh;
            const Tensor<T>& buffer = ParameterRef<T>(root.parameter).gradient_buffer();
            fresh.storage = buffer.storage();
            fresh.data = const_cast<T*>(buffer.data());
        } else {
            const std::size_t bytes = root.view.size() * sizeof(T);
            fresh.storage = StorageRef(Storage::allocate(bytes));
            fresh.data = static_cast<T*>(fresh.storage->data());
        }
        if (whole_) std::fill_n(fresh.data, root.view.size(), T(0));
        root.gradient = spare.back().release();
        spare.pop_back();
        ++open_;
    }
    Gradient<T>& gradient = *root.gradient;
    for (InPlace* a = this; a != nullptr; a = a->outer_)
        if (!a->deferred_.empty()) a->flush_overlapping(gradient.at(part));
    return gradient.covered.take(gradient.data, root.view, part);
}

template <class T>
Tensor<T> InPlace<T>::opened(NodeId root, const StridedView& part) {
    const bool holds = open_part(root, part);
    Tensor<T> target = unversioned(this->tape_.node(root).gradient->at(part));
    if (!holds) target.fill(T(0));
    return target;
}

template <class T>
OutputOperand<T> InPlace<T>::open(NodeId root, const StridedView& part) {
    if (InPlace& to = holder(root); &to != this) return to.open(root, part);
    const bool add = open_part(root, part);
    return {this->tape_.node(root).gradient->data + part.offset, part.layout, add};
}

template <class T>
void InPlace<T>::add(NodeId root, const StridedView& part, const Variable<T>& x, T scale) {
    const Tensor<T> sums = summed_to(x.value(), part.shape());
    map_elements(broadcast(this->operation(), sums.shape(), part.shape()),
                 std::array{InputOperand<T>(sums)}, std::array{open(root, part)},
                 [scale](auto v) { return v * scale; });
}

template <class T>
void InPlace<T>::add_product(NodeId root, const StridedView& part, const Variable<T>& a,
                             const Variable<T>& b, T scale) {
    if (InPlace& to = holder(root); &to != this) return to.add_product(root, part, a, b, scale);
    const Tensor<T>&x = a.value(), &y = b.value();
    Shape shape = broadcast(this->operation(), Shape(x.shape().begin(), x.shape().end() - 2),
                            Shape(y.shape().begin(), y.shape().end() - 2));
    shape.push_back(x.shape(x.dimension() - 2));
    shape.push_back(y.shape(y.dimension() - 1));
    if (shape != part.shape() || repeats(part)) {
        Tensor<T> product(shape);
        multiply(x, y, scale, T(0), product);
        return add(root, part, Variable<T>(std::move(product)), T(1));
    }
    if (scale == T(1) && this->is_matrix_leaf(root, part, false)) return defer(root, x, y);
    if (scale == T(1) && this->is_matrix_leaf(root, part, true))
        return defer(root, y.transpose(), x.transpose());
    const bool add = open_part(root, part);
    Tensor<T> target = unversioned(this->tape_.node(root).gradient->at(part));
    multiply(x, y, scale, T(add ? 1 : 0), target);
}

template <class T>
void InPlace<T>::scatter_rows(NodeId root, const StridedView& part, const Indices& rows,
                              const Variable<T>& x) {
    if (InPlace& to = holder(root); &to != this) return to.scatter_rows(root, part, rows, x);
    Tensor<T> target = opened(root, part);
    add_rows(target, rows, x.value());
}

template <class T>
void InPlace<T>::scatter_elements(NodeId root, const StridedView& part, const Indices& elements,
                                  const Variable<T>& x) {
    if (InPlace& to = holder(root); &to != this)
        return to.scatter_elements(root, part, elements, x);
    Tensor<T> target = opened(root, part);
    const Indices flat = elements.contiguous();
    const Tensor<T> added = x.value().contiguous();
    T* const to = target.data();
    for (std::size_t i = 0; i < flat.size(); ++i) {
        auto at = static_cast<std::size_t>(flat.data()[i]);
        std::ptrdiff_t offset = 0;
        for (std::size_t a = part.shape().size(); a-- > 0; at /= part.shape()[a])
            offset += static_cast<std::ptrdiff_t>(at % part.shape()[a]) * part.strides()[a];
        to[offset] += added.data()[i];
    }
}

template <class T>
void InPlace<T>::defer(NodeId target, const Tensor<T>& a, const Tensor<T>& b) {
    for (std::size_t i = 0; i < deferred_.size(); ++i) {
        DeferredProduct& p = deferred_[i];
        if (p.target != target) continue;
        auto left = joined(a, p.a, 1), right = joined(b, p.b, 0);
        if (!left || !right) left = joined(p.a, a, 1), right = joined(p.b, b, 0);
        if (left && right) {
            p.a = *left;
            p.b = *right;
            return;
        }
        flush(i);
        break;
    }
    deferred_.push_back({target, a, b});
    if (whole_) flush_target(target);
}

template <class T>
void InPlace<T>::flush(std::size_t product) {
    const DeferredProduct p = std::move(deferred_[product]);
    deferred_.erase(deferred_.begin() + static_cast<std::ptrdiff_t>(product));
    const StridedView& whole = this->tape_.node(p.target).view;
    const bool add = open_part(p.target, whole);
    Tensor<T> target = unversioned(this->tape_.node(p.target).gradient->at(whole));
    multiply(p.a, p.b, T(1), T(add ? 1 : 0), target);
}

template <class T>
void InPlace<T>::flush_overlapping(const Tensor<T>& window) {
    for (std::size_t i = deferred_.size(); i-- > 0;)
        if (overlap(deferred_[i].a, window) || overlap(deferred_[i].b, window)) flush(i);
}

template <class T>
void InPlace<T>::flush_target(NodeId target) {
    for (std::size_t i = deferred_.size(); i-- > 0;)
        if (deferred_[i].target == target) flush(i);
}

template <class T>
Variable<T> InPlace<T>::arrived(NodeId id, bool is_last) {
    const Node<T>& n = this->tape_.node(id);
    if (!deferred_.empty() && n.is_leaf()) flush_target(id);
    const Node<T>& root = this->tape_.node(n.root);
    Gradient<T>* const gradient = root.gradient;
    if (gradient == nullptr || gradient->covered.none()) return {};
    const StridedView& part = n.view;
    if (n.root == id) {
        gradient->covered.settle(gradient->data, part.size());
        if (!is_last) return gradient->at(part);
        return Tensor<T>(std::move(gradient->storage), gradient->data, part.layout);
    }
    const Tensor<T> found = gradient->at(part);
    if (!gradient->covered.take(gradient->data, root.view, part)) unversioned(found).fill(T(0));
    return found;
}

template <class T>
void InPlace<T>::release(NodeId id) {
    Node<T>& root = this->tape_.node(id);
    if (root.gradient == nullptr) return;
    if (root.parameter != nullptr && root.parameter->lent_to == root.gradient)
        root.parameter->lent_to = nullptr;
    root.gradient->storage = StorageRef();
    root.gradient->covered.reset();
    this->tape_.m_->spare_gradients.emplace_back(root.gradient);
    root.gradient = nullptr;
    --open_;
}

template class InPlace<float>;
template class InPlace<double>;

} // namespace unroll
