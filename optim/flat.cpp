#include <unroll/core/base/error.hpp>
#include <unroll/optim/flat.hpp>
#include <unroll/optim/parameter_list.hpp>

namespace unroll::optim {

namespace {

template <class T>
std::size_t flat_size(const Parameters<T>& parameters) {
    std::size_t n = 0;
    for (const auto& p : parameters) n += p.size();
    return n;
}

} // namespace

template <class T>
Tensor<T> parameters_to_vector(const Parameters<T>& parameters) {
    Tensor<T> vector(Shape{flat_size(parameters)});
    for_parts(vector, parameters, [](const auto& p, Tensor<T> part) { part.assign(p.value()); });
    return vector;
}

template <class T>
Tensor<T> gradients_to_vector(const Parameters<T>& parameters) {
    Tensor<T> vector(Shape{flat_size(parameters)});
    for_parts(vector, parameters, [](const auto& p, Tensor<T> part) { part.assign(p.gradient()); });
    return vector;
}

template <class T>
void vector_to_parameters(const std::type_identity_t<Tensor<T>>& values,
                          const Parameters<T>& parameters, Where where) {
    const std::size_t n = flat_size(parameters);
    if (values.shape() != Shape{n})
        fail(Op("vector_to_parameters", where),
             "values " + to_string(values.shape()) + " for parameters of " + std::to_string(n) +
                 " elements; expected [" + std::to_string(n) + "]");
    for_parts<T>(values, parameters, [](ParameterRef<T> p, const Tensor<T>& part) { p.set(part); });
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Tensor<T> parameters_to_vector(const Parameters<T>&);                                 \
    template Tensor<T> gradients_to_vector(const Parameters<T>&);                                  \
    template void vector_to_parameters(const Tensor<T>&, const Parameters<T>&, Where);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::optim
