#pragma once

#include <unroll/ops/fuse/expression.hpp>

#include <concepts>

namespace unroll {

// A number type with which fuse() calls a lambda to record its expression: each value is a term,
// and arithmetic appends terms to the expression.
class Symbol {
public:
    template <class S>
    requires std::is_arithmetic_v<S> Symbol(S number)
        : term_(of_number(static_cast<double>(number))) {}
    static Symbol at(std::uint32_t term) {
        Symbol s;
        s.term_ = term;
        return s;
    }
    std::uint32_t term() const { return term_; }

    Symbol& operator+=(Symbol b);
    Symbol& operator-=(Symbol b);
    Symbol& operator*=(Symbol b);
    Symbol& operator/=(Symbol b);

private:
    Symbol() = default;
    static std::uint32_t of_number(double number);
    std::uint32_t term_;
};

// The result of a comparison of symbols.
struct Condition {
    std::uint32_t term;
};

Symbol operator+(Symbol a, Symbol b);
Symbol operator-(Symbol a, Symbol b);
Symbol operator*(Symbol a, Symbol b);
Symbol operator/(Symbol a, Symbol b);
Symbol operator-(Symbol a);
inline Symbol operator+(Symbol a) { return a; }

Condition operator<(Symbol a, Symbol b);
Condition operator<=(Symbol a, Symbol b);
Condition operator==(Symbol a, Symbol b);
Condition operator!=(Symbol a, Symbol b);
inline Condition operator>(Symbol a, Symbol b) { return b < a; }
inline Condition operator>=(Symbol a, Symbol b) { return b <= a; }
Condition operator&&(Condition a, Condition b);
Condition operator||(Condition a, Condition b);
Condition operator!(Condition a);

Symbol where(Condition condition, Symbol a, Symbol b);
Symbol clamp(Symbol x, Symbol low, Symbol high);
#define UNROLL_UNARY(name, ...) Symbol name(Symbol x);
#define UNROLL_UNARY_WITH(name, meaning, notation, constant, ...)                                  \
    Symbol name(Symbol x, Symbol p = constant);
#define UNROLL_SLOPE(name, ...) Symbol name(Symbol x);
#define UNROLL_BINARY(name, ...) Symbol name(Symbol a, Symbol b);
#define UNROLL_CHOICE(name, ...) Symbol name(Symbol a, Symbol b);
#include <unroll/ops/fuse/function_list.hpp>

// Records an expression: its inputs, the terms appended during the lifetime of this object, and its
// outputs. Recordings nest.
class Reading {
public:
    explicit Reading(std::uint32_t inputs);
    ~Reading();
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;

    Symbol input(std::uint32_t i) const { return Symbol::at(i); }
    void output(Symbol y) { expression.outputs.push_back(y.term()); }

    Expression expression;

private:
    Reading* outer_;
};

} // namespace unroll
