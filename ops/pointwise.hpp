#pragma once

#include <unroll/core/autograd/record.hpp>

#include <concepts>
#include <optional>

namespace unroll {

// Pointwise operations; shapes broadcast by NumPy's rule and names are xtensor's. An operand is a
// variable, a parameter, a tensor or a number, and at least one of them is not a number. All throw
// Error where shapes do not broadcast. Each is one line over fuse(), which an expression of several
// is better handed to as a whole.

namespace detail {

template <class X>
concept Number = std::is_arithmetic_v<X>;
template <class X>
concept Tracked = std::convertible_to<const X&, Variable<typename X::value_type>>;

template <class... X>
struct Common {};
template <Tracked X, class... Rest>
struct Common<X, Rest...> {
    using type = typename X::value_type;
};
template <Number X, class... Rest>
struct Common<X, Rest...> : Common<Rest...> {};

template <class T, class X>
concept OperandOf = Number<X> || std::convertible_to<const X&, Variable<T>>;

template <class T, class X>
decltype(auto) operand(const X& x) {
    if constexpr (std::same_as<X, Variable<T>>)
        return (x);
    else if constexpr (Number<X>)
        return Variable<T>(static_cast<T>(x));
    else
        return Variable<T>(x);
}

// An operand, and the line of the operator that it is handed to: an operator has no default
// arguments, but the conversion of what it is given has. `numbers`: nothing else is taken.
template <class T, bool numbers = false>
class Placed {
public:
    template <class X>
    requires(numbers ? Number<X> : OperandOf<T, X>)
        Placed(const X& x, Where where = Where::current())
        : where_(where) {
        if constexpr (std::same_as<X, Variable<T>>)
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
    static V pow(const V& a, const V& b, Op op);
    static V minimum(const V& a, const V& b, Op op);
    static V maximum(const V& a, const V& b, Op op);
    static V where(const Mask& condition, const V& a, const V& b, Op op);
    static Mask less(const V& a, const V& b, Op op);
    static Mask less_equal(const V& a, const V& b, Op op);
    static Mask equal(const V& a, const V& b, Op op);
};

} // namespace detail

template <detail::Tracked A, class T = typename A::value_type>
Variable<T> operator+(const A& a, const detail::AnyPlaced<T>& b) {
    return detail::Pointwise<T>::add(detail::operand<T>(a), *b, b.op("add"));
}
template <detail::Tracked B, class T = typename B::value_type>
Variable<T> operator+(const detail::NumberPlaced<T>& a, const B& b) {
    return detail::Pointwise<T>::add(*a, detail::operand<T>(b), a.op("add"));
}
template <detail::Tracked A, class T = typename A::value_type>
Variable<T> operator-(const A& a, const detail::AnyPlaced<T>& b) {
    return detail::Pointwise<T>::subtract(detail::operand<T>(a), *b, b.op("subtract"));
}
template <detail::Tracked B, class T = typename B::value_type>
Variable<T> operator-(const detail::NumberPlaced<T>& a, const B& b) {
    return detail::Pointwise<T>::subtract(*a, detail::operand<T>(b), a.op("subtract"));
}
template <detail::Tracked A, class T = typename A::value_type>
Variable<T> operator*(const A& a, const detail::AnyPlaced<T>& b) {
    return detail::Pointwise<T>::multiply(detail::operand<T>(a), *b, b.op("multiply"));
}
template <detail::Tracked B, class T = typename B::value_type>
Variable<T> operator*(const detail::NumberPlaced<T>& a, const B& b) {
    return detail::Pointwise<T>::multiply(*a, detail::operand<T>(b), a.op("multiply"));
}
template <detail::Tracked A, class T = typename A::value_type>
Variable<T> operator/(const A& a, const detail::AnyPlaced<T>& b) {
    return detail::Pointwise<T>::divide(detail::operand<T>(a), *b, b.op("divide"));
}
template <detail::Tracked B, class T = typename B::value_type>
Variable<T> operator/(const detail::NumberPlaced<T>& a, const B& b) {
    return detail::Pointwise<T>::divide(*a, detail::operand<T>(b), a.op("divide"));
}
template <detail::Tracked A, class T = typename A::value_type>
Variable<T> operator-(const A& a) {
    return detail::Pointwise<T>::multiply(detail::operand<T>(a), Variable<T>(T(-1)),
                                          Op::unplaced("negative"));
}
template <class T>
Variable<T>& operator+=(Variable<T>& a, const detail::AnyPlaced<T>& b) {
    return a = detail::Pointwise<T>::add(a, *b, b.op("add"));
}
template <class T>
Variable<T>& operator-=(Variable<T>& a, const detail::AnyPlaced<T>& b) {
    return a = detail::Pointwise<T>::subtract(a, *b, b.op("subtract"));
}
template <class T>
Variable<T>& operator*=(Variable<T>& a, const detail::AnyPlaced<T>& b) {
    return a = detail::Pointwise<T>::multiply(a, *b, b.op("multiply"));
}
template <class T>
Variable<T>& operator/=(Variable<T>& a, const detail::AnyPlaced<T>& b) {
    return a = detail::Pointwise<T>::divide(a, *b, b.op("divide"));
}

// a^b; the derivative by b is that of exp(b log a), and 0 where a is 0.
template <class A, class B, class T = typename detail::Common<A, B>::type>
requires detail::OperandOf<T, A> && detail::OperandOf<T, B> Variable<T> pow(const A& a, const B& b,
                                                                            Op op = "pow") {
    return detail::Pointwise<T>::pow(detail::operand<T>(a), detail::operand<T>(b), op);
}
// The gradient goes to the one taken; to the first where they are equal.
template <class A, class B, class T = typename detail::Common<A, B>::type>
requires detail::OperandOf<T, A> && detail::OperandOf<T, B> Variable<T>
minimum(const A& a, const B& b, Op op = "minimum") {
    return detail::Pointwise<T>::minimum(detail::operand<T>(a), detail::operand<T>(b), op);
}
template <class A, class B, class T = typename detail::Common<A, B>::type>
requires detail::OperandOf<T, A> && detail::OperandOf<T, B> Variable<T>
maximum(const A& a, const B& b, Op op = "maximum") {
    return detail::Pointwise<T>::maximum(detail::operand<T>(a), detail::operand<T>(b), op);
}
// a where the condition holds, else b. What was not taken gets no gradient, not even a NaN.
template <class A, class B, class T = typename detail::Common<A, B>::type>
requires detail::OperandOf<T, A> && detail::OperandOf<T, B> Variable<T>
where(const Mask& condition, const A& a, const B& b, Op op = "where") {
    return detail::Pointwise<T>::where(condition, detail::operand<T>(a), detail::operand<T>(b), op);
}

// Comparisons of values; no gradient.
template <detail::Tracked A, class T = typename A::value_type>
Mask operator<(const A& a, const detail::AnyPlaced<T>& b) {
    return detail::Pointwise<T>::less(detail::operand<T>(a), *b, b.op("less"));
}
template <detail::Tracked B, class T = typename B::value_type>
Mask operator<(const detail::NumberPlaced<T>& a, const B& b) {
    return detail::Pointwise<T>::less(*a, detail::operand<T>(b), a.op("less"));
}
template <detail::Tracked A, class T = typename A::value_type>
Mask operator>(const A& a, const detail::AnyPlaced<T>& b) {
    return detail::Pointwise<T>::less(*b, detail::operand<T>(a), b.op("greater"));
}
template <detail::Tracked B, class T = typename B::value_type>
Mask operator>(const detail::NumberPlaced<T>& a, const B& b) {
    return detail::Pointwise<T>::less(detail::operand<T>(b), *a, a.op("greater"));
}
template <detail::Tracked A, class T = typename A::value_type>
Mask operator<=(const A& a, const detail::AnyPlaced<T>& b) {
    return detail::Pointwise<T>::less_equal(detail::operand<T>(a), *b, b.op("less_equal"));
}
template <detail::Tracked B, class T = typename B::value_type>
Mask operator<=(const detail::NumberPlaced<T>& a, const B& b) {
    return detail::Pointwise<T>::less_equal(*a, detail::operand<T>(b), a.op("less_equal"));
}
template <detail::Tracked A, class T = typename A::value_type>
Mask operator>=(const A& a, const detail::AnyPlaced<T>& b) {
    return detail::Pointwise<T>::less_equal(*b, detail::operand<T>(a), b.op("greater_equal"));
}
template <detail::Tracked B, class T = typename B::value_type>
Mask operator>=(const detail::NumberPlaced<T>& a, const B& b) {
    return detail::Pointwise<T>::less_equal(detail::operand<T>(b), *a, a.op("greater_equal"));
}
template <class A, class B, class T = typename detail::Common<A, B>::type>
requires detail::OperandOf<T, A> && detail::OperandOf<T, B> Mask equal(const A& a, const B& b,
                                                                       Op op = "equal") {
    return detail::Pointwise<T>::equal(detail::operand<T>(a), detail::operand<T>(b), op);
}

template <class T>
Variable<T> exp(const Variable<T>& x, Op op = "exp");
template <class T>
Variable<T> log(const Variable<T>& x, Op op = "log");
template <class T>
Variable<T> log1p(const Variable<T>& x, Op op = "log1p");
template <class T>
Variable<T> expm1(const Variable<T>& x, Op op = "expm1");
template <class T>
Variable<T> sqrt(const Variable<T>& x, Op op = "sqrt");
template <class T>
Variable<T> square(const Variable<T>& x, Op op = "square");
template <class T>
Variable<T> reciprocal(const Variable<T>& x, Op op = "reciprocal");
template <class T>
Variable<T> sin(const Variable<T>& x, Op op = "sin");
template <class T>
Variable<T> cos(const Variable<T>& x, Op op = "cos");
template <class T>
Variable<T> erf(const Variable<T>& x, Op op = "erf");
// |x|; the derivative at 0 is 0.
template <class T>
Variable<T> abs(const Variable<T>& x, Op op = "abs");
// -1, 0 or 1; the derivative is 0.
template <class T>
Variable<T> sign(const Variable<T>& x, Op op = "sign");
// x held within [low, high]; the derivative is 1 there and 0 outside. Throws Error for low > high.
template <class T>
Variable<T> clip(const Variable<T>& x, double low, double high, Op op = "clip");

template <class T>
Variable<T> tanh(const Variable<T>& x, Op op = "tanh");
// 1 / (1 + e^-x)
template <class T>
Variable<T> sigmoid(const Variable<T>& x, Op op = "sigmoid");
// max(x, 0); the derivative at 0 is 0.
template <class T>
Variable<T> relu(const Variable<T>& x, Op op = "relu");
// x for x > 0, else slope x
template <class T>
Variable<T> leaky_relu(const Variable<T>& x, double slope = 0.01, Op op = "leaky_relu");
// x for x > 0, else alpha (e^x - 1)  (Clevert et al. 2016)
template <class T>
Variable<T> elu(const Variable<T>& x, double alpha = 1.0, Op op = "elu");
// x times the normal distribution function of x  (Hendrycks and Gimpel 2016)
template <class T>
Variable<T> gelu(const Variable<T>& x, Op op = "gelu");
// x sigmoid(x)
template <class T>
Variable<T> silu(const Variable<T>& x, Op op = "silu");
// log(1 + e^x)
template <class T>
Variable<T> softplus(const Variable<T>& x, Op op = "softplus");

} // namespace unroll
