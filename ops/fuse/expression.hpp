#pragma once

#include <unroll/core/autograd/record.hpp>

#include <memory>
#include <vector>

namespace unroll {

// A lambda's computation as data: terms in the order of evaluation, common subexpressions once. The
// inputs are the first terms.
struct Expression {
    struct Term {
        std::uint16_t function; // its Code: a row of the function table
        std::array<std::uint32_t, 3> arguments{};
        double number = 0; // of a constant

        friend bool operator==(const Term&, const Term&) = default;
    };
    std::uint32_t inputs = 0;
    std::vector<Term> terms;
    std::vector<std::uint32_t> outputs;

    friend bool operator==(const Expression&, const Expression&) = default;

    // `names`, if given: those of the inputs, then of the outputs, as in "i f g o c -> h c'".
    Formula formula(const char* names) const;
};

// For the inputs x of an expression and adjoints g of its outputs, sum_j g_j d out_j / d x_i as an
// expression whose inputs are the x and g that it reads; `reads` holds their indices (g after x).
// One output for each i of `needs_grad`. Adjoints g that are not in `received` are 0.
struct Pullback {
    Expression expression;
    std::vector<std::uint32_t> reads;
};
std::shared_ptr<const Pullback> pull_back(const Expression& expression,
                                          const std::vector<bool>& needs_grad,
                                          const std::vector<bool>& received);
// The number of derivative expressions cached by this thread. Expressions that differ only in a
// constant share one.
std::size_t known_pullbacks();

// An expression at every position of operands that broadcast, recorded as one operation; the
// terms are evaluated piece by piece, so that intermediate values stay in the cache.
template <class T>
std::vector<Variable<T>> evaluate(const Op& op, std::shared_ptr<const Expression> expression,
                                  std::span<const Variable<T>> x);

// The rule of an expression at `x`: accumulates its vector-Jacobian products for the gradients of
// its outputs.
template <class T>
void add_pulled_back(const Expression& expression, const Adjoints<T>& to,
                     std::span<const Variable<T>> x, std::span<const Variable<T>> gradients);

} // namespace unroll
