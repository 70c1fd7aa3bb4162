#pragma once

#include <unroll/core/autograd/parameter.hpp>

namespace unroll::optim {

// Parameters as one vector, for solvers of systems and other optimisers: elements in row-major
// order, parameter after parameter, as hessian(loss, parameters) orders its rows.

// A copy of the values: [n].
template <class T>
Tensor<T> parameters_to_vector(const Parameters<T>& parameters);
// A copy of the gradients: [n]; 0 where none was received.
template <class T>
Tensor<T> gradients_to_vector(const Parameters<T>& parameters);
// Sets the values, of frozen parameters, too. Throws Error, changing nothing, unless `values` is of
// shape [n].
template <class T>
void vector_to_parameters(const std::type_identity_t<Tensor<T>>& values,
                          const Parameters<T>& parameters, Where where = Where::current());

} // namespace unroll::optim
