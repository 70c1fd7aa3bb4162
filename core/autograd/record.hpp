#pragma once

#include <unroll/core/autograd/buffer.hpp>

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <tuple>

namespace unroll {

// In save_for_backward(), the operation's own result (or its i-th).
template <std::size_t I = 0>
struct Result {};
inline constexpr Result<> result;

// Saves tensors for a rule: variables and results first, then other tensors, such as indices and
// masks.
template <class... Kept>
std::tuple<const Kept&...> save_for_backward(const Kept&... kept) {
    return {kept...};
}

// Marks a rule that computes with plain tensors: its gradient is correct, but differentiating the
// gradient is an error.
template <class F>
struct Once {
    static constexpr bool is_differentiable_once = true;
    [[no_unique_address]] F f;

    template <class... X>
    void operator()(const X&... x) const {
        f(x...);
    }
};
template <class F>
Once<F> once(F f) {
    return {std::move(f)};
}

// In a rule: a tensor that does not depend on the operation's inputs, such as weights of a loss.
// Any other tensor that a recorded pass finds in a gradient is an error, whether the rule created,
// captured or saved it.
template <class T>
Variable<T> constant(Tensor<T> x) {
    return Variable<T>(Value<T>::make(std::move(x)));
}

namespace detail {

template <class K>
inline constexpr bool is_tensor = false;
template <class U>
inline constexpr bool is_tensor<Tensor<U>> = true;

template <class T, class K>
auto saved_tensor(const K& kept) {
    if constexpr (is_tensor<K>)
        return std::tuple(SavedTensor(kept));
    else
        return std::tuple<>();
}
template <class T, class... Kept>
auto saved_tensors(const std::tuple<const Kept&...>& kept) {
    return std::apply([](const auto&... k) { return std::tuple_cat(saved_tensor<T>(k)...); }, kept);
}

template <class T>
const Variable<T>& to_save(const Variable<T>& input, std::span<const Variable<T>>) {
    return input;
}
template <class T, std::size_t I>
const Variable<T>& to_save(Result<I>, std::span<const Variable<T>> results) {
    return results[I];
}

// N saved variables, and a tuple of saved tensors.
template <class T, bool many, class F, std::size_t N, class Tensors>
class SavingRule final : public Rule<T> {
public:
    template <class Kept, std::size_t... I>
    SavingRule(F f, Tape<T>& tape, [[maybe_unused]] std::span<const Variable<T>> results,
               [[maybe_unused]] const Kept& kept, Tensors tensors, std::index_sequence<I...>)
        : f_(std::move(f)), saved_{tape.save(to_save<T>(std::get<I>(kept), results))...},
          tensors_(std::move(tensors)) {}

    void run(const Adjoints<T>& to, std::span<const Variable<T>> gradients) override {
        call(to, gradients, std::make_index_sequence<N>{});
    }
    std::span<const Saved<T>> kept() const override { return saved_; }
    bool has_changed(const Tape<T>& tape, NodeId last) const override {
        for (const Saved<T>& x : saved_)
            if (x.has_changed(tape, last)) return true;
        return std::apply([](const auto&... t) { return (t.has_changed() || ...); }, tensors_);
    }
    std::string changed() const override {
        std::string which;
        const auto look = [&](const auto& t) {
            if (which.empty() && t.has_changed()) which = t.text();
        };
        std::apply([&](const auto&... t) { (look(t), ...); }, tensors_);
        return which;
    }
    bool is_differentiable_once() const override {
        return requires { F::is_differentiable_once; };
    }
    Formula formula() const override {
        if constexpr (requires { f_.formula(); })
            return f_.formula();
        else
            return {};
    }

private:
    template <std::size_t... I>
    void call(const Adjoints<T>& to, std::span<const Variable<T>> gradients,
              std::index_sequence<I...>) {
        std::apply(
            [&](const auto&... t) {
                if constexpr (many)
                    f_(to, gradients, saved_[I].variable..., t.value...);
                else
                    f_(to, gradients[0], saved_[I].variable..., t.value...);
            },
            tensors_);
    }

