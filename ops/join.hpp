#pragma once

#include <unroll/core/autograd/record.hpp>

#include <span>
#include <vector>

namespace unroll {

// Pieces behind each other along an axis that they have; their other extents agree. A piece may be
// empty, the list may not. Throws Error otherwise.
template <class T>
Variable<T> concatenate(std::span<const Variable<T>> pieces, std::ptrdiff_t axis = 0,
                        Op op = "concatenate");
template <class T>
Variable<T> concatenate(std::initializer_list<Variable<T>> pieces, std::ptrdiff_t axis = 0,
                        Op op = "concatenate") {
    return concatenate(std::span<const Variable<T>>(pieces.begin(), pieces.size()), axis, op);
}
template <class T>
Variable<T> concatenate(const std::vector<Variable<T>>& pieces, std::ptrdiff_t axis = 0,
                        Op op = "concatenate") {
    return concatenate(std::span<const Variable<T>>(pieces), axis, op);
}

// Pieces of one shape behind each other along a new axis.
template <class T>
Variable<T> stack(std::span<const Variable<T>> pieces, std::ptrdiff_t axis = 0, Op op = "stack");
template <class T>
Variable<T> stack(std::initializer_list<Variable<T>> pieces, std::ptrdiff_t axis = 0,
                  Op op = "stack") {
    return stack(std::span<const Variable<T>>(pieces.begin(), pieces.size()), axis, op);
}
template <class T>
Variable<T> stack(const std::vector<Variable<T>>& pieces, std::ptrdiff_t axis = 0,
                  Op op = "stack") {
    return stack(std::span<const Variable<T>>(pieces), axis, op);
}

// x with `before` and `after` elements of `value` added along an axis.
template <class T>
Variable<T> pad(const Variable<T>& x, std::ptrdiff_t axis, std::size_t before, std::size_t after,
                double value = 0, Op op = "pad");

} // namespace unroll
