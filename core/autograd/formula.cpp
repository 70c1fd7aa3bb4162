#include <unroll/core/autograd/formula.hpp>
#include <unroll/core/autograd/tape.hpp>

namespace unroll {

template <class T>
Formula formula(const Variable<T>& x) {
    const Tape<T>* tape = x.tape();
    if (tape == nullptr || !x.is_recorded()) fail("formula", "a constant has no formula");
    const Node<T>& node = tape->node(tape->node(x.node()).operation);
    if (node.is_used_up)
        fail("formula", "'" + std::string(node.op.name) +
                            "' was used up by a backward pass without retain = true");
    Formula found = node.rule ? node.rule->formula() : Formula();
    if (found.empty())
        fail("formula", "'" + std::string(node.op.name) + "' is not a fused operation");
    return found;
}

template Formula formula(const Variable<float>&);
template Formula formula(const Variable<double>&);

} // namespace unroll
