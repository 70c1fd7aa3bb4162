#pragma once

#include <unroll/core/autograd/tape.hpp>

#include <array>
#include <new>
#include <tuple>

namespace unroll {

// Stands for the operation's own result (or its i-th) in keep().
template <std::size_t I = 0>
struct Result {};
inline constexpr Result<> result;

template <class... Kept>
std::tuple<const Kept&...> keep(const Kept&... kept) {
    return {kept...};
}

// A part of a buffer for a result to lie in; empty for a result with memory of its own.
template <class T>
struct Place {
    Tensor<T> memory;
    NodeId root = no_node;
    Region region;

    bool is_given() const { return static_cast<bool>(memory.storage()); }
    Tensor<T> take(const Shape& shape) const { return is_given() ? memory : Tensor<T>(shape); }
};

namespace detail {

template <class T, bool many, class F, std::size_t N>
class SavingRule final : public Rule<T> {
public:
    template <class... Kept>
    SavingRule(F f, Tape<T>& tape, const Kept&... kept)
        : f_(std::move(f)), saved_{tape.save(kept)...} {}

    void run(const Adjoints<T>& to, std::span<const Variable<T>> gradients) override {
        call(to, gradients, std::make_index_sequence<N>{});
    }
    std::span<const Saved<T>> kept() const override { return saved_; }
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
        // The storage moves to the variables and back, which spares counting references.
        std::array<Variable<T>, N> kept{
            to.tape().handle(Tensor<T>(std::move(saved_[I].storage), saved_[I].data,
                                       saved_[I].layout->shape, saved_[I].layout->strides),
                             saved_[I].node)...};
        if constexpr (many)
            f_(to, gradients, std::as_const(kept[I])...);
        else
            f_(to, gradients[0], std::as_const(kept[I])...);
        ((saved_[I].storage = std::move(kept[I]).value().storage()), ...);
    }

    [[no_unique_address]] F f_;
    std::array<Saved<T>, N> saved_;
};

template <class T>
const Variable<T>& to_save(const Variable<T>& input, std::span<const Variable<T>>) {
    return input;
}
template <class T, std::size_t I>
const Variable<T>& to_save(Result<I>, std::span<const Variable<T>> results) {
    return results[I];
}

template <bool many, class T, class Kept, class F>
void record_rule(Tape<T>& tape, NodeId first, std::span<const Variable<T>> results,
                 const Kept& kept, F rule) {
    using Saving = SavingRule<T, many, F, std::tuple_size_v<Kept>>;
    void* memory = tape.arena().allocate(sizeof(Saving), alignof(Saving));
    Rule<T>* saving = std::apply(
        [&](const auto&... k) {
            return new (memory) Saving(std::move(rule), tape, to_save<T>(k, results)...);
        },
        kept);
    tape.node(first).rule = saving;
}

// Puts the results of one operation on the tape of its inputs and returns the first one's node; on
// none where nothing is recorded.
template <class T>
NodeId record_results(const Op& op, std::span<const Variable<T>* const> inputs,
                      std::span<Tensor<T>> values, std::span<Variable<T>> out,
                      std::span<const Place<T>> places) {
    const auto context = Tape<T>::of(op, inputs);
    NodeId first = no_node;
    for (std::size_t i = 0; i < out.size(); ++i) {
        if (!context.record) {
            out[i] = context.plain(std::move(values[i]));
            continue;
        }
        Tape<T>& tape = *context.tape;
        const NodeId id = tape.append(op, inputs, values[i].shape());
        if (i == 0) first = id;
        tape.node(id).operation = first;
        if (i < places.size() && places[i].root != no_node)
            tape.place(id, places[i].root, places[i].region);
        out[i] = tape.handle(std::move(values[i]), id);
    }
    if (first != no_node)
        context.tape->node(first).outputs = static_cast<std::uint32_t>(out.size());
    return first;
}

} // namespace detail

// Puts an operation on the tape of its inputs and returns its result as a variable.
//   rule(const Adjoints<T>& to, const Variable<T>& gradient, const Variable<T>& kept...)
// adds what it owes to to[0], to[1], ... in the order of `inputs`. `keep` lists the inputs (and
// `result`) that the rule reads: that, and what the rule captures by value, is all that is kept.
// Where no input is recorded, nothing is.
template <class T, class... Kept, class F>
Variable<T> record(const Op& op, std::span<const Variable<T>* const> inputs, Tensor<T> value,
                   const std::tuple<Kept...>& keep, F rule, const Place<T>& place = {}) {
    const auto context = Tape<T>::of(op, inputs);
    if (!context.record) return context.plain(std::move(value));
    Tape<T>* tape = context.tape;
    const NodeId id = tape->append(op, inputs, value.shape());
    if (place.root != no_node) tape->place(id, place.root, place.region);
    Variable<T> out = tape->handle(std::move(value), id);
    detail::record_rule<false, T>(*tape, id, {&out, 1}, keep, std::move(rule));
    tape->report(id, inputs, {&out, 1});
    return out;
}

template <class T, class... Kept, class F>
Variable<T> record(const Op& op, std::initializer_list<const Variable<T>*> inputs, Tensor<T> value,
                   const std::tuple<Kept...>& keep, F rule, const Place<T>& place = {}) {
    return record<T>(op, std::span(inputs.begin(), inputs.size()), std::move(value), keep,
                     std::move(rule), place);
}

// The same for an operation of several results, the first of which may have places: its rule is
// given a span of gradients, in which the shape [0] says that nothing arrived.
template <class T, std::size_t M, class... Kept, class F>
std::array<Variable<T>, M> record(const Op& op, std::span<const Variable<T>* const> inputs,
                                  std::array<Tensor<T>, M> values, const std::tuple<Kept...>& keep,
                                  F rule, std::span<const Place<T>> places = {}) {
    std::array<Variable<T>, M> out;
    const NodeId first = detail::record_results<T>(op, inputs, values, out, places);
    if (first == no_node) return out;
    Tape<T>* tape = out[0].slot()->tape;
    detail::record_rule<true, T>(*tape, first, out, keep, std::move(rule));
    tape->report(first, inputs, out);
    return out;
}

// A view of a variable: its gradient lands in the place that the view has in x's gradient.
template <class T>
Variable<T> record_view(const Op& op, const Variable<T>& x, Tensor<T> view) {
    const Variable<T>* const inputs[] = {&x};
    const auto context = Tape<T>::of(op, inputs, false);
    if (!context.record) return context.plain(std::move(view));
    const NodeId id = context.tape->append_view(op, x, view);
    return context.tape->handle(std::move(view), id);
}

// Memory for the steps of a sequence, [steps, ...]: operations leave their results in its rows, one
// or several at once, and the rows become one variable without a copy.
template <class T>
class Buffer {
public:
    // On the tape of `like`, if that is recorded.
    Buffer(const Variable<T>& like, const Shape& shape);

    Place<T> row(std::size_t index) const;
    Place<T> part(std::size_t begin, std::size_t end) const;
    // Rows [begin, end), all written by now, as a variable.
    Variable<T> rows(std::size_t begin, std::size_t end) const;

private:
    Variable<T> whole_;
};

// The storage of a value that is not used again, for a result to lie in.
template <class T>
Place<T> in_place_of(const Op& op, const Variable<T>& x);

extern template class Buffer<float>;
extern template class Buffer<double>;

} // namespace unroll
