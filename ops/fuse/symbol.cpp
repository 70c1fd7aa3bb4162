#include <unroll/ops/fuse/dual.hpp>
#include <unroll/ops/fuse/function_table.hpp>

#include <cmath>

namespace unroll {

namespace {

thread_local Reading* reading = nullptr;

std::uint32_t write(Code code, std::array<std::uint32_t, 3> arguments, double number = 0) {
    auto& terms = reading->expression.terms;
    const Expression::Term term{static_cast<std::uint16_t>(code), arguments, number};
    for (std::size_t i = terms.size(); i-- > reading->expression.inputs;)
        if (terms[i] == term) return static_cast<std::uint32_t>(i);
    terms.push_back(term);
    return static_cast<std::uint32_t>(terms.size() - 1);
}

const Expression::Term& term_of(Symbol s) { return reading->expression.terms[s.term()]; }
bool is_number(Symbol s) { return term_of(s).function == static_cast<std::uint16_t>(Code::number); }
bool is(Symbol s, double value) { return is_number(s) && term_of(s).number == value; }

Symbol call(Code code, Symbol a) { return Symbol::at(write(code, {a.term()})); }
Symbol call(Code code, Symbol a, Symbol b) { return Symbol::at(write(code, {a.term(), b.term()})); }
Condition relate(Code code, std::uint32_t a, std::uint32_t b) { return {write(code, {a, b})}; }

} // namespace

Reading::Reading(std::uint32_t inputs) : outer_(reading) {
    expression.inputs = inputs;
    expression.terms.assign(inputs, {static_cast<std::uint16_t>(Code::input), {}, 0});
    reading = this;
}
Reading::~Reading() { reading = outer_; }

std::uint32_t Symbol::of_number(double number) { return write(Code::number, {}, number); }
Symbol& Symbol::operator+=(Symbol b) { return *this = *this + b; }
Symbol& Symbol::operator-=(Symbol b) { return *this = *this - b; }
Symbol& Symbol::operator*=(Symbol b) { return *this = *this * b; }
Symbol& Symbol::operator/=(Symbol b) { return *this = *this / b; }

// Simplifies x + 0 and x * 1, but not x * 0, which may be NaN.
Symbol operator+(Symbol a, Symbol b) {
    if (is_number(a) && is_number(b)) return term_of(a).number + term_of(b).number;
    if (is(a, 0)) return b;
    if (is(b, 0)) return a;
    return call(Code::add, a, b);
}
Symbol operator-(Symbol a, Symbol b) {
    if (is_number(a) && is_number(b)) return term_of(a).number - term_of(b).number;
    if (is(a, 0)) return -b;
    if (is(b, 0)) return a;
    return call(Code::subtract, a, b);
}
Symbol operator*(Symbol a, Symbol b) {
    if (is_number(a) && is_number(b)) return term_of(a).number * term_of(b).number;
    if (is(a, 1)) return b;
    if (is(b, 1)) return a;
    if (is(a, -1)) return -b;
    if (is(b, -1)) return -a;
    return call(Code::multiply, a, b);
}
Symbol operator/(Symbol a, Symbol b) {
    if (is(b, 1)) return a;
    return call(Code::divide, a, b);
}
Symbol operator-(Symbol a) {
    if (is_number(a)) return -term_of(a).number;
    return call(Code::negate, a);
}

Condition operator<(Symbol a, Symbol b) { return relate(Code::less, a.term(), b.term()); }
Condition operator<=(Symbol a, Symbol b) { return relate(Code::less_equal, a.term(), b.term()); }
Condition operator==(Symbol a, Symbol b) { return relate(Code::equal, a.term(), b.term()); }
Condition operator!=(Symbol a, Symbol b) { return !(a == b); }
Condition operator&&(Condition a, Condition b) {
    return a.term == b.term ? a : relate(Code::both, a.term, b.term);
}
Condition operator||(Condition a, Condition b) {
    return a.term == b.term ? a : relate(Code::either, a.term, b.term);
}
Condition operator!(Condition a) { return {write(Code::negation, {a.term})}; }

Symbol where(Condition condition, Symbol a, Symbol b) {
    if (a.term() == b.term()) return a;
    return Symbol::at(write(Code::where, {condition.term, a.term(), b.term()}));
}
Symbol clamp(Symbol x, Symbol low, Symbol high) { return minimum(maximum(x, low), high); }
#define UNROLL_UNARY(name, ...)                                                                    \
    Symbol name(Symbol x) { return call(Code::name, x); }
#define UNROLL_UNARY_WITH(name, ...)                                                               \
    Symbol name(Symbol x, Symbol p) { return call(Code::name, x, p); }
#define UNROLL_SLOPE(name, ...) UNROLL_UNARY(name)
#define UNROLL_BINARY(name, ...)                                                                   \
    Symbol name(Symbol a, Symbol b) { return call(Code::name, a, b); }
#define UNROLL_CHOICE(name, meaning, value)                                                        \
    Symbol name(Symbol a, Symbol b) { return value; }
#include <unroll/ops/fuse/function_list.hpp>

} // namespace unroll
