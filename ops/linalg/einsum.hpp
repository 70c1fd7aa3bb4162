#pragma once

#include <unroll/ops/join.hpp>

#include <span>
#include <string_view>
#include <vector>

namespace unroll {

// A sum of products of elements of the operands, in Einstein's notation with a letter for each
// axis, as in NumPy and PyTorch: "bij,bjk->bik" is a batched matrix product, "ii->i" a diagonal,
// "ij->" a sum, "i,j->ij" an outer product. Letters that are not after the arrow are summed over;
// without an arrow the result has the letters that occur once, in alphabetical order. Operands are
// contracted from left to right, each by one matrix product. Throws Error, naming the subscript,
// if a letter has two extents, a list does not fit its operand, or the subscripts are malformed;
// an ellipsis is not supported.
template <class T>
Variable<T> einsum(std::string_view subscripts, std::span<const Variable<T>> operands,
                   Op op = "einsum");
inline Variable<float> einsum(std::string_view subscripts,
                              std::initializer_list<detail::Piece<float>> operands,
                              Op op = "einsum") {
    return einsum(subscripts, std::span<const Variable<float>>(detail::variables(operands)), op);
}
inline Variable<double> einsum(std::string_view subscripts,
                               std::initializer_list<detail::Piece<double>> operands,
                               Op op = "einsum") {
    return einsum(subscripts, std::span<const Variable<double>>(detail::variables(operands)), op);
}
template <class T>
Variable<T> einsum(std::string_view subscripts, const std::vector<Variable<T>>& operands,
                   Op op = "einsum") {
    return einsum(subscripts, std::span<const Variable<T>>(operands), op);
}

// a[i] b[j] for all elements of both, in row-major order: [size of a, size of b].
template <class T>
Variable<T> outer(const Variable<T>& a, const std::type_identity_t<Variable<T>>& b,
                  Op op = "outer");
template <TensorOperand X>
auto outer(const X& a, const Variable<scalar_t<X>>& b, Op op = "outer") {
    return outer(detail::variable(a), b, op);
}

} // namespace unroll
