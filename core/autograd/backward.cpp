#include <unroll/core/autograd/record.hpp>
#include <unroll/core/autograd/shares.hpp>
#include <unroll/core/autograd/tape.hpp>
#include <unroll/core/kernels/product.hpp>

#include <algorithm>

namespace unroll {

namespace {

// The addresses that a tensor's elements lie between.
template <class T>
std::pair<const T*, const T*> extent_of(const Tensor<T>& x) {
    const T* low = x.data();
    const T* high = x.data();
    for (std::size_t i = 0; i < x.dimension(); ++i) {
        const auto span = x.strides()[i] * (static_cast<std::ptrdiff_t>(x.shape(i)) - 1);
        (span < 0 ? low : high) += span;
    }
    return {low, high + 1};
}

template <class T>
bool overlap(const Tensor<T>& x, const StorageRef& storage, const T* begin, const T* end) {
    if (x.storage() != storage) return false;
    const auto [low, high] = extent_of(x);
    return low < end && begin < high;
}

// Whether `next` continues `x` along `axis` in memory, behind it or before it.
template <class T>
bool continues(const Tensor<T>& x, const Tensor<T>& next, std::size_t axis, bool behind) {
    if (x.storage() != next.storage() || x.strides() != next.strides()) return false;
    const Tensor<T>& first = behind ? x : next;
    const Tensor<T>& second = behind ? next : x;
    return first.data() + first.strides()[axis] * static_cast<std::ptrdiff_t>(first.shape(axis)) ==
           second.data();
}

template <class T>
Tensor<T> joined(const Tensor<T>& x, const Tensor<T>& next, std::size_t axis, bool behind) {
    const Tensor<T>& first = behind ? x : next;
    Shape shape = x.shape();
    shape[axis] += next.shape(axis);
    return Tensor<T>(x.storage(), const_cast<T*>(first.data()), shape, x.strides());
}

} // namespace

template <class T>
Adjoint<T> Adjoints<T>::operator[](std::size_t input) const {
    const NodeId id = inputs_[input];
    if (id == no_node || (tape_->shares() != nullptr && !tape_->shares()->is_needed(id)))
        return Adjoint<T>(tape_, no_node, {});
    const Node<T>& n = tape_->node(id);
    return Adjoint<T>(tape_, n.root, *n.region);
}

template <class T>
void Tape<T>::backward(const Variable<T>& y, BackwardOptions options) {
    if (y.size() != 1)
        fail("backward",
             "from a tensor of shape " + to_string(y.shape()) + " a seed of that shape is needed");
    backward(y, Tensor<T>::ones(y.shape()), options);
}

template <class T>
void Tape<T>::backward(const Variable<T>& y, const Tensor<T>& seed, BackwardOptions options) {
    const NodeId from = require("backward", y);
    if (from == no_node) fail("backward", "the value depends on no variable or parameter");
    if (seed.shape() != y.shape())
        fail("backward", "the seed has shape " + to_string(seed.shape()) + ", the value " +
                             to_string(y.shape()));
    find_path({&from, 1});
    const NoRecording<T> paused(*this);
    whole_gradients_ = false;
    tell([&](Monitor<T>& m) { whole_gradients_ = whole_gradients_ || m.needs_whole_gradients(); });
    try {
        Adjoint<T>(this, node(from).root, *node(from).region).add(Variable<T>(seed));
        sweep(from, options.retain);
    } catch (...) {
        // A half-made gradient must not reach the next pass.
        deferred_.clear();
        incoming_.clear();
        for (NodeId id = 0; id < size_; ++id) release_gradient(node(id));
        throw;
    }
}

// Marks what the gradient will pass, and refuses before anything is changed. Returns the last node.
template <class T>
NodeId Tape<T>::find_path(std::span<const NodeId> from) {
    on_path_.assign(size_, 0);
    for (const NodeId id : from) on_path_[id] = 1;
    const NodeId last = from.empty() ? 0 : *std::max_element(from.begin(), from.end());
    for (NodeId id = from.empty() ? 0 : last + 1; id-- > 0;) {
        const Node<T>& n = node(id);
        on_path_[id] |= on_path_[n.root];
        if (on_path_[id] == 0) continue;
        on_path_[n.root] = on_path_[n.operation] = 1;
        if (n.is_used_up)
            fail("backward", "'" + std::string(n.op.name) +
                                 "' was used up by an earlier backward; call that one with "
                                 "retain = true to come here again");
        if (n.rule != nullptr) {
            for (const Saved<T>& x : n.rule->kept()) {
                if (!x.changed() && (x.node == no_node || !overwritten(x.node, id + n.outputs - 1)))
                    continue;
                const Node<T>* source = x.node != no_node ? &node(x.node) : nullptr;
                const std::string what = source && source->parameter
                                             ? "the parameter '" + source->parameter->name() + "'"
                                             : "a value";
                fail(n.op, "backward needs " + what + " of shape " + to_string(x.layout->shape) +
                               ", which was changed since it was recorded");
            }
        }
        for (std::uint32_t i = 0; i < n.input_count; ++i)
            if (n.inputs[i] != no_node) on_path_[n.inputs[i]] = 1;
    }
    return last;
}

template <class T>
void Tape<T>::sweep(NodeId from, bool retain) {
    for (NodeId id = from + 1; id-- > 0;) {
        if (on_path_[id] == 0) continue;
        Node<T>& n = node(id);
        if (n.rule != nullptr)
            run_rule(id, retain);
        else if (n.input_count == 0 && n.rows == no_node)
            finish_leaf(id);
        else if (n.input_count == 0)
            release_gradient(n);
    }
}

template <class T>
void Tape<T>::run_rule(NodeId id, bool retain) {
    Node<T>& n = node(id);
    incoming_.clear();
    bool arrived = false;
    for (NodeId out = id; out < id + n.outputs; ++out) {
        incoming_.push_back(incoming(out));
        arrived = arrived || incoming_.back().value().storage();
        if (node(out).retained != no_node) keep_for_user(out);
    }
    if (arrived) {
        tell([&](Monitor<T>& m) { m.before_rule(id, incoming_); });
        n.rule->run(Adjoints<T>(this, {n.inputs, n.input_count}), incoming_);
        tell([&](Monitor<T>& m) { m.after_rule(id); });
    }
    incoming_.clear();
    for (NodeId out = id; out < id + n.outputs; ++out)
        if (node(out).root == out) release_gradient(node(out));
    if (!retain) use_up(n);
}

template <class T>
void Tape<T>::use_up(Node<T>& n) {
    n.rule->~Rule();
    n.rule = nullptr;
    n.is_used_up = true;
}

// What has arrived at a node; no storage where nothing has.
template <class T>
Variable<T> Tape<T>::incoming(NodeId id) {
    Node<T>& n = node(id);
    Node<T>& root = node(n.root);
    Gradient<T>* const g = root.gradient;
    if (g == nullptr || g->covered.none()) return Variable<T>();
    const Region& region = *n.region;
    if (n.root == id) {
        g->covered.settle(g->data, element_count(region.shape));
        return Tensor<T>(std::move(g->storage), g->data, region.shape, region.strides);
    }
    Tensor<T> part(g->storage, g->data + region.offset, region.shape, region.strides);
    if (!g->covered.take(g->data, *root.region, region)) part.fill(0);
    return part;
}

template <class T>
void Tape<T>::finish_leaf(NodeId id) {
    flush_target(id);
    Node<T>& n = node(id);
    if (n.gradient == nullptr) return;
    n.gradient->covered.settle(n.gradient->data, element_count(n.region->shape));
    if (monitors_ != nullptr) {
        const Tensor<T> gradient(n.gradient->storage, n.gradient->data, n.region->shape,
                                 n.region->strides);
        tell([&](Monitor<T>& m) { m.leaf(id, gradient); });
    }
    if (n.parameter != nullptr && !apart_) {
        n.parameter->mark_gradient();
        release_gradient(n);
    }
}

template <class T>
void Tape<T>::release_gradient(Node<T>& n) {
    if (n.gradient == nullptr) return;
    n.gradient->storage = StorageRef();
    n.gradient->covered.reset();
    spare_.emplace_back(n.gradient);
    n.gradient = nullptr;
}

template <class T>
bool Tape<T>::open_part(NodeId id, const Region& part) {
    Node<T>& root = node(id);
    if (root.gradient == nullptr) {
        if (spare_.empty()) spare_.push_back(std::make_unique<Gradient<T>>());
        Gradient<T>& fresh = *spare_.back();
        if (root.parameter != nullptr && !apart_) {
            Tensor<T> buffer = root.parameter->gradient_buffer();
            fresh.storage = buffer.storage();
            fresh.data = buffer.data();
            if (root.parameter->has_gradient()) fresh.covered.set_all(buffer.size());
        } else {
            const std::size_t bytes = element_count(root.region->shape) * sizeof(T);
            fresh.storage = StorageRef(Storage::allocate(bytes));
            fresh.data = static_cast<T*>(fresh.storage->data());
        }
        if (whole_gradients_ && fresh.covered.none())
            std::fill_n(fresh.data, element_count(root.region->shape), T(0));
        root.gradient = spare_.back().release();
        spare_.pop_back();
    }
    Gradient<T>& gradient = *root.gradient;
    if (!deferred_.empty()) {
        const Tensor<T> window(gradient.storage, gradient.data + part.offset, part.shape,
                               part.strides);
        const auto [begin, end] = extent_of(window);
        for (std::size_t i = deferred_.size(); i-- > 0;)
            if (overlap(deferred_[i].a, gradient.storage, begin, end) ||
                overlap(deferred_[i].b, gradient.storage, begin, end))
                flush(i);
    }
    return gradient.covered.take(gradient.data, *root.region, part);
}

template <class T>
void Tape<T>::defer_product(NodeId target, const Tensor<T>& a, const Tensor<T>& b) {
    for (std::size_t i = 0; i < deferred_.size(); ++i) {
        Product& p = deferred_[i];
        if (p.target != target) continue;
        for (const bool behind : {false, true}) {
            if (!continues(p.a, a, 1, behind) || !continues(p.b, b, 0, behind)) continue;
            p.a = joined(p.a, a, 1, behind);
            p.b = joined(p.b, b, 0, behind);
            return;
        }
        flush(i);
        break;
    }
    deferred_.push_back({target, a, b});
    if (whole_gradients_) flush_target(target);
}

template <class T>
void Tape<T>::flush(std::size_t product) {
    const Product p = std::move(deferred_[product]);
    deferred_.erase(deferred_.begin() + static_cast<std::ptrdiff_t>(product));
    const Node<T>& n = node(p.target);
    const bool add = open_part(p.target, *n.region);
    Tensor<T> target(n.gradient->storage, n.gradient->data, n.region->shape, n.region->strides);
    multiply(p.a, p.b, T(1), T(add ? 1 : 0), target);
}

template <class T>
void Tape<T>::flush_target(NodeId target) {
    for (std::size_t i = deferred_.size(); i-- > 0;)
        if (deferred_[i].target == target) flush(i);
}

template <class T>
void Tape<T>::keep_for_user(NodeId id) {
    Tensor<T>& kept = retained_[node(id).retained];
    const Tensor<T>& arrived = incoming_.back().value();
    if (!arrived.storage()) return;
    if (!kept.storage()) kept = Tensor<T>::zeros(arrived.shape());
    add_into(kept, arrived, T(1));
}

namespace {

// Passes what arrived on to the place that a retained view has in another gradient.
template <class T>
class PassOn final : public Rule<T> {
public:
    PassOn(Tape<T>* tape, NodeId root, Region region) : place_(tape, root, std::move(region)) {}
    void run(const Adjoints<T>&, std::span<const Variable<T>> gradients) override {
        place_.add(gradients[0]);
    }
    std::span<const Saved<T>> kept() const override { return {}; }

private:
    Adjoint<T> place_;
};

} // namespace

template <class T>
void Tape<T>::retain(const Variable<T>& x) {
    const NodeId id = require("retain", x);
    if (id == no_node) fail("retain", "a constant has no gradient");
    Node<T>& n = node(id);
    if (n.retained != no_node) return;
    if (n.is_view && n.rule == nullptr) {
        // A view has no gradient of its own, so it becomes a node that has.
        void* memory = arena_.allocate(sizeof(PassOn<T>), alignof(PassOn<T>));
        n.rule = new (memory) PassOn<T>(this, n.root, *n.region);
        n.is_view = false;
        n.root = id;
        n.region = whole(n.region->shape);
    }
    n.retained = static_cast<std::uint32_t>(retained_.size());
    retained_.emplace_back();
}

template <class T>
Tensor<T> Tape<T>::gradient(const Variable<T>& x) const {
    if (x.parameter() != nullptr && !apart_) return x.parameter()->gradient().copy();
    const NodeId id = require("gradient", x);
    if (id == no_node) fail("gradient", "a constant has no gradient");
    const Node<T>& n = node(id);
    if (n.parameter != nullptr && !apart_) return n.parameter->gradient().copy();
    Tensor<T> found;
    if (n.retained != no_node)
        found = retained_[n.retained];
    else if (n.input_count != 0 || n.rows != no_node)
        fail("gradient", "call retain() before backward to keep the gradient of '" +
                             std::string(n.op.name) + "'");
    else if (n.gradient != nullptr)
        found =
            Tensor<T>(n.gradient->storage, n.gradient->data, n.region->shape, n.region->strides);
    return found.storage() ? found.copy() : Tensor<T>::zeros(x.shape());
}

template <class T>
std::vector<typename Tape<T>::ParameterGradient> Tape<T>::parameter_gradients() const {
    std::vector<ParameterGradient> all;
    for (const NodeId id : leaf_order_) {
        const Node<T>& n = node(id);
        Tensor<T> gradient;
        if (n.gradient != nullptr)
            gradient = Tensor<T>(n.gradient->storage, n.gradient->data, n.region->shape,
                                 n.region->strides);
        all.push_back({n.parameter, std::move(gradient)});
    }
    return all;
}

template <class T>
std::size_t Tape<T>::kept_bytes() const {
    std::vector<std::pair<const T*, const T*>> runs;
    for (NodeId id = 0; id < size_; ++id) {
        if (node(id).rule == nullptr) continue;
        for (const Saved<T>& x : node(id).rule->kept())
            if (x.storage && (x.node == no_node || node(x.node).parameter == nullptr))
                runs.push_back(
                    extent_of(Tensor<T>(StorageRef(), x.data, x.layout->shape, x.layout->strides)));
    }
    std::sort(runs.begin(), runs.end());
    std::size_t elements = 0;
    const T* end = nullptr;
    for (const auto& [low, high] : runs) {
        const T* from = std::max(low, end);
        if (high > from) elements += static_cast<std::size_t>(high - from);
        end = std::max(end, high);
    }
    return elements * sizeof(T);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template class Adjoints<T>;                                                                    \
    template void Tape<T>::backward(const Variable<T>&, BackwardOptions);                          \
    template void Tape<T>::backward(const Variable<T>&, const Tensor<T>&, BackwardOptions);        \
    template void Tape<T>::retain(const Variable<T>&);                                             \
    template Tensor<T> Tape<T>::gradient(const Variable<T>&) const;                                \
    template auto Tape<T>::parameter_gradients() const->std::vector<ParameterGradient>;            \
    template std::size_t Tape<T>::kept_bytes() const;                                              \
    template void Tape<T>::release_gradient(Node<T>&);                                             \
    template NodeId Tape<T>::find_path(std::span<const NodeId>);                                   \
    template void Tape<T>::use_up(Node<T>&);                                                       \
    template bool Tape<T>::open_part(NodeId, const Region&);                                       \
    template void Tape<T>::defer_product(NodeId, const Tensor<T>&, const Tensor<T>&);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
