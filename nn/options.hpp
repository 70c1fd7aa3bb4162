#pragma once

#include <unroll/core/base/error.hpp>

#include <initializer_list>
#include <utility>

namespace unroll::nn {

// Checks of the options of a layer, which is given by its class and the line that constructs it.

// Throws Error unless all sizes are at least 1: "input and output must be at least 1, got 3 and 0".
void require_sizes(const Op& layer,
                   std::initializer_list<std::pair<const char*, std::size_t>> sizes);
// Throws Error for a number outside [0, 1].
void require_fraction(const Op& layer, const char* name, double value);

} // namespace unroll::nn
