#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace unroll {

template <class T>
class Variable;

// What a fused operation computes at every element, as a small graph in the order of evaluation:
// for pictures and for print.
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
        std::string text;  // of an input, number or function: its name, as in "σ"
        std::string latex; // the same, as in "\\sigma"
        std::vector<std::uint32_t> arguments; // terms that stand before this one
    };
    struct Output {
        std::string name; // "h"; empty where nobody named it
        std::uint32_t term;
    };
    std::vector<Term> terms;
    std::vector<Output> outputs;

    bool empty() const { return outputs.empty(); }
};

// "c' = σ(f)·c + σ(i)·tanh(g)", a line for each output in the order of evaluation, and for long
// terms that are used more than once ("t1 = ...").
std::string text(const Formula& formula);
std::string latex(const Formula& formula);

// That of the fused operation which a variable is a result of. Throws Error for a constant, for the
// result of another operation, and after a backward pass that did not retain.
template <class T>
Formula formula(const Variable<T>& x);

} // namespace unroll
