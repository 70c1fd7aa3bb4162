#pragma once

#include <unroll/core/autograd/backward/recompute.hpp>
#include <unroll/nn/module.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>

namespace unroll {

namespace detail {

template <class X>
inline constexpr bool is_variable = false;
template <class T>
inline constexpr bool is_variable<Variable<T>> = true;

template <class X>
concept IsRange = !requires(X & x) {
    x.storage();
}
&& // a tensor
    requires(X& x) {
    typename X::value_type;
    x.begin();
    x.end();
};
template <class X>
concept HasParts =
    !is_variable<X> && !IsRange<X> &&
    (requires { std::tuple_size<X>::value; } || (std::is_class_v<X> && std::is_aggregate_v<X>));

struct AnyField {
    template <class U>
    operator U() const;
};
// The number of fields of an aggregate, at most 5.
template <class X, class... Fields>
constexpr std::size_t field_count() {
    if constexpr (sizeof...(Fields) < 5 && requires { X{Fields()..., AnyField()}; })
        return field_count<X, Fields..., AnyField>();
    else
        return sizeof...(Fields);
}

// References to the parts of a tuple, or of a struct without constructors.
template <HasParts X>
auto parts_of(X& x) {
    if constexpr (requires { std::tuple_size<X>::value; }) {
        return std::apply([](auto&... parts) { return std::tie(parts...); }, x);
    } else {
        constexpr std::size_t count = field_count<X>();
        static_assert(count <= 4, "a struct of variables may have at most four fields");
        if constexpr (count == 1) {
            auto& [a] = x;
            return std::tie(a);
        } else if constexpr (count == 2) {
            auto& [a, b] = x;
            return std::tie(a, b);
        } else if constexpr (count == 3) {
            auto& [a, b, c] = x;
            return std::tie(a, b, c);
        } else if constexpr (count == 4) {
            auto& [a, b, c, d] = x;
            return std::tie(a, b, c, d);
        } else {
            return std::tuple<>();
        }
    }
}

// The T of the Variable<T>s in X; void if there are none.
template <class X>
struct ScalarIn {
    using type = void;
};
template <class T>
struct ScalarIn<Variable<T>> {
    using type = T;
};
template <IsRange X>
struct ScalarIn<X> : ScalarIn<typename X::value_type> {};
template <HasParts X>
struct ScalarIn<X> : ScalarIn<decltype(parts_of(std::declval<X&>()))> {};
template <class First, class... Rest>
struct ScalarIn<std::tuple<First&, Rest&...>> {
    using OfFirst = typename ScalarIn<First>::type;
    using OfRest = typename ScalarIn<std::tuple<Rest&...>>::type;
    using type = std::conditional_t<std::is_void_v<OfFirst>, OfRest, OfFirst>;
};
template <>
struct ScalarIn<std::tuple<>> {
    using type = void;
};
template <class X>
using scalar_in = typename ScalarIn<X>::type;

// Calls f for every variable in x.
template <class X, class F>
void each_variable(X& x, const F& f) {
    if constexpr (std::is_void_v<scalar_in<X>>)
        return;
    else if constexpr (is_variable<X>)
        f(x);
    else if constexpr (IsRange<X>)
        for (auto& element : x) each_variable(element, f);
    else
        std::apply([&](auto&... parts) { (each_variable(parts, f), ...); }, parts_of(x));
}

// What a checkpoint holds until the backward pass: a reference to a module that is not moved into
// it, the variable that a parameter is, or else a value.
template <class X>
auto held(X&& x) {
    using Plain = std::remove_cvref_t<X>;
    if constexpr (std::is_lvalue_reference_v<X> && (nn::detail::ListsMembers<Plain, float> ||
                                                    nn::detail::ListsMembers<Plain, double>))
        return std::ref(x);
    else if constexpr (requires { typename Plain::value_type; }) {
        using V = Variable<typename Plain::value_type>;
        if constexpr (std::derived_from<Plain, V>)
            return V(x);
        else
            return Plain(std::forward<X>(x));
    } else {
        return std::decay_t<X>(std::forward<X>(x));
    }
}
template <class X>
const X& given(const X& x) {
    return x;
}
template <class X>
X& given(const std::reference_wrapper<X>& x) {
    return x;
}

// A function that is recomputed in the backward pass, see checkpoint().
template <class F>
class Checkpointed {
public:
    Checkpointed(F f, Op op) : f_(std::make_shared<F>(std::move(f))), op_(op) {}

    template <class... X>
    auto operator()(X&&... x) const {
        auto inputs = std::make_shared<std::tuple<decltype(held(std::forward<X>(x)))...>>(
            held(std::forward<X>(x))...);
        const auto call = [f = f_, inputs, where = op_.where] {
            return std::apply(
                [&](const auto&... x) {
                    if constexpr (!std::is_same_v<F, std::decay_t<decltype(given(*f))>> &&
                                  requires { given (*f)(given(x)..., where); })
                        return given(*f)(given(x)..., where); // the line that calls a module
                    else
                        return given(*f)(given(x)...);
                },
                *inputs);
        };
        using Result = decltype(call());
        using T = scalar_in<Result>;
        static_assert(!std::is_void_v<T>,
                      "the function of a checkpoint must return variables: one, or a range, tuple "
                      "or struct without constructors of them");
        Tape<T>* tape = Tape<T>::current();
        const auto find_tape = [&](auto& x) {
            if constexpr (std::is_same_v<decltype(x), const Variable<T>&>)
                if (x.is_recorded()) tape = Tape<T>::recording(x);
        };
        std::apply([&](const auto&... x) { (find_tape(x), ...); }, *inputs);

        std::optional<Result> result;
        const auto first = std::make_shared<std::optional<Result>*>(&result);
        const auto all = recompute<T>(op_, tape, [call, first] {
            Result r = call();
            std::vector<Variable<T>> variables;
            each_variable(r, [&](const Variable<T>& x) { variables.push_back(x); });
            if (*first != nullptr) (*first)->emplace(std::move(r));
            return variables;
        });
        *first = nullptr;
        auto next = all.begin();
        each_variable(*result, [&](Variable<T>& x) { x = *next++; });
        return *std::move(result);
    }

private:
    std::shared_ptr<F> f_;
    Op op_;
};

} // namespace detail

// Saves memory by computing twice (Chen et al. 2016, arXiv:1604.06174): checkpoint(f)(x...) is
// f(x...), of which the tape keeps the arguments and results alone. The backward pass runs f again
// to compute its gradients, which are the same bit for bit, also those of variables and parameters
// that f captured; of higher order, up to rounding. Returns what f returns: a variable, or a range,
// tuple or struct without constructors of them, with up to four fields.
//   const auto y = checkpoint(block)(x);
// f is copied, arguments too; a module is not, and must live until the backward pass, as must all
// that f refers to. Both runs draw the same random numbers from the tape's generator. Throws Error
// in the backward pass if the second run does not compute the same, as after a change of what f
// reads. Each result has separate memory: if f returns a view of an argument or of another result,
// or overwrites a value from outside, the order of summation may be another one. Gradients cannot
// be taken within f, except on a tape that f creates.
template <class F>
auto checkpoint(F&& f, Op op = "checkpoint") {
    using Held = decltype(detail::held(std::forward<F>(f)));
    return detail::Checkpointed<Held>(detail::held(std::forward<F>(f)), op);
}

} // namespace unroll
