#pragma once

#include <unroll/core/base/error.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace unroll {

template <class T>
class Variable;

// What a fused operation computes for each element: an expression graph in order of evaluation.
// Data only; core/graph prints and draws it.
struct Formula {
    enum class Kind {
        input,
        number,
        function,
        sum,
        difference,
        product,
        quotient,
        negative,
        power,
        relation
    };
    struct Term {
        Kind kind;
        std::string text;  // of an input, number or function: its name, for example "σ"
        std::string latex; // the same name in LaTeX: "\\sigma"
        std::vector<std::uint32_t> arguments; // indices of earlier terms

        // A number as formulas print it, with six significant digits.
        static Term of_number(double value);
    };
    struct Output {
        std::string name; // for example "h"; empty if the output is unnamed
        std::uint32_t term;
    };
    std::vector<Term> terms;
    std::vector<Output> outputs;
    bool is_primitive = false; // of an operation that pictures draw as one box

    bool empty() const { return outputs.empty(); }
};

// The formula of the fused operation that produced x. Throws Error if x is a constant, if another
// kind of operation produced it, or after a backward pass without `retain`.
template <class T>
Formula formula(const Variable<T>& x, Op op = "formula");

} // namespace unroll
