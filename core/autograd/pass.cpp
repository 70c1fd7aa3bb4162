#include <unroll/core/autograd/in_place.hpp>
#include <unroll/core/autograd/pass.hpp>
#include <unroll/core/kernels/product.hpp>

#include <algorithm>

namespace unroll {

template <class T>
LastPass<T>& LastPass<T>::of_this_thread() {
    thread_local LastPass last;
    return last;
}

template <class T>
LastPass<T>& LastPass<T>::begin() {
    static std::atomic<std::uint64_t> passes{0};
    LastPass& last = of_this_thread();
    last.number = ++passes;
    last.unheld.clear();
    return last;
}

template <class T>
void LastPass<T>::add(const ParameterRef<T>& parameter) {
    parameter.parameter().pass = number;
    if (parameter.parameter().optimizers == 0) unheld.push_back(parameter);
}

template <class T>
BackwardPass<T>::BackwardPass(Tape<T>& tape, Accumulator<T>& to, std::span<const NodeId> from,
                              Where where)
    : tape_(tape), to_(to), where_(where) {
    auto& all = tape.m_->flags;
    all.assign(tape.size(), needed);
    for (const NodeId id : from) {
        flags(id) |= on_path;
        end_ = std::max(end_, id + 1);
    }
    for (NodeId id = end_; id-- > 0;) {
        const Node<T>& n = tape.node(id);
        flags(id) |= flags(n.root) & on_path;
        if ((flags(id) & on_path) == 0) continue;
        flags(n.root) |= on_path;
        flags(n.operation) |= on_path;
        check(id);
        for (std::uint32_t i = 0; i < n.input_count; ++i)
            if (n.inputs[i] != no_node) flags(n.inputs[i]) |= on_path;
    }
}

template <class T>
void BackwardPass<T>::check(NodeId id) const {
    const Node<T>& n = tape_.node(id);
    if (n.is_used_up)
        fail(Op("backward", where_),
             "'" + std::string(n.op.name) +
                 "' was used up by an earlier backward. If a state is carried from one pass to the "
                 "next, detach() it; to pass through the same operations again, call the earlier "
                 "backward with {.retain = true}");
    if (n.rule == nullptr) return;
    const auto has_changed = [&](const Saved<T>& x) {
        return x.has_changed() ||
               (x.node != no_node && tape_.overwritten(x.node, id + n.outputs - 1));
    };
    const auto kept = n.rule->kept();
    const auto changed = std::find_if(kept.begin(), kept.end(), has_changed);
    const bool other = changed == kept.end() && n.rule->has_changed();
    if (changed == kept.end() && !other) return;

    std::string what = "a constant";
    if (other) {
        what = "the indices or mask";
    } else {
        const Node<T>* source = changed->node != no_node ? &tape_.node(changed->node) : nullptr;
        if (source != nullptr && source->parameter != nullptr)
            what = "the parameter '" + source->parameter->name() + "'";
        else if (source != nullptr)
            what = "the value of '" + std::string(source->op.name) + "'";
        what += " of shape " + to_string(changed->value().shape());
        if (source != nullptr && source->op.where.line() != 0 && source != &n)
            what += " (recorded at " + to_string(source->op.where) + ")";
    }
    fail(n.op,
         "backward, called at " + to_string(where_) + ", needs " + what +
             ", which was changed since it was recorded. Change it after backward, or give the "
             "operation a copy; data() and () on a tensor that is not const count as changes",
         tape_.scope_path(n.scope));
}

template <class T>
void BackwardPass<T>::restrict_to(std::span<const NodeId> wrt) {
    restricted_ = true;
    auto& all = tape_.m_->flags;
    for (auto& f : all) f &= on_path;
    for (const NodeId id : wrt) flags(id) |= needed | target;
    for (NodeId id = 0; id < all.size(); ++id) {
        const Node<T>& n = tape_.node(id);
        for (std::uint32_t i = 0; i < n.input_count && (flags(id) & needed) == 0; ++i)
            if (n.inputs[i] != no_node) flags(id) |= flags(n.inputs[i]) & needed;
        if ((flags(id) & needed) != 0) flags(n.root) |= needed; // a row that was written
        flags(id) |= flags(n.operation) & needed;
    }
}

template <class T>
void BackwardPass<T>::seed(NodeId id, const Variable<T>& gradient) {
    const Node<T>& n = tape_.node(id);
    if (to_.needs(id)) Adjoint<T>(to_, n.root, *n.region).add(gradient);
}

template <class T>
void BackwardPass<T>::sweep() {
    // A recorded pass appends nodes, and flags are of those before it.
    for (NodeId id = end_; id-- > 0;) {
        constexpr unsigned char both = on_path | needed;
        if ((flags(id) & both) != both) continue;
        const Node<T>& n = tape_.node(id);
        const bool is_leaf = n.is_leaf() && n.rule == nullptr;
        if (restricted_ ? (flags(id) & target) != 0 : is_leaf || n.retained != no_node) {
            Variable<T> gradient = to_.arrived(id);
            if (gradient.value().storage()) {
                if (is_leaf)
                    tape_.for_monitors([&](Monitor<T>& m) { m.leaf(id, gradient.value()); });
                // Of a view, and where it may be passed on, the buffer changes later.
                if (!to_.is_recording() && n.root != id) gradient = gradient.value().copy();
                found_.push_back({id, std::move(gradient)});
            }
        }
        if (n.rule != nullptr)
            run_rule(id);
        else if (n.input_count == 0 && n.rows != no_node)
            to_.release(id);
    }
}

template <class T>
void BackwardPass<T>::run_rule(NodeId id) {
    const Node<T>& n = tape_.node(id);
    incoming_.clear();
    bool arrived = false;
    for (NodeId out = id; out < id + n.outputs; ++out) {
        incoming_.push_back(to_.arrived(out));
        arrived = arrived || incoming_.back().value().storage();
    }
    if (arrived) {
        tape_.for_monitors([&](Monitor<T>& m) { m.before_rule(id, incoming_); });
        to_.begin_rule(id, incoming_);
        n.rule->run(Adjoints<T>(to_, {n.inputs, n.input_count}), incoming_);
        to_.end_rule();
        tape_.for_monitors([&](Monitor<T>& m) { m.after_rule(id); });
    }
    incoming_.clear();
    for (NodeId out = id; out < id + n.outputs; ++out)
        if (tape_.node(out).root == out) to_.release(out);
}

template <class T>
void BackwardPass<T>::add_to_leaves() {
    auto& last = LastPass<T>::begin();
    for (const Found& f : found_) {
        const Node<T>& n = tape_.node(f.node);
        const Tensor<T>& gradient = f.gradient.value();
        if (n.parameter != nullptr && !tape_.apart_) {
            const ParameterRef<T> parameter(n.parameter);
            if (!parameter.has_gradient())
                parameter.parameter().gradient = gradient;
            else
                add_into(parameter.gradient_buffer(), gradient, T(1));
            parameter.mark_gradient();
            last.add(parameter);
            continue;
        }
        Tensor<T>& kept = tape_.m_->retained[tape_.slot_for_gradient(f.node)];
        if (!kept.storage())
            kept = n.is_leaf() ? gradient : gradient.copy();
        else
            add_into(kept, gradient, T(1));
    }
}

template <class T>
void BackwardPass<T>::use_up() {
    for (NodeId id = end_; id-- > 0;) {
        Node<T>& n = tape_.node(id);
        if ((flags(id) & on_path) == 0 || n.rule == nullptr) continue;
        n.rule->~Rule();
        n.rule = nullptr;
        n.is_used_up = true;
    }
}

// ---- Tape ----

template <class T>
void Tape<T>::backward(const Variable<T>& y, BackwardOptions options, Where where) {
    if (y.size() != 1)
        fail(Op("backward", where),
             "from a tensor of shape " + to_string(y.shape()) +
                 " a seed of that shape is needed: backward(y, seed), or backward(sum(y))");
    backward(y, Tensor<T>::ones(y.shape()), options, where);
}

template <class T>
void Tape<T>::backward(const Variable<T>& y, const Tensor<T>& seed, BackwardOptions options,
                       Where where) {
    const Variable<T> seeds[] = {seed};
    backward({&y, 1}, seeds, options, where);
}

// The nodes of y, each with its seed; constants, whose gradients are zero, are left out.
template <class T>
std::vector<std::pair<NodeId, Variable<T>>>
Tape<T>::seeded(const Op& op, std::span<const Variable<T>> y, std::span<const Variable<T>> seeds) {
    std::vector<std::pair<NodeId, Variable<T>>> all;
    if (y.size() != seeds.size())
        fail(op,
             std::to_string(seeds.size()) + " seeds for " + std::to_string(y.size()) + " values");
    for (std::size_t i = 0; i < y.size(); ++i) {
        if (seeds[i].shape() != y[i].shape())
            fail(op, "the seed has shape " + to_string(seeds[i].shape()) + ", the value " +
                         to_string(y[i].shape()));
        if (!y[i].is_recorded() && !y[i].is_parameter()) {
            if (y[i].body() != nullptr && y[i].body()->is_untracked)
                fail(op, "the value was computed from a parameter while no tape recorded; make "
                         "the tape before the value is computed");
            continue;
        }
        if (y[i].is_recorded()) require(op, y[i]);
        const NodeId id = id_of(y[i]);
        if (id != no_node) all.push_back({id, seeds[i]});
    }
    return all;
}

template <class T>
void Tape<T>::backward(std::span<const Variable<T>> y, std::span<const Variable<T>> seeds,
                       BackwardOptions options, Where where) {
    const auto starts = seeded(Op("backward", where), y, seeds);
    if (starts.empty()) return;
    std::vector<NodeId> from;
    for (const auto& [id, seed] : starts) from.push_back(id);
    const NoRecording<T> paused;
    bool whole = false;
    for_monitors([&](Monitor<T>& m) { whole = whole || m.needs_whole_gradients(); });
    InPlace<T> to(*this, whole, !apart_);
    BackwardPass<T> pass(*this, to, from, where);
    for (const auto& [id, seed] : starts) pass.seed(id, seed);
    pass.sweep();
    pass.add_to_leaves();
    if (!options.retain) pass.use_up();
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template class BackwardPass<T>;                                                                \
    template struct LastPass<T>;                                                                   \
    template void Tape<T>::backward(const Variable<T>&, BackwardOptions, Where);                   \
    template void Tape<T>::backward(const Variable<T>&, const Tensor<T>&, BackwardOptions, Where); \
    template void Tape<T>::backward(std::span<const Variable<T>>, std::span<const Variable<T>>,    \
                                    BackwardOptions, Where);                                       \
    template std::vector<std::pair<NodeId, Variable<T>>> Tape<T>::seeded(                          \
        const Op&, std::span<const Variable<T>>, std::span<const Variable<T>>);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
