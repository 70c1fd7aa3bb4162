#pragma once

#include <unroll/core/graph/model.hpp>

#include <vector>

namespace unroll::graph::detail {

// What a model was made from.
struct Origin {
    const std::vector<std::uint32_t>& item_of; // per node; none: a view, or not selected
    std::vector<std::uint32_t> constant_of;    // per use of a constant; none: a literal
    std::vector<std::uint32_t> module_of;      // per scope of the tape
};

// Marks the operation that failed, which is added if it was not recorded, and gives the chosen
// values their colours.
template <class T>
void mark(Model& model, const Tape<T>& tape, const Options& options, const Origin& origin);

} // namespace unroll::graph::detail
