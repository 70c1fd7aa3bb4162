#pragma once

#include <unroll/core/graph/model.hpp>

namespace unroll::graph::detail {

// Per module: the number of its colour, or none. Each module of the outermost level with several
// modules has its own colour, wherever it is called. Scopes that no module opened, such as a
// loop's, count if there is no such level.
std::vector<std::uint32_t> hues_of(const Model& model);
// Per item: the colour of its module. A parameter or constant outside of any has that of the
// modules that use it, if it is one.
std::vector<std::uint32_t> hues_of_items(const Model& model,
                                         const std::vector<std::uint32_t>& hues);

} // namespace unroll::graph::detail
