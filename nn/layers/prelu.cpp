#include <unroll/nn/layers/prelu.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/ops/activation.hpp>

namespace unroll::nn {

template <class T>
Prelu<T>::Prelu(const PreluOptions& options, Where where)
    : weight("weight", Tensor<T>::full({options.channels}, static_cast<T>(options.slope))) {
    require_sizes(Op("Prelu", where), {{"channels", options.channels}});
}

template <class T>
Variable<T> Prelu<T>::operator()(const Variable<T>& x, Where caller) const {
    const Scope scope(module_name, caller);
    return prelu(x, weight);
}

template class Prelu<float>;
template class Prelu<double>;

} // namespace unroll::nn