    [[no_unique_address]] F f_;
    std::array<Saved<T>, N> saved_;
    [[no_unique_address]] Tensors tensors_;
};

template <bool many, class T, class... Kept, class F>
void record_rule(Tape<T>& tape, const Op& op, NodeId first, std::span<const Variable<T>> results,
                 const std::tuple<const Kept&...>& kept, F rule) {
    const typename Tape<T>::Appending appending(tape, op);
    auto tensors = saved_tensors<T>(kept);
    constexpr std::size_t N = sizeof...(Kept) - std::tuple_size_v<decltype(tensors)>;
    using Saving = SavingRule<T, many, F, N, decltype(tensors)>;
    void* memory = tape.arena().allocate(sizeof(Saving), alignof(Saving));
    tape.set_rule(first, new (memory) Saving(std::move(rule), tape, results, kept,
                                             std::move(tensors), std::make_index_sequence<N>{}));
}

// Records that the result `id` of an operation is stored in a buffer.
template <class T>
void store(Tape<T>& tape, const Op& op, NodeId id, const OutputSlot<T>& slot) {
    if (slot.is_of_buffer() && (slot.tape_slot == nullptr ||
                                slot.tape_slot->tape.load(std::memory_order_relaxed) != &tape))
        fail(op, "an operand is recorded on another tape than the buffer for the result");
    if (slot.is_of_buffer() && tape.is_written(slot.root, slot.view))
        fail(op, "this part of the buffer already holds a result, which would lose its gradient; "
                 "store one result there");
    if (slot.root != no_node) tape.place(id, slot.root, slot.view);
}
template <class T>
void note_lost(Lost lost, const OutputSlot<T>& slot) {
    if (slot.lost != nullptr) *slot.lost = std::max(*slot.lost, lost);
}

// A result in the memory of an input would change the input.
template <class T>
void require_own_memory(const Op& op, std::span<const Variable<T>* const> inputs,
                        const Tensor<T>& value, const OutputSlot<T>& slot) {
    if (slot.is_given()) return;
    for (const Variable<T>* x : inputs)
        if (value.storage() && x->value().storage() == value.storage() && value.size() > 0)
            fail(op, "its result is stored in the memory of an input, which has changed with it; "
                     "write into a copy() of the input's value");
}

// Appends the results of one operation to the tape and returns the node of the first; no_node if
// nothing is recorded.
template <class T>
NodeId record_results(const Op& op, std::span<const Variable<T>* const> inputs,
                      std::span<Tensor<T>> values, std::span<Variable<T>> out,
                      std::span<const OutputSlot<T>> slots) {
    const auto context = Tape<T>::of(op, inputs);
    std::optional<typename Tape<T>::Appending> appending;
    if (context.tape != nullptr) appending.emplace(*context.tape, op);
    NodeId first = no_node;
    for (std::size_t i = 0; i < out.size(); ++i) {
        require_own_memory(op, inputs, values[i], i < slots.size() ? slots[i] : OutputSlot<T>());
        if (context.tape == nullptr) {
            if (i < slots.size()) note_lost(context.lost, slots[i]);
            out[i] = context.plain(std::move(values[i]));
            continue;
        }
        Tape<T>& tape = *context.tape;
        if (i >= slots.size() || !slots[i].is_given()) values[i] = values[i].contiguous();
        const NodeId id = tape.append(op, inputs, values[i]);
        if (i == 0) first = id;
        tape.node(id).operation = first;
        if (i < slots.size()) store(tape, op, id, slots[i]);
        out[i] = tape.handle(std::move(values[i]), id, context.rule_run);
    }
    if (first != no_node)
        context.tape->node(first).outputs = static_cast<std::uint32_t>(out.size());
    return first;
}

} // namespace detail

// Records an operation on the tape of its inputs, or on the current tape, and returns its result.
//   rule(const Adjoints<T>& to, const Variable<T>& gradient, const Variable<T>& kept...)
// accumulates vector-Jacobian products into to[0], to[1], ... in the order of `inputs`. `saved`
// lists the inputs (and `result`) that the rule reads, then tensors of other types; the rule
// must capture by value, and changes of what it captures are not detected. A rule that computes
// with variables can be differentiated again. One that computes with plain tensors must be marked
// by once(), or wrap the tensors that do not depend on the inputs in constant(). The result
// must not share memory with an input. Without a tape, or if no input needs a gradient, nothing
// is recorded.
template <class T, class... Kept, class F>
Variable<T> record(const Op& op, std::span<const Variable<T>* const> inputs, Tensor<T> value,
                   const std::tuple<Kept...>& saved, F rule, const OutputSlot<T>& slot = {}) {
    const auto context = Tape<T>::of(op, inputs);
    detail::require_own_memory(op, inputs, value, slot);
    if (context.tape == nullptr) {
        detail::note_lost(context.lost, slot);
        return context.plain(std::move(value));
    }
    Tape<T>& tape = *context.tape;
    if (!slot.is_given()) value = value.contiguous();
    const NodeId id = [&] {
        const typename Tape<T>::Appending appending(tape, op);
        const NodeId id = tape.append(op, inputs, value);
        detail::store(tape, op, id, slot);
        return id;
    }();
    Variable<T> out = tape.handle(std::move(value), id, context.rule_run);
    detail::record_rule<false, T>(tape, op, id, std::span<const Variable<T>>(&out, 1), saved,
                                  std::move(rule));
    tape.report(id, inputs, {&out, 1});
    return out;
}

template <class T, class... Kept, class F>
Variable<T> record(const Op& op, std::initializer_list<const Variable<T>*> inputs, Tensor<T> value,
                   const std::tuple<Kept...>& saved, F rule, const OutputSlot<T>& slot = {}) {
    return record<T>(op, std::span(inputs.begin(), inputs.size()), std::move(value), saved,
                     std::move(rule), slot);
}

// The same for an operation with several results, the first of which may be stored in slots. The
// rule receives a span of gradients; one without a value means that the result got none.
template <class T, std::size_t M, class... Kept, class F>
std::array<Variable<T>, M> record(const Op& op, std::span<const Variable<T>* const> inputs,
                                  std::array<Tensor<T>, M> values, const std::tuple<Kept...>& saved,
                                  F rule, std::span<const OutputSlot<T>> slots = {}) {
    std::array<Variable<T>, M> out;
    const NodeId first = detail::record_results<T>(op, inputs, values, out, slots);
    if (first == no_node) return out;
    Tape<T>& tape = *out[0].body()->slot->tape.load(std::memory_order_relaxed);
    detail::record_rule<true, T>(tape, op, first, std::span<const Variable<T>>(out), saved,
                                 std::move(rule));
    tape.report(first, inputs, out);
    return out;
}

// A view of x. Its gradient is a view of x's gradient.
template <class T>
Variable<T> record_view(const Op& op, const Variable<T>& x, Tensor<T> view) {
    const Variable<T>* const inputs[] = {&x};
    const auto context = Tape<T>::of(op, inputs, false);
    if (context.tape == nullptr) {
        Variable<T> y = context.plain(std::move(view));
        // Pictures show a view of a constant as that constant.
        if (!x.is_recorded() && x.body() != nullptr) y.body()->generation = x.body()->generation;
        return y;
    }
    const typename Tape<T>::Appending appending(*context.tape, op);
    const NodeId id = context.tape->append_view(op, x, view);
    return context.tape->handle(std::move(view), id, context.rule_run);
}

} // namespace unroll
