#pragma once

#include <unroll/core/autograd/tape.hpp>

#include <vector>

namespace unroll {

// Checks all values and gradients of its tape during its lifetime. The first value or gradient that
// is not finite throws Error with the operation, position and shape, module path and time step, the
// caller's line, and the ranges of the operands. An infinite value is accepted if an operand holds
// an infinity of the same sign, as scores masked with -inf do; if a later result is not accepted,
// the message names the operation that the infinity came from. NaN, infinite gradients and infinite
// parameters are always errors. NaNs in a constant or variable that an operation masks out, as
// where() does, are not reported. After an Error, clear the tape and the parameters' gradients.
template <class T = float>
class Checking final : public Monitor<T> {
public:
    explicit Checking(Tape<T>& tape) : Monitor<T>(tape) {}

    void recorded(NodeId first, std::span<const Variable<T>* const> inputs,
                  std::span<const Variable<T>> results) override;
    void before_rule(NodeId first, std::span<const Variable<T>> gradients) override;
    void after_rule(NodeId first) override;
    void leaf(NodeId id, const Tensor<T>& gradient) override;
    void cleared() override;
    bool needs_whole_gradients() const override { return true; }

private:
    using Inputs = std::span<const Variable<T>* const>;
    using Values = std::span<const Variable<T>>;
    // Marks of a node. For a parameter: whether it was checked. For the owner of a buffer: which
    // infinities were accepted in it.
    enum Mark : unsigned char { looked_at = 1, plus_infinity = 2, minus_infinity = 4 };

    unsigned char& mark(NodeId id);
    void check_parameters(const Node<T>& node, Inputs inputs);
    bool was_infinite(const Node<T>& node, Inputs inputs, Values results, Mark sign);
    std::string inputs_text(const Node<T>& node, Inputs inputs, Values results) const;
    std::string kept_text(const Node<T>& node) const;
    std::string origin_text(const Node<T>& node);
    std::string input_name(const Node<T>& node, std::size_t input) const;
    [[noreturn]] void throw_non_finite(const Node<T>& node, const std::string& problem) const;

    std::vector<unsigned char> marks_;
    std::vector<Tensor<T>> received_; // gradients received by the operation whose rule is running
};

extern template class Checking<float>;
extern template class Checking<double>;

} // namespace unroll
