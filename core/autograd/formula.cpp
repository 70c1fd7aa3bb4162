#include <unroll/core/autograd/formula.hpp>
#include <unroll/core/autograd/tape.hpp>

#include <sstream>

namespace unroll {

namespace {

// The name of an operand that named() does not name.
std::string default_name(std::size_t input) { return "x" + std::to_string(input + 1); }

} // namespace

Formula::Term Formula::Term::of_number(double value) {
    std::ostringstream number;
    number << value;
    return {Kind::number, number.str(), number.str(), {}};
}

template <class T>
Formula Tape<T>::formula(NodeId operation) const {
    const Rule<T>* const rule = node(operation).rule;
    Formula found = rule != nullptr ? rule->formula() : Formula();
    if (found.empty()) return found;
    for (const ConstantUse& use : constants_of(operation)) {
        if (!use.is_literal() || use.input >= found.terms.size() ||
            found.terms[use.input].text != default_name(use.input))
            continue;
        found.terms[use.input] = Formula::Term::of_number(use.number);
    }
    // The only operand needs no number.
    Formula::Term* only = nullptr;
    for (Formula::Term& term : found.terms)
        if (term.kind == Formula::Kind::input) {
            if (only != nullptr) return found;
            only = &term;
        }
    if (only != nullptr &&
        only->text == default_name(static_cast<std::size_t>(only - found.terms.data())))
        only->text = only->latex = "x";
    return found;
}

template <class T>
Formula formula(const Variable<T>& x, Op op) {
    const Tape<T>* tape = x.tape();
    if (tape == nullptr || !x.is_recorded()) fail(op, "a constant has no formula");
    const NodeId operation = tape->node(x.node()).operation;
    const Node<T>& node = tape->node(operation);
    if (node.is_used_up)
        fail(op, "'" + std::string(node.op.name) +
                     "' was used up by a backward pass without retain = true");
    Formula found = tape->formula(operation);
    if (found.empty()) fail(op, "'" + std::string(node.op.name) + "' is not a fused operation");
    return found;
}

template Formula formula(const Variable<float>&, Op);
template Formula formula(const Variable<double>&, Op);
template Formula Tape<float>::formula(NodeId) const;
template Formula Tape<double>::formula(NodeId) const;

} // namespace unroll
