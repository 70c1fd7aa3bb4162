#include <unroll/ops/fuse/dual.hpp>
#include <unroll/ops/fuse/function_table.hpp>

namespace unroll {

namespace {

using Kind = Formula::Kind;

template <class F, class T>
void run(const T* a, const T* b, const T* c, T* out, std::size_t n) {
    using L = Lanes<T>;
    for (std::size_t i = 0; i < n; i += L::width) {
        if constexpr (std::is_invocable_v<F, L>)
            F{}(L::load(a + i)).store(out + i);
        else if constexpr (std::is_invocable_v<F, L, L>)
            F{}(L::load(a + i), L::load(b + i)).store(out + i);
        else
            F{}(L::load(a + i), L::load(b + i), L::load(c + i)).store(out + i);
    }
}

// The derivative is computed by evaluating the function with dual numbers over symbols.
template <class F, unsigned arguments, unsigned... by>
Symbol derive(std::span<const Symbol> x, unsigned chosen, std::integer_sequence<unsigned, by...>) {
    Symbol result = 0;
    const auto by_one = [&]<unsigned k>(std::integral_constant<unsigned, k>) {
        const auto argument = [&]<unsigned i>(std::integral_constant<unsigned, i>) {
            if constexpr (i == k)
                return Dual<Symbol, 1>{x[i], {Symbol(1)}};
            else
                return x[i];
        };
        result = [&]<unsigned... i>(std::integer_sequence<unsigned, i...>) {
            return F{}(argument(std::integral_constant<unsigned, i>())...).d[0];
        }
        (std::make_integer_sequence<unsigned, arguments>{});
    };
    ((chosen == by ? by_one(std::integral_constant<unsigned, by>()) : void()), ...);
    return result;
}

template <class F, unsigned arguments, unsigned differentiable>
Symbol derivative(std::span<const Symbol> x, unsigned by) {
    return derive<F, arguments>(x, by, std::make_integer_sequence<unsigned, differentiable>{});
}

struct Notation {
    const char* text = nullptr; // null: the function's name
    const char* latex = nullptr;
    Kind kind = Kind::function;

    constexpr Notation() = default;
    constexpr Notation(const char* text, const char* latex = nullptr, Kind kind = Kind::function)
        : text(text), latex(latex), kind(kind) {}
};

// Differentiable by its first `differentiable` arguments.
template <unsigned arguments, unsigned differentiable = arguments, class F>
constexpr Function entry(Code code, const char* name, Notation notation, F) {
    Function f{code,
               arguments,
               notation.text != nullptr ? notation.text : name,
               notation.latex,
               notation.kind,
               &run<F, float>,
               &run<F, double>,
               nullptr};
    if constexpr (differentiable > 0) f.derivative = &derivative<F, arguments, differentiable>;
    return f;
}

constexpr Function plain(Code code, Kind kind) {
    return {code, 0, "", "", kind, nullptr, nullptr, nullptr};
}

constexpr Function table[] = {
    plain(Code::input, Kind::input),
    plain(Code::number, Kind::number),
    plain(Code::slot, Kind::number),
    entry<2>(Code::add, "+", {"+", "+", Kind::sum}, [](auto a, auto b) { return a + b; }),
    entry<2>(Code::subtract, "−", {"−", "-", Kind::difference},
             [](auto a, auto b) { return a - b; }),
    entry<2>(Code::multiply, "×", {"×", "\\cdot", Kind::product},
             [](auto a, auto b) { return a * b; }),
    entry<2>(Code::divide, "÷", {"÷", "/", Kind::quotient}, [](auto a, auto b) { return a / b; }),
    entry<1>(Code::negate, "−", {"−", "-", Kind::negative}, [](auto a) { return -a; }),
    entry<2, 0>(Code::less, "<", {"<", "<", Kind::relation},
                [](auto a, auto b) { return where(a < b, 1, 0); }),
    entry<2, 0>(Code::less_equal, "≤", {"≤", "\\le", Kind::relation},
                [](auto a, auto b) { return where(a <= b, 1, 0); }),
    entry<2, 0>(Code::equal, "=", {"=", "=", Kind::relation},
                [](auto a, auto b) { return where(a == b, 1, 0); }),
    entry<2, 0>(Code::both, "∧", {"∧", "\\land", Kind::relation},
                [](auto a, auto b) { return a * b; }),
    entry<2, 0>(Code::either, "∨", {"∨", "\\lor", Kind::relation},
                [](auto a, auto b) { return maximum(a, b); }),
    entry<1, 0>(Code::negation, "not", {"not", "\\lnot"}, [](auto a) { return 1 - a; }),
    entry<3, 0>(Code::where, "where", {},
                [](auto c, auto a, auto b) { return where(c != 0, a, b); }),
#define UNROLL_UNARY(name, meaning, notation, ...)                                                 \
    entry<1>(Code::name, #name, Notation notation, [](auto x) { return name(x); }),
#define UNROLL_UNARY_WITH(name, meaning, notation, ...)                                            \
    entry<2, 1>(Code::name, #name, Notation notation, [](auto x, auto p) { return name(x, p); }),
#define UNROLL_SLOPE(name, notation, ...) UNROLL_UNARY(name, , notation)
#define UNROLL_BINARY(name, meaning, notation, ...)                                                \
    entry<2>(Code::name, #name, Notation notation, [](auto a, auto b) { return name(a, b); }),
#include <unroll/ops/fuse/function_list.hpp>
};

constexpr bool in_order() {
    for (std::size_t i = 0; i < std::size(table); ++i)
        if (table[i].code != static_cast<Code>(i)) return false;
    return std::size(table) == static_cast<std::size_t>(Code::count);
}
static_assert(in_order());

} // namespace

const Function& function(Code code) { return table[static_cast<std::size_t>(code)]; }

} // namespace unroll
