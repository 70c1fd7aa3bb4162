#pragma once

#include <unroll/core/kernels/loops.hpp>
#include <unroll/ops/fuse/dual.hpp>
#include <unroll/ops/fuse/functions.hpp>
#include <unroll/ops/fuse/probe.hpp>
#include <unroll/ops/fuse/symbol.hpp>
#include <unroll/ops/operand.hpp>

namespace unroll {

namespace detail {

// The layout of the result of a map over the operands, whose names are for messages.
template <class... V>
LayoutRef common_layout(const Op& op, std::string_view names, const V&... x) {
    (x.require_value(op), ...);
    const std::array<const LayoutRef*, sizeof...(V)> all{&x.value().layout()...};
    bool alike = (*all[0])->is_row_major;
    for (const LayoutRef* layout : all) alike = alike && &**layout == &**all[0];
    if (alike) return *all[0];
    return LayoutRef(broadcast(op, std::array<const Shape*, sizeof...(V)>{&x.shape()...}, names));
}

template <class F>
std::string_view names_of(const F& f) {
    if constexpr (requires { f.names; })
        return f.names;
    else
        return {};
}

// An operand that is a single number.
template <class T>
InputOperand<T> operand_of_zeros() {
    static constexpr T zero = 0;
    static const LayoutRef scalar{Shape{}};
    return {&zero, scalar};
}

// Splits (x..., g...) and applies f's pullback.
template <std::size_t N, class F, class... All>
auto pull_back_all(const F& f, All... all) {
    const std::tuple<All...> values(all...);
    return [&]<std::size_t... I, std::size_t... J>(std::index_sequence<I...>,
                                                   std::index_sequence<J...>) {
        return pull_back(f, std::tuple(std::get<I>(values)...),
                         std::tuple(std::get<N + J>(values)...));
    }
    (std::make_index_sequence<N>{}, std::make_index_sequence<sizeof...(All) - N>{});
}

// f as an expression, by calling it with symbols.
template <std::size_t N, class F>
Expression read(const F& f) {
    Reading reading(N);
    [&]<std::size_t... i>(std::index_sequence<i...>) {
        const auto results = f(reading.input(i)...);
        std::apply([&](const auto&... y) { (reading.output(y), ...); }, as_tuple(results));
    }
    (std::make_index_sequence<N>{});
    return std::move(reading.expression);
}

// The rule of a fused operation of N operands and M results.
template <class T, std::size_t N, std::size_t M, class F>
struct FusedRule {
    [[no_unique_address]] F f;

    template <class... V>
    void operator()(const Adjoints<T>& to, std::span<const Variable<T>> gradients,
                    const V&... x) const {
        if (to.is_recording())
            return add_pulled_back<T>(read<N>(f), to, std::array<Variable<T>, N>{x...}, gradients);
        const LayoutRef layout = common_layout(Op::unplaced("fuse"), {}, x...);
        std::array<InputOperand<T>, N + M> sources{x.value()...};
        for (std::size_t i = 0; i < M; ++i)
            sources[N + i] = gradients[i].has_value() ? InputOperand<T>(gradients[i].value())
                                                      : operand_of_zeros<T>();
        const auto targets = [&]<std::size_t... I>(std::index_sequence<I...>) {
            return std::array<Adjoint<T>, N>{to[I]...};
        }
        (std::make_index_sequence<N>{});
        std::array<OutputOperand<T>, N> contributions;
        Adjoint<T>::open(targets, contributions);
        map_elements(layout->shape, sources, contributions,
                     [f = f](auto... all) { return pull_back_all<N>(f, all...); });
    }

