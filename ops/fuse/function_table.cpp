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

// The derivative is what dual numbers over symbols make of the function.
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

// `differentiable`: by so many of its first arguments.
template <unsigned arguments, unsigned differentiable = arguments, class F>
constexpr Function entry(Code code, const char* text, const char* latex, F,
                         Kind kind = Kind::function) {
    Function f{code, arguments, text, latex, kind, &run<F, float>, &run<F, double>, nullptr};
    if constexpr (differentiable > 0) f.derivative = &derivative<F, arguments, differentiable>;
    return f;
}

constexpr Function plain(Code code, Kind kind) {
    return {code, 0, "", "", kind, nullptr, nullptr, nullptr};
}

constexpr Function table[] = {
    plain(Code::input, Kind::input),
    plain(Code::number, Kind::number),
    entry<2>(
        Code::add, "+", "+", [](auto a, auto b) { return a + b; }, Kind::sum),
    entry<2>(
        Code::subtract, "−", "-", [](auto a, auto b) { return a - b; }, Kind::difference),
    entry<2>(
        Code::multiply, "×", "\\cdot", [](auto a, auto b) { return a * b; }, Kind::product),
    entry<2>(
        Code::divide, "÷", "/", [](auto a, auto b) { return a / b; }, Kind::quotient),
    entry<1>(
        Code::negate, "−", "-", [](auto a) { return -a; }, Kind::negative),
    entry<2, 0>(
        Code::less, "<", "<", [](auto a, auto b) { return where(a < b, 1, 0); }, Kind::relation),
    entry<2, 0>(
        Code::less_equal, "≤", "\\le", [](auto a, auto b) { return where(a <= b, 1, 0); },
        Kind::relation),
    entry<2, 0>(
        Code::equal, "=", "=", [](auto a, auto b) { return where(a == b, 1, 0); }, Kind::relation),
    entry<2, 0>(
        Code::both, "∧", "\\land", [](auto a, auto b) { return a * b; }, Kind::relation),
    entry<2, 0>(
        Code::either, "∨", "\\lor", [](auto a, auto b) { return maximum(a, b); }, Kind::relation),
    entry<1, 0>(Code::negation, "not", "\\lnot", [](auto a) { return 1 - a; }),
    entry<3, 0>(Code::where, "where", "\\operatorname{where}",
                [](auto c, auto a, auto b) { return where(c != 0, a, b); }),
    entry<1>(Code::exp, "exp", "\\exp", [](auto x) { return exp(x); }),
    entry<1>(Code::expm1, "expm1", "\\operatorname{expm1}", [](auto x) { return expm1(x); }),
    entry<1>(Code::log, "log", "\\log", [](auto x) { return log(x); }),
    entry<1>(Code::log1p, "log1p", "\\operatorname{log1p}", [](auto x) { return log1p(x); }),
    entry<1>(Code::sqrt, "√", "\\sqrt", [](auto x) { return sqrt(x); }),
    entry<1>(
        Code::square, "²", "^2", [](auto x) { return square(x); }, Kind::power),
    entry<1>(Code::reciprocal, "1/", "1/", [](auto x) { return reciprocal(x); }),
    entry<1>(Code::sin, "sin", "\\sin", [](auto x) { return sin(x); }),
    entry<1>(Code::cos, "cos", "\\cos", [](auto x) { return cos(x); }),
    entry<1>(Code::erf, "erf", "\\operatorname{erf}", [](auto x) { return erf(x); }),
    entry<1>(Code::abs, "abs", "\\operatorname{abs}", [](auto x) { return abs(x); }),
    entry<1>(Code::sign, "sign", "\\operatorname{sign}", [](auto x) { return sign(x); }),
    entry<1>(Code::tanh, "tanh", "\\tanh", [](auto x) { return tanh(x); }),
    entry<1>(Code::sigmoid, "σ", "\\sigma", [](auto x) { return sigmoid(x); }),
    entry<1>(Code::relu, "relu", "\\operatorname{relu}", [](auto x) { return relu(x); }),
    entry<2, 1>(Code::leaky_relu, "leaky_relu", "\\operatorname{leaky\\_relu}",
                [](auto x, auto slope) { return leaky_relu(x, slope); }),
    entry<2, 1>(Code::elu, "elu", "\\operatorname{elu}",
                [](auto x, auto alpha) { return elu(x, alpha); }),
    entry<1>(Code::silu, "silu", "\\operatorname{silu}", [](auto x) { return silu(x); }),
    entry<1>(Code::softplus, "softplus", "\\operatorname{softplus}",
             [](auto x) { return softplus(x); }),
    entry<1>(Code::normal_pdf, "φ", "\\varphi", [](auto x) { return normal_pdf(x); }),
    entry<1>(Code::normal_cdf, "Φ", "\\Phi", [](auto x) { return normal_cdf(x); }),
    entry<1>(Code::gelu, "gelu", "\\operatorname{gelu}", [](auto x) { return gelu(x); }),
    entry<2>(
        Code::pow, "^", "^", [](auto a, auto b) { return pow(a, b); }, Kind::power),
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
