#pragma once

#include <unroll/ops/operand.hpp>

#include <optional>

namespace unroll {

// Pointwise operations, with NumPy's broadcasting rules and xtensor's names. Operands are
// variables, parameters, tensors or numbers, at least one of them not a number. All throw Error if
// shapes do not broadcast. Each is one line over fuse(); use fuse() directly for expressions of
// several functions.

namespace detail {

// An operand of an operator, and the source line: operators cannot have default arguments, but the
// conversion of their operands can. `numbers`: accepts only numbers.
template <class T, bool numbers = false>
class Placed {
public:
    template <class X>
    requires(numbers ? Number<X> : OperandOf<T, X>)
        Placed(const X& x, Where where = Where::current())
        : where_(where) {
        if constexpr (std::derived_from<X, Variable<T>>)
            value_ = &x;
        else
            value_ = &own_.emplace(operand<T>(x));
    }
    Placed(const Placed&) = delete;

    const Variable<T>& operator*() const { return *value_; }
    Op op(const char* name) const { return Op(name, where_); }

private:
    const Variable<T>* value_;
    std::optional<Variable<T>> own_;
    Where where_;
};
template <class T>
using AnyPlaced = std::type_identity_t<Placed<T>>;
template <class T>
using NumberPlaced = std::type_identity_t<Placed<T, true>>;

template <class T>
struct Pointwise {
    using V = Variable<T>;
    static V add(const V& a, const V& b, Op op);
    static V subtract(const V& a, const V& b, Op op);
    static V multiply(const V& a, const V& b, Op op);
    static V divide(const V& a, const V& b, Op op);
    static V negative(const V& a, Op op);
#define UNROLL_BINARY(name, ...) static V name(const V& a, const V& b, Op op);
#define UNROLL_CHOICE(name, ...) static V name(const V& a, const V& b, Op op);
#include <unroll/ops/fuse/function_list.hpp>
    static V where(const Mask& condition, const V& a, const V& b, Op op);
    static Mask less(const V& a, const V& b, Op op);
    static Mask less_equal(const V& a, const V& b, Op op);
    static Mask equal(const V& a, const V& b, Op op);
};

} // namespace detail

template <Operand A, class T = typename A::value_type>
Variable<T> operator+(const A& a, const detail::AnyPlaced<T>& b) {
    return detail::Pointwise<T>::add(detail::operand<T>(a), *b, b.op("add"));
}
template <Operand B, class T = typename B::value_type>
Variable<T> operator+(const detail::NumberPlaced<T>& a, const B& b) {
    return detail::Pointwise<T>::add(*a, detail::operand<T>(b), a.op("add"));
}
template <Operand A, class T = typename A::value_type>
Variable<T> operator-(const A& a, const detail::AnyPlaced<T>& b) {
    return detail::Pointwise<T>::subtract(detail::operand<T>(a), *b, b.op("subtract"));
}
template <Operand B, class T = typename B::value_type>
Variable<T> operator-(const detail::NumberPlaced<T>& a, const B& b) {
    return detail::Pointwise<T>::subtract(*a, detail::operand<T>(b), a.op("subtract"));
}
template <Operand A, class T = typename A::value_type>
Variable<T> operator*(const A& a, const detail::AnyPlaced<T>& b) {
    return detail::Pointwise<T>::multiply(detail::operand<T>(a), *b, b.op("multiply"));
}
template <Operand B, class T = typename B::value_type>
Variable<T> operator*(const detail::NumberPlaced<T>& a, const B& b) {
    return detail::Pointwise<T>::multiply(*a, detail::operand<T>(b), a.op("multiply"));
}
template <Operand A, class T = typename A::value_type>
Variable<T> operator/(const A& a, const detail::AnyPlaced<T>& b) {
    return detail::Pointwise<T>::divide(detail::operand<T>(a), *b, b.op("divide"));
}
template <Operand B, class T = typename B::value_type>
Variable<T> operator/(const detail::NumberPlaced<T>& a, const B& b) {
    return detail::Pointwise<T>::divide(*a, detail::operand<T>(b), a.op("divide"));
}
template <Operand A, class T = typename A::value_type>
Variable<T> operator-(const A& a) {
    return detail::Pointwise<T>::negative(detail::operand<T>(a), Op::unplaced("negative"));
}
// Only for variables: assignment would replace a parameter by the result.
template <class V, class T = typename V::value_type>
requires std::same_as<V, Variable<T>> V& operator+=(V& a, const detail::AnyPlaced<T>& b) {
    return a = detail::Pointwise<T>::add(a, *b, b.op("add"));
}
template <class V, class T = typename V::value_type>
requires std::same_as<V, Variable<T>> V& operator-=(V& a, const detail::AnyPlaced<T>& b) {
    return a = detail::Pointwise<T>::subtract(a, *b, b.op("subtract"));
}
template <class V, class T = typename V::value_type>
requires std::same_as<V, Variable<T>> V& operator*=(V& a, const detail::AnyPlaced<T>& b) {
    return a = detail::Pointwise<T>::multiply(a, *b, b.op("multiply"));
}
template <class V, class T = typename V::value_type>
requires std::same_as<V, Variable<T>> V& operator/=(V& a, const detail::AnyPlaced<T>& b) {
    return a = detail::Pointwise<T>::divide(a, *b, b.op("divide"));
}
namespace detail {
template <class V>
concept OtherThanVariable = Operand<V> && !std::same_as<V, Variable<typename V::value_type>>;
template <class V>
V& not_assignable(V& x) {
    static_assert(sizeof(V) == 0, "only variables take +=, -=, *= and /=; for a parameter write "
                                  "w.set((w - x).value()), for a tensor t = (t - x).value()");
    return x;
}
} // namespace detail
template <detail::OtherThanVariable V, class B>
V& operator+=(V& a, const B&) {
    return detail::not_assignable(a);
}
template <detail::OtherThanVariable V, class B>
V& operator-=(V& a, const B&) {
    return detail::not_assignable(a);
}
template <detail::OtherThanVariable V, class B>
V& operator*=(V& a, const B&) {
    return detail::not_assignable(a);
}
template <detail::OtherThanVariable V, class B>
V& operator/=(V& a, const B&) {
    return detail::not_assignable(a);
}

// pow, minimum, maximum: docs/operations.md.
#define UNROLL_BINARY(name, ...)                                                                   \
    template <class A, class B, class T = scalar_t<A, B>>                                          \
    requires OperandOf<T, A> && OperandOf<T, B> Variable<T> name(const A& a, const B& b,           \
                                                                 Op op = #name) {                  \
        return detail::Pointwise<T>::name(detail::operand<T>(a), detail::operand<T>(b), op);       \
    }
#define UNROLL_CHOICE(name, ...) UNROLL_BINARY(name)
#include <unroll/ops/fuse/function_list.hpp>

// a where the condition holds, else b. The operand that is not selected gets a gradient of 0,
// whatever the incoming gradient. If its own derivative is infinite or NaN there, use where inside
// fuse(), which excludes it completely.
template <class A, class B, class T = scalar_t<A, B>>
requires OperandOf<T, A> && OperandOf<T, B> Variable<T> where(const Mask& condition, const A& a,
                                                              const B& b, Op op = "where") {
    return detail::Pointwise<T>::where(condition, detail::operand<T>(a), detail::operand<T>(b), op);
}

// Comparisons of values; no gradient.
template <Operand A, class T = typename A::value_type>
Mask operator<(const A& a, const detail::AnyPlaced<T>& b) {
    return detail::Pointwise<T>::less(detail::operand<T>(a), *b, b.op("less"));
}
template <Operand B, class T = typename B::value_type>
Mask operator<(const detail::NumberPlaced<T>& a, const B& b) {
    return detail::Pointwise<T>::less(*a, detail::operand<T>(b), a.op("less"));
}
template <Operand A, class T = typename A::value_type>
Mask operator>(const A& a, const detail::AnyPlaced<T>& b) {
    return detail::Pointwise<T>::less(*b, detail::operand<T>(a), b.op("greater"));
}
template <Operand B, class T = typename B::value_type>
Mask operator>(const detail::NumberPlaced<T>& a, const B& b) {
    return detail::Pointwise<T>::less(detail::operand<T>(b), *a, a.op("greater"));
}
template <Operand A, class T = typename A::value_type>
Mask operator<=(const A& a, const detail::AnyPlaced<T>& b) {
    return detail::Pointwise<T>::less_equal(detail::operand<T>(a), *b, b.op("less_equal"));
}
template <Operand B, class T = typename B::value_type>
Mask operator<=(const detail::NumberPlaced<T>& a, const B& b) {
    return detail::Pointwise<T>::less_equal(*a, detail::operand<T>(b), a.op("less_equal"));
}
template <Operand A, class T = typename A::value_type>
Mask operator>=(const A& a, const detail::AnyPlaced<T>& b) {
    return detail::Pointwise<T>::less_equal(*b, detail::operand<T>(a), b.op("greater_equal"));
}
template <Operand B, class T = typename B::value_type>
Mask operator>=(const detail::NumberPlaced<T>& a, const B& b) {
    return detail::Pointwise<T>::less_equal(detail::operand<T>(b), *a, a.op("greater_equal"));
}
template <class A, class B, class T = scalar_t<A, B>>
requires OperandOf<T, A> && OperandOf<T, B> Mask equal(const A& a, const B& b, Op op = "equal") {
    return detail::Pointwise<T>::equal(detail::operand<T>(a), detail::operand<T>(b), op);
}

// Logical and, or and not of masks. Shapes broadcast.
Mask operator&&(const Mask& a, const Mask& b);
Mask operator||(const Mask& a, const Mask& b);
Mask operator!(const Mask& a);

// exp, tanh, sigmoid, relu, leaky_relu and so on, of a variable, parameter or tensor:
// see the table in docs/operations.md.
#define UNROLL_UNARY(name, ...)                                                                    \
    template <class T>                                                                             \
    Variable<T> name(const Variable<T>& x, Op op = #name);                                         \
    auto name(const TensorOperand auto& x, Op op = #name) { return name(detail::variable(x), op); }
#define UNROLL_UNARY_WITH(name, meaning, notation, constant, ...)                                  \
    template <class T>                                                                             \
    Variable<T> name(const Variable<T>& x, double p = constant, Op op = #name);                    \
    auto name(const TensorOperand auto& x, double p = constant, Op op = #name) {                   \
        return name(detail::variable(x), p, op);                                                   \
    }
#include <unroll/ops/fuse/function_list.hpp>

// Clamps x to [low, high]; the derivative is 1 inside and 0 outside. Throws Error for low > high.
template <class T>
Variable<T> clip(const Variable<T>& x, double low, double high, Op op = "clip");
auto clip(const TensorOperand auto& x, double low, double high, Op op = "clip") {
    return clip(detail::variable(x), low, high, op);
}

} // namespace unroll