    Formula formula() const {
        const char* names = nullptr;
        if constexpr (requires { f.names; }) names = f.names;
        Formula found = read<N>(f).formula(names);
        found.is_primitive = requires { F::is_primitive; };
        return found;
    }
};

template <class T, class F, class... V>
auto fuse(const Op& op, const F& f, std::span<const OutputSlot<T>> targets, const V&... x) {
    constexpr std::size_t N = sizeof...(V);
    using Values =
        std::remove_cvref_t<decltype(as_tuple(f((static_cast<void>(x), Lanes<T>{})...)))>;
    constexpr std::size_t M = std::tuple_size_v<Values>;

    const LayoutRef layout = common_layout(op, names_of(f), x...);
    const Shape& shape = layout->shape;
    std::array<Tensor<T>, M> values;
    std::array<OutputOperand<T>, M> sinks;
    for (std::size_t i = 0; i < M; ++i) {
        values[i] = i < targets.size() ? targets[i].take(shape) : Tensor<T>(layout);
        if (values[i].shape() != shape)
            fail(op, "the result " + to_string(shape) + " does not match its output slot " +
                         to_string(values[i].shape()));
        sinks[i] = result_operand(values[i]);
        if (i < targets.size() && targets[i].is_given() && (overlap(values[i], x.value()) || ...))
            fail(op, "its result would overwrite an operand, which the backward pass needs; store "
                     "it elsewhere");
    }
    map_elements(shape, std::array<InputOperand<T>, N>{x.value()...}, sinks, f);

    const std::array<const Variable<T>*, N> inputs{&x...};
    auto out = record<T>(op, std::span(inputs), std::move(values), save_for_backward(x...),
                         FusedRule<T, N, M, F>{f}, targets);
    if constexpr (requires { f.names; })
        if (out[0].is_recorded()) out[0].tape()->set_names(out[0].node(), f.names);
    if constexpr (M == 1)
        return std::move(out[0]);
    else
        return out;
}

} // namespace detail

// For rules: target += f at every position of its operands, in one pass and without a temporary.
template <class T, class F, class... V>
void add_fused(const Adjoint<T>& target, const F& f, const V&... x) {
    if (!target.needs_grad()) return;
    if (target.is_recording()) {
        const auto expression = std::make_shared<const Expression>(detail::read<sizeof...(V)>(f));
        return target.add(evaluate<T>(target.operation(), expression, std::array{x...})[0]);
    }
    const std::array<const Shape*, sizeof...(V) + 1> shapes{&target.shape(), &x.shape()...};
    const Shape shape = broadcast(Op::unplaced("add to an adjoint"), shapes);
    map_elements(shape, std::array<InputOperand<T>, sizeof...(V)>{x.value()...},
                 std::array{target.open()}, f);
}

// f with names for its operands and results, for graph drawings and printed formulas:
//   fuse("lstm", named("i f g o c -> h c'", [](auto i, ...) { ... }), ...)
template <class F>
struct named {
    const char* names;
    [[no_unique_address]] F f;

    named(const char* names, F f) : names(names), f(f) {}
    template <class... X>
    auto operator()(const X&... x) const {
        return f(x...);
    }
};

// f as one operation whose formula is not drawn: softplus, dropout, the losses.
template <class F>
struct primitive {
    static constexpr bool is_primitive = true;
    [[no_unique_address]] F f;

    explicit primitive(F f) : f(f) {}
    template <class... X>
    auto operator()(const X&... x) const {
        return f(x...);
    }
};

// f at every position of its operands, which broadcast to a common shape, in one pass over memory:
//   auto [h, c] = fuse("cell", [](auto i, auto c) { ...; return outputs(h, c); }, x, state);
// f is a generic lambda over numbers that returns one number or outputs(...). Called with SIMD
// lanes it is the forward kernel, with dual numbers over lanes the backward kernel, and with
// symbols it gives a formula, for graph drawings and higher derivatives. Its operands are saved,
// and it is evaluated again in the backward pass: it must capture by value. Operands are variables,
// parameters, tensors or numbers, at least one of them not a number. The operand that a
// where(condition, a, b) does not select contributes neither to the value nor to a derivative of
// any order, even if it is NaN or the incoming gradient is infinite. Throws Error if shapes do not
// broadcast.
template <class F, class... X>
auto fuse(Op op, F f, const X&... x) {
    constexpr bool has_mask = (detail::is_mask_or_indices<X> || ...);
    static_assert(!has_mask,
                  "fuse: a Mask or Indices is no operand, as its elements are no numbers of the "
                  "type of the others; write where(mask, a, b) outside of fuse(), or pass a tensor "
                  "of 1 and 0 for a parameter m, and where(m > 0, a, b) in the lambda");
    constexpr bool has_operand = (Operand<X> || ...);
    static_assert(has_mask || has_operand,
                  "fuse: an operand must be a variable, parameter or tensor");
    if constexpr (has_operand && !has_mask) {
        using T = scalar_t<X...>;
        constexpr bool has_one_type = ((OperandOf<T, X> && !OfOtherType<X, T>)&&...);
        static_assert(has_one_type, "fuse: operands of float and of double have no common type");
        if constexpr (has_one_type && detail::can_be_read<F, detail::probe_for<F, X>...>())
            return detail::fuse<T>(op, f, {}, static_cast<const Variable<T>&>(x)...);
        else
            return Variable<T>();
    }
}

// The same with the first result, or the first M results, stored in output slots.
template <class T, class F, class... X>
auto fuse_into(const OutputSlot<T>& target, Op op, F f, const X&... x) {
    if constexpr (detail::can_be_read<F, detail::probe_for<F, X>...>())
        return detail::fuse<T>(op, f, std::span(&target, 1), static_cast<const Variable<T>&>(x)...);
    else
        return Variable<T>();
}
template <class T, std::size_t M, class F, class... X>
auto fuse_into(const std::array<OutputSlot<T>, M>& targets, Op op, F f, const X&... x) {
    if constexpr (detail::can_be_read<F, detail::probe_for<F, X>...>())
        return detail::fuse<T>(op, f, std::span<const OutputSlot<T>>(targets),
                               static_cast<const Variable<T>&>(x)...);
    else
        return std::array<Variable<T>, M>();
}

} // namespace unroll
