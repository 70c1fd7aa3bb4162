#pragma once

#include <unroll/core/autograd/record.hpp>

#include <concepts>

namespace unroll {

// Functions of variables accept variables, parameters, tensors of float or double and, next to any
// of these, numbers. The first operand determines the scalar type; the others are converted.

template <class X>
concept Number = std::is_arithmetic_v<X>;

// A variable, parameter or tensor of float or double.
template <class X>
concept Operand = requires {
    typename X::value_type;
}
&&std::floating_point<typename X::value_type>&&
    std::convertible_to<const X&, Variable<typename X::value_type>>;

// An operand that is not a variable. T of `const Variable<T>&` cannot be deduced from it, so each
// function has a separate overload.
template <class X>
concept TensorOperand = Operand<X> && !std::derived_from<X, Variable<typename X::value_type>>;

template <class T, class X>
concept OperandOf = Number<X> || std::convertible_to<const X&, Variable<T>>;

namespace detail {

template <Operand X>
Variable<typename X::value_type> variable(const X& x) {
    if constexpr (std::same_as<X, Tensor<typename X::value_type>>)
        return {x, Where()};
    else
        return x;
}

template <class... X>
struct Common {};
template <Operand X, class... Rest>
struct Common<X, Rest...> {
    using type = typename X::value_type;
};
template <Number X, class... Rest>
struct Common<X, Rest...> : Common<Rest...> {};

template <class T, class X>
decltype(auto) operand(const X& x) {
    if constexpr (std::derived_from<X, Variable<T>>)
        return static_cast<const Variable<T>&>(x);
    else if constexpr (Number<X>)
        return Variable<T>(static_cast<T>(x));
    else if constexpr (std::same_as<X, Tensor<T>>)
        return Variable<T>(x, Where());
    else
        return Variable<T>(x);
}

// y; pictures then show an unrecorded tensor as an operand of its operation. `role`: what it is,
// such as "indices". Not within the Composite of another operation, which shows its own operands.
template <class T, class U>
Variable<T> with_operand(Variable<T> y, const char* role, const Tensor<U>& operand,
                         const Composite* own = nullptr,
                         std::uint32_t input = ConstantUse::not_an_input) {
    operand.require_not_moved(Op::unplaced(role));
    if (y.is_recorded() && Composite::outermost() == own)
        y.tape()->note_operand(y, role, operand, input);
    return y;
}

// y, whose operation pictures write so. Not within the Composite of another operation.
template <class T>
Variable<T> with_notation(Variable<T> y, Notation notation, const Composite* own = nullptr) {
    if (y.is_recorded() && Composite::outermost() == own)
        y.tape()->set_notation(y.node(), notation);
    return y;
}

// y, for whose operation pictures show numbers that it captured: the arguments of its call from
// number `first` on.
template <class T>
Variable<T> with_literals(Variable<T> y, std::uint32_t first, std::initializer_list<double> numbers,
                          const Composite* own = nullptr) {
    if (y.is_recorded() && Composite::outermost() == own)
        for (const double number : numbers) y.tape()->note_literal(y, first++, number);
    return y;
}

} // namespace detail

// The scalar type of operands of which at least one is not a number.
template <class... X>
using scalar_t = typename detail::Common<X...>::type;

} // namespace unroll
