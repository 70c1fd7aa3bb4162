#pragma once

#include <unroll/core/kernels/loops.hpp>
#include <unroll/ops/fuse/functions.hpp>

#include <array>
#include <bit>
#include <tuple>
#include <utility>

namespace unroll {

namespace detail {
// Marks derivatives that a where() may have replaced by 0, in the mask of a Dual.
inline constexpr unsigned chosen = 1u << 31;
} // namespace detail

// A value and its derivatives with respect to up to 31 inputs. Bit i of `mask` says whether
// derivative i may be nonzero: zero derivatives are known at compile time and cost nothing. B is
// Lanes, a plain number, or a symbol.
template <class B, unsigned mask>
struct Dual {
    static constexpr int alive = std::popcount(mask & ~detail::chosen);

    B v;
    std::array<B, alive> d;

    template <unsigned i>
    static constexpr bool has = (mask >> i & 1u) != 0;
    template <unsigned i>
    const B& part() const {
        return d[std::popcount(mask & ((1u << i) - 1))];
    }
};

template <class X>
inline constexpr bool is_dual = false;
template <class B, unsigned mask>
inline constexpr bool is_dual<Dual<B, mask>> = true;

namespace detail {

template <class X>
inline constexpr unsigned mask_of = 0;
template <class B, unsigned mask>
inline constexpr unsigned mask_of<Dual<B, mask>> = mask;

template <unsigned mask, unsigned nth>
constexpr unsigned bit_number() {
    unsigned rest = mask;
    for (unsigned i = 0; i < nth; ++i) rest &= rest - 1;
    return static_cast<unsigned>(std::countr_zero(rest));
}

// part * factor. A part that is 0 because where() selected the other operand remains 0 when
// multiplied by infinity or NaN.
template <unsigned mask, class B>
B scaled(const B& part, const B& factor) {
    if constexpr ((mask & chosen) != 0)
        return where(part == B(0), B(0), part * factor);
    else
        return part * factor;
}

// A Dual whose partial i is f(std::integral_constant i).
template <unsigned mask, class B, class F>
Dual<B, mask> build(const B& value, const F& f) {
    return [&]<unsigned... n>(std::integer_sequence<unsigned, n...>) {
        return Dual<B, mask>{value,
                             {f(std::integral_constant<unsigned, bit_number<mask, n>()>{})...}};
    }
    (std::make_integer_sequence<unsigned, static_cast<unsigned>(Dual<B, mask>::alive)>{});
}

// g(value) with g' = derivative at a.
template <class B, unsigned m>
Dual<B, m> chain(const Dual<B, m>& a, const B& value, const B& derivative) {
    return build<m>(value, [&](auto i) { return scaled<m>(a.template part<i>(), derivative); });
}

// g(a, b) with the derivatives with respect to a and b.
template <class B, unsigned m, unsigned n>
Dual<B, m | n> chain(const Dual<B, m>& a, const Dual<B, n>& b, const B& value, const B& by_a,
                     const B& by_b) {
    return build<m | n>(value, [&](auto i) {
        if constexpr (!Dual<B, n>::template has<i>)
            return scaled<m>(a.template part<i>(), by_a);
        else if constexpr (!Dual<B, m>::template has<i>)
            return scaled<n>(b.template part<i>(), by_b);
        else
            return scaled<m>(a.template part<i>(), by_a) + scaled<n>(b.template part<i>(), by_b);
    });
}

// Selects one of two, including partials, without contributions from the other.
template <class C, class B, unsigned m, unsigned n>
Dual<B, m | n | chosen> choose(const C& condition, const Dual<B, m>& a, const Dual<B, n>& b) {
    return build<m | n | chosen>(where(condition, a.v, b.v), [&](auto i) {
        const auto of = [&](const auto& x) -> B {
            if constexpr (std::decay_t<decltype(x)>::template has<i>)
                return x.template part<i>();
            else
                return B(0);
        };
        return where(condition, of(a), of(b));
    });
}

template <class B>
Dual<B, 0> constant(const B& v) {
    return {v, {}};
}

} // namespace detail

// Operands that a Dual over B accepts: a B, or any number convertible to it.
template <class S, class B>
concept ConstantFor = std::same_as<S, B> ||(!is_dual<S> && std::convertible_to<S, B>);

template <class B, unsigned m, unsigned n>
auto operator+(const Dual<B, m>& a, const Dual<B, n>& b) {
    return detail::build<m | n>(a.v + b.v, [&](auto i) {
        if constexpr (!Dual<B, n>::template has<i>)
            return a.template part<i>();
        else if constexpr (!Dual<B, m>::template has<i>)
            return b.template part<i>();
        else
            return a.template part<i>() + b.template part<i>();
    });
}
template <class B, unsigned m>
Dual<B, m> operator-(const Dual<B, m>& a) {
    return detail::build<m>(-a.v, [&](auto i) { return -a.template part<i>(); });
}
template <class B, unsigned m, unsigned n>
auto operator-(const Dual<B, m>& a, const Dual<B, n>& b) {
    return a + -b;
}
template <class B, unsigned m, unsigned n>
auto operator*(const Dual<B, m>& a, const Dual<B, n>& b) {
    return detail::chain(a, b, a.v * b.v, b.v, a.v);
}
template <class B, unsigned m, unsigned n>
auto operator/(const Dual<B, m>& a, const Dual<B, n>& b) {
    const B inverse = B(1) / b.v, value = a.v / b.v;
    return detail::chain(a, b, value, inverse, -value * inverse);
}

template <class B, unsigned m, ConstantFor<B> S>
auto operator+(const Dual<B, m>& a, const S& s) {
    return Dual<B, m>{a.v + B(s), a.d};
}
template <class B, unsigned m, ConstantFor<B> S>
auto operator+(const S& s, const Dual<B, m>& a) {
    return Dual<B, m>{B(s) + a.v, a.d};
}
template <class B, unsigned m, ConstantFor<B> S>
auto operator-(const Dual<B, m>& a, const S& s) {
    return Dual<B, m>{a.v - B(s), a.d};
}
template <class B, unsigned m, ConstantFor<B> S>
auto operator-(const S& s, const Dual<B, m>& a) {
    return detail::chain(a, B(s) - a.v, B(-1));
}
template <class B, unsigned m, ConstantFor<B> S>
auto operator*(const Dual<B, m>& a, const S& s) {
    return detail::chain(a, a.v * B(s), B(s));
}
template <class B, unsigned m, ConstantFor<B> S>
auto operator*(const S& s, const Dual<B, m>& a) {
    return detail::chain(a, B(s) * a.v, B(s));
}
template <class B, unsigned m, ConstantFor<B> S>
auto operator/(const Dual<B, m>& a, const S& s) {
    return detail::chain(a, a.v / B(s), B(1) / B(s));
}
template <class B, unsigned m, ConstantFor<B> S>
auto operator/(const S& s, const Dual<B, m>& a) {
    return detail::constant(B(s)) / a;
}

namespace detail {
template <class B, class X>
auto as_dual(const X& x) {
    if constexpr (is_dual<X> && !std::same_as<X, B>)
        return x;
    else
        return constant(B(x));
}
template <class A, class B>
struct DualBase {};
template <class B, unsigned m, class S>
requires ConstantFor<S, B>
struct DualBase<Dual<B, m>, S> {
    using type = B;
};
template <class S, class B, unsigned m>
requires ConstantFor<S, B>
struct DualBase<S, Dual<B, m>> {
    using type = B;
};
template <class B, unsigned m, unsigned n>
struct DualBase<Dual<B, m>, Dual<B, n>> {
    using type = B;
};
// The base of two operands of which at least one is a Dual.
template <class X, class Y>
using dual_base = typename DualBase<X, Y>::type;
} // namespace detail

// Comparisons compare values.
template <class X, class Y, class B = detail::dual_base<X, Y>>
auto operator<(const X& a, const Y& b) {
    return detail::as_dual<B>(a).v < detail::as_dual<B>(b).v;
}
template <class X, class Y, class B = detail::dual_base<X, Y>>
auto operator>(const X& a, const Y& b) {
    return detail::as_dual<B>(a).v > detail::as_dual<B>(b).v;
}
template <class X, class Y, class B = detail::dual_base<X, Y>>
auto operator<=(const X& a, const Y& b) {
    return detail::as_dual<B>(a).v <= detail::as_dual<B>(b).v;
}
template <class X, class Y, class B = detail::dual_base<X, Y>>
auto operator>=(const X& a, const Y& b) {
    return detail::as_dual<B>(a).v >= detail::as_dual<B>(b).v;
}
template <class X, class Y, class B = detail::dual_base<X, Y>>
auto operator==(const X& a, const Y& b) {
    return detail::as_dual<B>(a).v == detail::as_dual<B>(b).v;
}
template <class X, class Y, class B = detail::dual_base<X, Y>>
auto operator!=(const X& a, const Y& b) {
    return detail::as_dual<B>(a).v != detail::as_dual<B>(b).v;
}

// Only the selected operand passes on its derivatives. The other contributes 0, whatever its value
// and the incoming gradient.
template <class C, class X, class Y, class B = detail::dual_base<X, Y>>
auto where(const C& condition, const X& a, const Y& b) {
    return detail::choose(condition, detail::as_dual<B>(a), detail::as_dual<B>(b));
}
template <class A, class B>
auto min(const A& a, const B& b) {
    return minimum(a, b);
}
template <class A, class B>
auto max(const A& a, const B& b) {
    return maximum(a, b);
}

// The functions of function_list.hpp.
#define UNROLL_UNARY(name, meaning, notation, value, derivative, ...)                              \
    template <class X, unsigned m>                                                                 \
    Dual<X, m> name(const Dual<X, m>& argument) {                                                  \
        const X& x = argument.v;                                                                   \
        const X y = name(x);                                                                       \
        return detail::chain<X, m>(argument, y, derivative);                                       \
    }
#define UNROLL_UNARY_WITH(name, meaning, notation, constant, value, derivative, ...)               \
    template <class X, unsigned m>                                                                 \
    Dual<X, m> name(const Dual<X, m>& argument, std::type_identity_t<X> p = constant) {            \
        const X& x = argument.v;                                                                   \
        const X y = name(x, p);                                                                    \
        return detail::chain<X, m>(argument, y, derivative);                                       \
    }
#define UNROLL_SLOPE(name, notation, value, derivative)                                            \
    UNROLL_UNARY(name, , notation, value, derivative)
#define UNROLL_BINARY(name, meaning, notation, value, by_a, by_b)                                  \
    template <class Left, class Right, class X = detail::dual_base<Left, Right>>                   \
    auto name(const Left& left, const Right& right) {                                              \
        const auto first = detail::as_dual<X>(left);                                               \
        const auto second = detail::as_dual<X>(right);                                             \
        const X &a = first.v, &b = second.v;                                                       \
        const X y = name(a, b);                                                                    \
        if constexpr (is_dual<Right> && !std::same_as<Right, X>)                                   \
            return detail::chain(first, second, y, X(by_a), X(by_b));                              \
        else                                                                                       \
            return detail::chain(first, y, X(by_a));                                               \
    }
#define UNROLL_CHOICE(name, meaning, value)                                                        \
    template <class Left, class Right, class X = detail::dual_base<Left, Right>>                   \
    auto name(const Left& left, const Right& right) {                                              \
        const auto a = detail::as_dual<X>(left);                                                   \
        const auto b = detail::as_dual<X>(right);                                                  \
        return value;                                                                              \
    }
#include <unroll/ops/fuse/function_list.hpp>

// The derivative is 1 on the bounds.
template <class B, unsigned m, class L, class H>
auto clamp(const Dual<B, m>& x, const L& low, const H& high) {
    return minimum(maximum(x, low), high);
}
// The return type of a lambda with several results.
template <class... V>
std::tuple<V...> outputs(const V&... v) {
    return {v...};
}

namespace detail {
// sum_j g_j d out_j / d x_i, over the outputs j that depend on x_i.
template <unsigned i, class B, class Outs, class... G>
B pullback_term(const Outs& outs, const std::tuple<G...>& g) {
    return [&]<std::size_t... j>(std::index_sequence<j...>) {
        B sum = B(0);
        bool first = true;
        const auto add = [&](const auto& out, const auto& gradient) {
            using Out = std::decay_t<decltype(out)>;
            if constexpr (is_dual<Out>) {
                if constexpr (Out::template has<i>) {
                    const B term = scaled<mask_of<Out>>(out.template part<i>(), gradient);
                    sum = first ? term : sum + term;
                    first = false;
                }
            }
        };
        (add(std::get<j>(outs), std::get<j>(g)), ...);
        return sum;
    }
    (std::index_sequence_for<G...>{});
}
} // namespace detail

// The pullback of f: for inputs x and adjoints g of f's outputs, sum_j g_j d out_j / d x_i for
// every i.
template <class F, class B, class... X, class... G>
auto pull_back(const F& f, const std::tuple<B, X...>& x, const std::tuple<G...>& g) {
    return [&]<unsigned... i>(std::integer_sequence<unsigned, i...>) {
        const auto result = f(Dual<B, (1u << i)>{std::get<i>(x), {B(1)}}...);
        return std::tuple(detail::pullback_term<i, B>(detail::as_tuple(result), g)...);
    }
    (std::make_integer_sequence<unsigned, sizeof...(X) + 1>{});
}

} // namespace unroll
