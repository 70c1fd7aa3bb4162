#pragma once

#include <unroll/core/autograd/tape.hpp>

#include <concepts>
#include <vector>

namespace unroll {

// Gradients as variables, and functions built on them. They throw Error as Tape::gradients does.
// Derivatives of a constant are zero.

// What to differentiate with respect to: variables and parameters, {x, layer.weight}, or all of
// parameters(net).
template <class T>
struct Wrt : std::vector<Variable<T>> {
    Wrt(std::initializer_list<Variable<T>> all) : std::vector<Variable<T>>(all) {}
    Wrt(std::vector<Variable<T>> all) : std::vector<Variable<T>>(std::move(all)) {}
    Wrt(const Parameters<T>& all) : std::vector<Variable<T>>(all.begin(), all.end()) {}
};

// d y / d x for every x of `wrt`: from a scalar, or from any tensor with a seed of its shape. With
// {.create_graph = true} a gradient can be differentiated again:
//   auto g = gradients(loss, {x}, {.create_graph = true})[0];
//   tape.backward(loss + 0.1 * sum(square(g)));
template <class T>
std::vector<Variable<T>> gradients(const Variable<T>& y, const std::type_identity_t<Wrt<T>>& wrt,
                                   GradientOptions options = {}, Op op = "gradients");
template <class T>
std::vector<Variable<T>> gradients(const Variable<T>& y, const std::type_identity_t<Wrt<T>>& wrt,
                                   const std::type_identity_t<Variable<T>>& seed,
                                   GradientOptions options = {}, Op op = "gradients");

// Hessian-vector product H v. H: second derivatives of a scalar with respect to all of `wrt`; v:
// one tensor of the same shape for each. Does not form H (Pearlmutter 1994).
template <class T>
std::vector<Tensor<T>> hessian_vector_product(const Variable<T>& y,
                                              const std::type_identity_t<Wrt<T>>& wrt,
                                              const std::type_identity_t<std::vector<Tensor<T>>>& v,
                                              Where where = Where::current());

// The same for the elements of all of `wrt`, concatenated into one vector: [n] -> [n].
template <class T, std::same_as<Tensor<T>> V>
Tensor<T> hessian_vector_product(const Variable<T>& y, const std::type_identity_t<Wrt<T>>& wrt,
                                 const V& v, Where where = Where::current());

// d y / d x for every element of y: shape [y..., x...]. Runs one backward pass per element of y.
template <class T>
Tensor<T> jacobian(const Variable<T>& y, const std::type_identity_t<Variable<T>>& x,
                   Where where = Where::current());

// The same with respect to the n elements of all of `wrt`, concatenated: [y..., n].
template <class T>
Tensor<T> jacobian(const Variable<T>& y, const std::type_identity_t<Wrt<T>>& wrt,
                   Where where = Where::current());

// Second derivatives of a scalar: [x..., x...]. For small x.
template <class T>
Tensor<T> hessian(const Variable<T>& y, const std::type_identity_t<Variable<T>>& x,
                  Where where = Where::current());
// The same with respect to the n elements of all of `wrt`: [n, n], hessian(loss, parameters(net)).
template <class T>
Tensor<T> hessian(const Variable<T>& y, const std::type_identity_t<Wrt<T>>& wrt,
                  Where where = Where::current());

} // namespace unroll
