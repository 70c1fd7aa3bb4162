#pragma once

#include <unroll/core/autograd/parameter.hpp>
#include <unroll/core/base/error.hpp>

#include <string>
#include <vector>

namespace unroll::optim {

// The list with each parameter once, by its first path.
template <class T>
Parameters<T> each_once(const Parameters<T>& parameters);

// Throws Error for two parameters with the same path.
template <class T>
void require_distinct_paths(const Op& operation, const Parameters<T>& parameters);

// For messages, sorted by name: "'bias' [2], 'weight' [2, 3]".
template <class T>
std::string names_of(const std::vector<ParameterRef<T>>& parameters);

} // namespace unroll::optim
