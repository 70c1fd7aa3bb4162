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
    // The arguments of a call, by position, as far as they were noted of one of its nodes.
    // `is_part`: a later node of a Composite, whose operands are not those of the call.
    void add_arguments(Item& item, NodeId id, bool is_part) const;

private:
    static bool is_zero(const ConstantUse& use);
    const TensorName* tensor_around(const ConstantUse& use) const;
    const TensorName* tensor_around(const ConstantUse& use, bool is_before) const;

    const Tape<T>& tape_;
    std::unordered_map<std::uint64_t, const NamedConstant*> names_;
};

// Those of an item that is folded into it; "…" where they differ.
void merge_arguments(Item& item, const Item& other);

// What an arrow brings as argument `number`: "x" if it is the only one, "x2", or its name.
std::string operand_name(const Item& item, std::uint32_t number);
// "1 − x", "maximum(x, 0)", "where(mask, x, 0)", "x1 − x2"; only the name if the order of the
// operands does not matter and no number is to be shown.
std::string call_text(const Item& item, const std::string& name);

} // namespace unroll::graph::detail
