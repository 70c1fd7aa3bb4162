#pragma once

#include <unroll/ops/fuse/symbol.hpp>

namespace unroll {

// The functions that expressions consist of.
enum class Code : std::uint16_t {
    input,
    number,
    slot, // a number that is supplied later, with index arguments[0]
    add,
    subtract,
    multiply,
    divide,
    negate,
    less,
    less_equal,
    equal,
    both,
    either,
    negation,
    where,
#define UNROLL_UNARY(name, ...) name,
#define UNROLL_UNARY_WITH(name, ...) name,
#define UNROLL_SLOPE(name, ...) name,
#define UNROLL_BINARY(name, ...) name,
#include <unroll/ops/fuse/function_list.hpp>
    count
};

struct Function {
    Code code;
    unsigned arguments;
    const char* text;
    const char* latex; // null: the text, as the name of an operator
    Formula::Kind kind;
    // out[i] = f(a[i], b[i], c[i]) for i < n, a multiple of the width of Lanes. Boolean values are
    // 1 or 0.
    void (*in_float)(const float* a, const float* b, const float* c, float* out, std::size_t n);
    void (*in_double)(const double* a, const double* b, const double* c, double* out,
                      std::size_t n);
    // d f / d x[by] written into the expression being read; null if there is none.
    Symbol (*derivative)(std::span<const Symbol> x, unsigned by);
};
const Function& function(Code code);

} // namespace unroll
