#pragma once

#include <unroll/ops/operand.hpp>

#include <array>
#include <bit>
#include <concepts>
#include <initializer_list>
#include <tuple>
#include <type_traits>

namespace unroll {

template <class F>
struct named;
template <class F>
struct primitive;

namespace detail {

// The first reading of a lambda F, for one-line errors: each use that the other readings do not
// allow selects a function with a static_assert.

// Defines is_misused(Misuse<F>) once a static_assert has failed, so that the other readings, which
// would fail at length, are left out. Nothing that compiles depends on it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-template-friend"
template <class F>
struct Misuse {
    friend constexpr auto is_misused(Misuse);
};
#pragma GCC diagnostic pop
template <class F>
struct Misused {
    friend constexpr auto is_misused(Misuse<F>) { return true; }
};

template <class F>
consteval bool used_as_bool() {
    static_assert(sizeof(Misused<F>) == 0,
                  "fuse: a comparison of many numbers at once is not a bool; write where(a > 0, "
                  "x, y) for `if` and `?:`, and maximum(a, b) for std::max(a, b)");
    return true;
}
template <class F>
consteval bool used_as_number() {
    static_assert(sizeof(Misused<F>) == 0,
                  "fuse: the lambda computes with many numbers at once; write tanh(a) for "
                  "std::tanh(a), and `auto` for float or double");
    return true;
}
template <class F>
consteval bool used_compound() {
    static_assert(sizeof(Misused<F>) == 0,
                  "fuse: numbers within the lambda have no +=, -=, *=, /=, since the type of the "
                  "result may differ; write const auto z = x + y");
    return true;
}
template <class F>
consteval bool used_as_tensor() {
    static_assert(sizeof(Misused<F>) == 0,
                  "fuse: the lambda is called for each element, so sum, mean, softmax, dot and the "
                  "like have nothing to reduce; compute them before or after fuse(), and pass the "
                  "result as one more operand");
    return true;
}
template <class F>
consteval bool used_with_mask() {
    static_assert(sizeof(Misused<F>) == 0,
                  "fuse: a Mask is no number within the lambda; write where(mask, a, b) outside of "
                  "fuse(), or pass a tensor of 1 and 0 as one more operand m, for where(m > 0, a, "
                  "b)");
    return true;
}

} // namespace detail

// The exception specification is evaluated only if overload resolution selects the function.
template <class F>
struct ProbeCondition {
    operator bool() const noexcept(detail::used_as_bool<F>());
};
template <class F>
struct Probe {
    Probe() = default;
    template <class S>
    requires std::is_arithmetic_v<S> Probe(S);
    operator double() const noexcept(detail::used_as_number<F>());
    template <class S>
    Probe& operator+=(const S&) noexcept(detail::used_compound<F>());
    template <class S>
    Probe& operator-=(const S&) noexcept(detail::used_compound<F>());
    template <class S>
    Probe& operator*=(const S&) noexcept(detail::used_compound<F>());
    template <class S>
    Probe& operator/=(const S&) noexcept(detail::used_compound<F>());
};

namespace detail {

// The type of an operation on A and B, at least one of them a probe and the other, if not, a
// number.
template <class A, class B>
struct Probed {};
template <class F>
struct Probed<Probe<F>, Probe<F>> {
    using type = Probe<F>;
    using condition = ProbeCondition<F>;
};
template <class F, class S>
requires std::is_arithmetic_v<S>
struct Probed<Probe<F>, S> : Probed<Probe<F>, Probe<F>> {
};
template <class F, class S>
requires std::is_arithmetic_v<S>
struct Probed<S, Probe<F>> : Probed<Probe<F>, Probe<F>> {
};
template <class F, Operand X>
struct Probed<Probe<F>, X> : Probed<Probe<F>, Probe<F>> {
    static_assert(
        sizeof(Misused<F>) == 0,
        "fuse: a variable, parameter or tensor is not a number within the lambda; pass it to "
        "fuse() as another operand and add a parameter for it");
};
template <Operand X, class F>
struct Probed<X, Probe<F>> : Probed<Probe<F>, X> {};
template <class A, class B>
using probed = typename Probed<A, B>::type;
template <class A, class B>
using probed_condition = typename Probed<A, B>::condition;

} // namespace detail

template <class F>
Probe<F> operator+(Probe<F>);
template <class F>
Probe<F> operator-(Probe<F>);
#define UNROLL_OPERATOR(sign, type)                                                                \
    template <class A, class B>                                                                    \
    type<A, B> operator sign(const A&, const B&);
UNROLL_OPERATOR(+, detail::probed)
UNROLL_OPERATOR(-, detail::probed)
UNROLL_OPERATOR(*, detail::probed)
UNROLL_OPERATOR(/, detail::probed)
UNROLL_OPERATOR(<, detail::probed_condition)
UNROLL_OPERATOR(<=, detail::probed_condition)
UNROLL_OPERATOR(>, detail::probed_condition)
UNROLL_OPERATOR(>=, detail::probed_condition)
UNROLL_OPERATOR(==, detail::probed_condition)
UNROLL_OPERATOR(!=, detail::probed_condition)
#undef UNROLL_OPERATOR
template <class F>
ProbeCondition<F> operator&&(ProbeCondition<F>, ProbeCondition<F>);
template <class F>
ProbeCondition<F> operator||(ProbeCondition<F>, ProbeCondition<F>);
template <class F>
ProbeCondition<F> operator!(ProbeCondition<F>);

template <class F, class A, class B>
requires std::constructible_from<Probe<F>, A> && std::constructible_from<Probe<F>, B> Probe<F>
    where(ProbeCondition<F>, A, B);
template <class F, class A, class B>
Probe<F> clamp(Probe<F>, A, B);
template <class F, class B>
Probe<F> where(const Mask&, Probe<F>, B) noexcept(detail::used_with_mask<F>());
template <class F, class A>
requires std::is_arithmetic_v<A> Probe<F> where(const Mask&, A, Probe<F>)
noexcept(detail::used_with_mask<F>());
#define UNROLL_REDUCTION(name)                                                                     \
    template <class F, class... Rest>                                                              \
    Probe<F> name(Probe<F>, const Rest&...) noexcept(detail::used_as_tensor<F>());                 \
    template <class F, class... Rest>                                                              \
    Probe<F> name(Probe<F>, std::initializer_list<std::ptrdiff_t>,                                 \
                  const Rest&...) noexcept(detail::used_as_tensor<F>());
UNROLL_REDUCTION(sum)
UNROLL_REDUCTION(mean)
UNROLL_REDUCTION(variance)
UNROLL_REDUCTION(norm_l2)
UNROLL_REDUCTION(amax)
UNROLL_REDUCTION(amin)
UNROLL_REDUCTION(logsumexp)
UNROLL_REDUCTION(argmax)
UNROLL_REDUCTION(argmin)
UNROLL_REDUCTION(topk)
UNROLL_REDUCTION(softmax)
UNROLL_REDUCTION(log_softmax)
UNROLL_REDUCTION(dot)
UNROLL_REDUCTION(matmul)
#undef UNROLL_REDUCTION
#define UNROLL_UNARY(name, ...)                                                                    \
    template <class F>                                                                             \
    Probe<F> name(Probe<F>);
#define UNROLL_UNARY_WITH(name, meaning, notation, constant, ...)                                  \
    template <class F>                                                                             \
    Probe<F> name(Probe<F>, double p = constant);
#define UNROLL_SLOPE(name, ...) UNROLL_UNARY(name)
#define UNROLL_BINARY(name, ...)                                                                   \
    template <class A, class B>                                                                    \
    detail::probed<A, B> name(const A&, const B&);
#define UNROLL_CHOICE(name, ...) UNROLL_BINARY(name)
#include <unroll/ops/fuse/function_list.hpp>

namespace detail {

// The lambda within named() and primitive().
template <class F>
struct Within {
    using type = F;
};
template <class F>
struct Within<named<F>> : Within<F> {};
template <class F>
struct Within<primitive<F>> : Within<F> {};

template <class F, class Operand>
using probe_for = Probe<typename Within<F>::type>;

// Whether a lambda that can be copied byte by byte captures a reference or a pointer, such as
// `this`: std::bit_cast of such a type is not a constant expression. False for other lambdas.
template <class F>
inline constexpr bool captures_address =
    std::is_trivially_copyable_v<F> && !std::is_empty_v<F> && !requires {
    typename std::bool_constant<(
        static_cast<void>(std::bit_cast<F>(std::array<unsigned char, sizeof(F)>{})), true)>;
};

template <class X>
inline constexpr bool is_mask_or_indices =
    std::derived_from<X, Mask> || std::derived_from<X, Indices>;

template <class R>
inline constexpr bool is_result = std::is_arithmetic_v<R>;
template <class F>
inline constexpr bool is_result<Probe<F>> = true;
template <class... R>
inline constexpr bool is_result<std::tuple<R...>> = (is_result<R> && ...);

// Whether F, called with the operands of fuse(), can be read; if not, a static_assert has said why.
template <class F, class... Operand>
consteval bool can_be_read() {
    using Lambda = typename Within<F>::type;
    static_assert(!captures_address<Lambda>,
                  "fuse: the lambda captures by reference or by `this`, and is called again in the "
                  "backward pass, when the original may have changed or be gone; capture values: "
                  "[a] for [&a], [a = this->a] for [this]");
    constexpr bool is_generic = !requires { &Lambda::operator(); };
    static_assert(is_generic,
                  "fuse: the lambda is called with vectors of numbers, dual numbers and "
                  "symbols; write `auto` for the types of its parameters");
    if constexpr (is_generic) {
        constexpr bool is_callable = requires(const Lambda& f, Operand... x) { f(x...); };
        static_assert(is_callable, "fuse: the lambda must take one parameter for each operand, and "
                                   "not be mutable");
        if constexpr (is_callable) {
            using R = std::remove_cvref_t<decltype(std::declval<const Lambda&>()(
                std::declval<Operand>()...))>;
            constexpr bool is_misread = requires { is_misused(Misuse<Lambda>()); };
            static_assert(is_misread || is_result<R>,
                          "fuse: the lambda must return a number or outputs(a, b, ...); of a "
                          "comparison, where(a > b, 1, 0)");
            return !captures_address<Lambda> && !is_misread && is_result<R>;
        }
    }
    return false;
}

// The lambda whose probe is one of A and B, if the other one is a number.
template <class A, class B>
struct ProbedLambda {};
template <class F, class S>
requires std::is_arithmetic_v<S>
struct ProbedLambda<Probe<F>, S> {
    using type = F;
};
template <class F, class S>
requires std::is_arithmetic_v<S>
struct ProbedLambda<S, Probe<F>> {
    using type = F;
};

} // namespace detail

} // namespace unroll

// For std::max(a, 0.0), which no template of the standard library takes, the error of one line that
// std::max(a, b) has. Without std::, unroll's functions are found first even with `using namespace
// std`, since these have one parameter more, an empty pack.
namespace std {
#define UNROLL_STD_CHOICE(name)                                                                    \
    template <class F>                                                                             \
    unroll::Probe<F> name(const unroll::Probe<F>&,                                                 \
                          const unroll::Probe<F>&) noexcept(unroll::detail::used_as_bool<F>());    \
    template <class A, class B, class... None,                                                     \
              class F = typename unroll::detail::ProbedLambda<A, B>::type>                         \
    requires(sizeof...(None) == 0) unroll::Probe<F> name(const A&, const B&, const None&...)       \
    noexcept(unroll::detail::used_as_bool<F>());
UNROLL_STD_CHOICE(max)
UNROLL_STD_CHOICE(min)
#undef UNROLL_STD_CHOICE
template <class F, class A, class B, class... None>
requires(sizeof...(None) == 0) unroll::Probe<F> clamp(const unroll::Probe<F>&, const A&, const B&,
                                                      const None&...)
noexcept(unroll::detail::used_as_bool<F>());
} // namespace std
