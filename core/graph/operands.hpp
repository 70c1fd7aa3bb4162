#pragma once

#include <unroll/core/graph/model.hpp>

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace unroll::graph::detail {

// The operands that a tape did not record, constants, indices and masks, with their names.
template <class T>
class Operands {
public:
    explicit Operands(const Tape<T>& tape);

    struct Drawn {
        std::uint64_t key; // the same for every use of one constant
        std::string name;
        LayoutRef layout;
        bool is_named; // by Tape::name
        bool is_part;  // the operation uses some of its elements
    };
    // Empty for a literal, which is written in the label of the operation.
    std::optional<Drawn> find(const ConstantUse& use) const;

private:
    const TensorName* tensor_around(const ConstantUse& use) const;
    const TensorName* tensor_around(const ConstantUse& use, bool is_before) const;

    const Tape<T>& tape_;
    std::unordered_map<std::uint64_t, const NamedConstant*> names_;
};

// The literals among the operands of a node, by number; empty for the others.
template <class T>
std::vector<std::string> literals(const Tape<T>& tape, NodeId id);

// "1 − x", "maximum(x, 0)", "where(mask, x, 0)", with x for an operand with an arrow.
std::string call_text(const std::string& operation, const std::vector<std::string>& literals);

} // namespace unroll::graph::detail
