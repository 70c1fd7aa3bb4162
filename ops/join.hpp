#pragma once

#include <unroll/ops/operand.hpp>

#include <concepts>
#include <initializer_list>
#include <span>
#include <vector>

namespace unroll {

namespace detail {

// A piece in a braced list, which is of float or of double as its pieces are.
template <class T>
struct Piece {
    template <class X>
    requires(std::convertible_to<const X&, Variable<T>> && !OfOtherType<X, T>) Piece(const X& x)
        : value(x) {}

    Variable<T> value;
};
template <class T>
std::vector<Variable<T>> variables(std::initializer_list<Piece<T>> pieces) {
    std::vector<Variable<T>> all;
    all.reserve(pieces.size());
    for (const Piece<T>& piece : pieces) all.push_back(piece.value);
    return all;
}

} // namespace detail

// Joins pieces along an existing axis; their other extents must agree. Pieces may be empty, the
// list may not. A braced list may mix variables, parameters and tensors. Throws Error if shapes do
// not match.
template <class T>
Variable<T> concatenate(std::span<const Variable<T>> pieces, std::ptrdiff_t axis = 0,
                        Op op = "concatenate");
inline Variable<float> concatenate(std::initializer_list<detail::Piece<float>> pieces,
                                   std::ptrdiff_t axis = 0, Op op = "concatenate") {
    return concatenate(std::span<const Variable<float>>(detail::variables(pieces)), axis, op);
}
inline Variable<double> concatenate(std::initializer_list<detail::Piece<double>> pieces,
                                    std::ptrdiff_t axis = 0, Op op = "concatenate") {
    return concatenate(std::span<const Variable<double>>(detail::variables(pieces)), axis, op);
}
template <class T>
Variable<T> concatenate(const std::vector<Variable<T>>& pieces, std::ptrdiff_t axis = 0,
                        Op op = "concatenate") {
    return concatenate(std::span<const Variable<T>>(pieces), axis, op);
}

// Joins pieces of one shape along a new axis.
template <class T>
Variable<T> stack(std::span<const Variable<T>> pieces, std::ptrdiff_t axis = 0, Op op = "stack");
inline Variable<float> stack(std::initializer_list<detail::Piece<float>> pieces,
                             std::ptrdiff_t axis = 0, Op op = "stack") {
    return stack(std::span<const Variable<float>>(detail::variables(pieces)), axis, op);
}
inline Variable<double> stack(std::initializer_list<detail::Piece<double>> pieces,
                              std::ptrdiff_t axis = 0, Op op = "stack") {
    return stack(std::span<const Variable<double>>(detail::variables(pieces)), axis, op);
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

// The same for tensors, and for lists of parameters.
template <Operand X>
requires(!std::same_as<X, Variable<scalar_t<X>>>) auto concatenate(const std::vector<X>& pieces,
                                                                   std::ptrdiff_t axis = 0,
                                                                   Op op = "concatenate") {
    return concatenate(std::vector<Variable<scalar_t<X>>>(pieces.begin(), pieces.end()), axis, op);
}
template <Operand X>
requires(!std::same_as<X, Variable<scalar_t<X>>>) auto stack(const std::vector<X>& pieces,
                                                             std::ptrdiff_t axis = 0,
                                                             Op op = "stack") {
    return stack(std::vector<Variable<scalar_t<X>>>(pieces.begin(), pieces.end()), axis, op);
}
auto pad(const TensorOperand auto& x, std::ptrdiff_t axis, std::size_t before, std::size_t after,
         double value = 0, Op op = "pad") {
    return pad(detail::variable(x), axis, before, after, value, op);
}

} // namespace unroll
