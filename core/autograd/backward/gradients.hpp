#pragma once

#include <unroll/core/autograd/tape.hpp>

#include <vector>

namespace unroll {

// Gradients as variables, and what is made of them. Throw Error as Tape::gradients does. A constant
// has derivatives of zero.

// What to differentiate by: variables and parameters, {x, layer.weight}, or all of parameters(net).
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
                                   GradientOptions options = {}, Where where = Where::current());
template <class T>
std::vector<Variable<T>> gradients(const Variable<T>& y, const std::type_identity_t<Wrt<T>>& wrt,
                                   const std::type_identity_t<Variable<T>>& seed,
                                   GradientOptions options = {}, Where where = Where::current());

// H v, where H is the matrix of second derivatives of a scalar by all of `wrt` together and v has a
// tensor of the same shape for each of them; H itself is never made (Pearlmutter 1994).
template <class T>
std::vector<Tensor<T>> hessian_vector_product(const Variable<T>& y,
                                              const std::type_identity_t<Wrt<T>>& wrt,
                                              const std::type_identity_t<std::vector<Tensor<T>>>& v,
                                              Where where = Where::current());

// d y / d x for every element of y: shape [y..., x...], by as many backward passes.
template <class T>
Tensor<T> jacobian(const Variable<T>& y, const std::type_identity_t<Variable<T>>& x,
                   Where where = Where::current());

// Second derivatives of a scalar: [x..., x...]. For small x.
template <class T>
Tensor<T> hessian(const Variable<T>& y, const std::type_identity_t<Variable<T>>& x,
                  Where where = Where::current());

} // namespace unroll
