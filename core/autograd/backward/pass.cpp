#include <unroll/core/autograd/backward/in_place.hpp>
#include <unroll/core/autograd/backward/pass.hpp>
#include <unroll/core/autograd/backward/recorded.hpp>
#include <unroll/core/base/per_thread.hpp>
#include <unroll/core/kernels/product.hpp>

#include <algorithm>
#include <cmath>

namespace unroll {

template <class T>
LastPass<T>& LastPass<T>::of_this_thread() {
    return per_thread<LastPass>();
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
BackwardPass<T>::BackwardPass(Tape<T>& tape, Accumulator<T>& to, const Op& op,
                              std::optional<std::span<const NodeId>> wrt)
    : tape_(tape), to_(to), memory_(tape.m_->pass), op_(op), restricted_(wrt.has_value()) {
    tape.in_pass_ = true;
    tape.m_->flags.assign(tape.size(), restricted_ ? 0 : needed);
    if (!wrt) return;
    for (const NodeId id : *wrt) flags(id) |= needed | target;
    mark_needed();
}

template <class T>
BackwardPass<T>::BackwardPass(Recorded<T>& to, const Op& op, NodeId begin)
    : tape_(to.tape()), to_(to), memory_(tape_.m_->pass), op_(op), restricted_(true), begin_(begin),
      continues_(true), outer_incoming_(std::move(memory_.incoming)) {
    tape_.m_->flags.resize(tape_.size(), 0);
    mark_needed();
}

template <class T>
BackwardPass<T>::~BackwardPass() {
    if (continues_) {
        memory_.incoming = std::move(outer_incoming_);
        return;
    }
    memory_.clear();
    tape_.in_pass_ = false;
}

template <class T>
void BackwardPass<T>::start(std::span<const Variable<T>> y,
                            std::span<const Variable<T>> gradients) {
    memory_.starts.clear();
    for (std::size_t i = 0; i < y.size(); ++i)
        if (gradients[i].has_value()) memory_.starts.push_back({tape_.id_of(y[i]), gradients[i]});
}

template <class T>
void BackwardPass<T>::check(NodeId id) const {
    const Node<T>& n = tape_.node(id);
    if (n.is_used_up)
        fail(
            op_,
            "'" + std::string(n.op.name) +
                "' was used up by an earlier backward pass. If a state is carried from one pass to "
                "the next, detach() it; to pass through the same operations again, call the "
                "earlier backward() or gradients() with {.retain = true}");
    const NodeId last = id + n.outputs - 1;
    if (n.rule == nullptr || !n.rule->has_changed(tape_, last)) return;
    const auto kept = n.rule->kept();
    const auto changed = std::find_if(
        kept.begin(), kept.end(), [&](const Saved<T>& x) { return x.has_changed(tape_, last); });
    std::string what = changed == kept.end() ? n.rule->changed() : "a constant";
    if (changed != kept.end()) {
        const Node<T>* source = changed->node != no_node ? &tape_.node(changed->node) : nullptr;
        if (source != nullptr && source->parameter != nullptr)
            what = "the parameter '" + source->parameter->name() + "'";
        else if (source != nullptr)
            what = "the value of '" + std::string(tape_.name_of(changed->node)) + "'";
        what += " of shape " + to_string(changed->value().shape());
        if (source != nullptr && source->op.where.line() != 0 && source != &n)
            what += " (recorded at " + to_string(source->op.where) + ")";
    }
    fail(n.op,
         std::string(op_.name) + ", called at " + to_string(op_.where) + ", needs " + what +
             ", which was changed since it was recorded. Change it after backward, or give the "
             "operation a copy; data() and () on a tensor that is not const count as changes",
         tape_.scope_path(n.scope), tape_.caller(n.scope));
}

template <class T>
void BackwardPass<T>::prefetch_before(NodeId id) const {
    constexpr NodeId far = 24, near = 12;
    if (id < far) return;
    __builtin_prefetch(&tape_.node(id - far));
    __builtin_prefetch(tape_.node(id - near).rule);
}

template <class T>
void BackwardPass<T>::mark_needed() {
    auto& all = tape_.m_->flags;
    for (NodeId id = begin_; id < all.size(); ++id) {
        const Node<T>& n = tape_.node(id);
        for (std::uint32_t i = 0; i < n.input_count && (flags(id) & needed) == 0; ++i)
            if (n.inputs[i] != no_node) flags(id) |= flags(n.inputs[i]) & needed;
        if ((flags(id) & needed) != 0) flags(n.root) |= needed; // a row written in place
        flags(id) |= flags(n.operation) & needed;
    }
}

template <class T>
void BackwardPass<T>::sweep() {
    NodeId end = 0;
    for (const auto& start : memory_.starts) {
        flags(start.node) |= on_path;
        end = std::max(end, start.node + 1);
        const Node<T>& n = tape_.node(start.node);
        if (to_.needs(start.node)) Adjoint<T>(to_, n.root, n.view).add(start.gradient);
    }
    // A recorded pass appends nodes after `end`.
    for (NodeId id = end; id-- > begin_;) {
        const Node<T>& n = tape_.node(id);
        prefetch_before(id);
        flags(id) |= flags(n.root) & on_path;
        if ((flags(id) & on_path) == 0) continue;
        flags(n.root) |= on_path;
        flags(n.operation) |= on_path;
        for (std::uint32_t i = 0; i < n.input_count; ++i)
            if (n.inputs[i] != no_node) flags(n.inputs[i]) |= on_path;
        if ((flags(id) & needed) == 0) continue;
        const bool is_leaf = n.is_leaf() && n.rule == nullptr;
        if (restricted_ ? (flags(id) & target) != 0 : is_leaf || n.retained != no_node) {
            Variable<T> gradient = to_.arrived(id, false);
            if (gradient.has_value()) {
                if (is_leaf)
                    tape_.for_monitors([&](Monitor<T>& m) { m.leaf(id, gradient.value()); });
                // Later contributions still change the memory of a view.
                if (!to_.is_recording() && n.root != id) gradient = gradient.value().copy();
                memory_.found.push_back({id, std::move(gradient)});
            }
        }
        if (n.rule != nullptr || n.is_used_up)
            run_rule(id);
        else if (n.root == id && n.operation == id)
            to_.release(id); // of a leaf or a buffer
    }
}

namespace {

// Differs after a change to one of the elements.
template <class T>
std::uint64_t changes(std::span<const Variable<T>> gradients) {
    std::uint64_t sum = 0;
    for (const auto& g : gradients)
        if (g.has_value()) sum += g.value().storage()->version();
    return sum;
}

} // namespace

template <class T>
void BackwardPass<T>::run_rule(NodeId id) {
    check(id);
    const Node<T>& n = tape_.node(id);
    auto& incoming = memory_.incoming;
    incoming.clear();
    bool arrived = false;
    for (NodeId out = id; out < id + n.outputs; ++out) {
        incoming.push_back(to_.arrived(out, true));
        arrived = arrived || incoming.back().has_value();
    }
    if (arrived) {
        tape_.for_monitors([&](Monitor<T>& m) { m.before_rule(id, incoming); });
        to_.begin_rule(id, incoming);
        const auto before = changes<T>(incoming);
        n.rule->run(Adjoints<T>(to_, {n.inputs, n.input_count}), incoming);
        if (changes<T>(incoming) != before)
            fail(n.op,
                 "its rule wrote into the gradient that it received, which other operations may "
                 "share; write into a copy()",
                 tape_.scope_path(n.scope), tape_.caller(n.scope));
        to_.end_rule();
        tape_.for_monitors([&](Monitor<T>& m) { m.after_rule(id); });
    }
    incoming.clear();
    for (NodeId out = id; out < id + n.outputs; ++out)
        if (tape_.node(out).root == out) to_.release(out);
}

template <class T>
void BackwardPass<T>::add_to_leaves() {
    auto& last = LastPass<T>::begin();
    for (const auto& f : memory_.found) {
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
    for (auto id = static_cast<NodeId>(tape_.m_->flags.size()); id-- > 0;) {
        prefetch_before(id);
        if ((flags(id) & on_path) == 0) continue;
        Node<T>& n = tape_.node(id);
        if (n.rule == nullptr) continue;
        n.rule->~Rule();
        n.rule = nullptr;
        n.is_used_up = true;
        --tape_.m_->rules;
    }
}

// ---- Tape ----

namespace {

template <class T>
void require_finite(const Op& op, T loss) {
    if (!std::isfinite(loss))
        fail(op, std::string("the loss is ") +
                     (std::isnan(loss) ? "nan"
                      : loss > 0       ? "inf"
                                       : "-inf") +
                     "; a Checking of the tape finds the operation that produced it, and "
                     "{.allow_non_finite = true} lets it pass");
}

} // namespace

template <class T>
void Tape<T>::backward(const Variable<T>& y, BackwardOptions options, Where where) {
    const Op op("backward", where);
    y.require_value(op);
    if (y.size() != 1)
        fail(op, "from a tensor of shape " + to_string(y.shape()) +
                     " a seed of that shape is needed: backward(y, seed), or backward(sum(y))");
    backward(y, Tensor<T>::ones(y.shape()), options, where);
}

template <class T>
void Tape<T>::backward(const Variable<T>& y, const Tensor<T>& seed, BackwardOptions options,
                       Where where) {
    const Variable<T> seeds[] = {seed};
    backward({&y, 1}, seeds, options, where);
}

template <class T>
void Tape<T>::find_starts(const Op& op, std::span<const Variable<T>> y,
                          std::span<const Variable<T>> seeds) {
    if (y.size() != seeds.size())
        fail(op,
             std::to_string(seeds.size()) + " seeds for " + std::to_string(y.size()) + " values");
    if (in_pass_)
        fail(op, "a backward pass over this tape is running, and one of its rules or monitors "
                 "began another; use a separate tape there");
    m_->pass.clear();
    for (std::size_t i = 0; i < y.size(); ++i) {
        y[i].require_value(op);
        if (seeds[i].shape() != y[i].shape())
            fail(op, "the seed has shape " + to_string(seeds[i].shape()) + ", the value " +
                         to_string(y[i].shape()));
        if (!y[i].is_recorded() && !y[i].is_parameter()) {
            const Lost lost = y[i].body()->lost;
            if (lost == Lost::without_tape)
                fail(op, std::string("the value was computed from a parameter while no tape was "
                                     "recording; ") +
                             how_to_record());
            if (lost == Lost::where_paused)
                fail(op, "the value was computed within a NoRecording, so no tape recorded "
                         "it; compute it outside of that scope, or detach() it if its gradients "
                         "are to be zero");
            if (lost == Lost::in_gradient)
                fail(op, "the value was computed from a gradient that was not recorded, so that "
                         "it depends on nothing; call the first gradients() with "
                         "{.create_graph = true}. Of values computed within a checkpoint only its "
                         "results have gradients");
            continue;
        }
        if (y[i].is_recorded()) require(op, y[i]);
        const NodeId id = id_of(y[i]);
        if (id != no_node) m_->pass.starts.push_back({id, seeds[i]});
    }
}

template <class T>
void Tape<T>::backward(std::span<const Variable<T>> y, std::span<const Variable<T>> seeds,
                       BackwardOptions options, Where where) {
    const Op op("backward", where);
    find_starts(op, y, seeds);
    if (!options.allow_non_finite)
        for (const Variable<T>& x : y)
            if (x.size() == 1) require_finite(op, x.value().item());
    if (m_->pass.starts.empty()) return;
    const NoRecording<T> paused;
    bool whole = false;
    for_monitors([&](Monitor<T>& m) { whole = whole || m.needs_whole_gradients(); });
    InPlace<T> to(*this, whole, !apart_);
    BackwardPass<T> pass(*this, to, op);
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
    template void Tape<T>::find_starts(const Op&, std::span<const Variable<T>>,                    \
                                       std::span<const Variable<T>>);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
