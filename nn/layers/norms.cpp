#include <unroll/nn/layers/norms.hpp>
#include <unroll/nn/options.hpp>
#include <unroll/ops/normalization.hpp>

namespace unroll::nn {

template <class T>
RmsNorm<T>::RmsNorm(std::size_t width, double epsilon, Where where)
    : epsilon(epsilon), weight("weight", Tensor<T>::ones({width})) {
    require_sizes(Op("RmsNorm", where), {{"width", width}});
}

template <class T>
Variable<T> RmsNorm<T>::operator()(const Variable<T>& x, Where caller) const {
    const Scope scope(module_name, caller);
    return rms_norm(x, weight, epsilon);
}

template <class T>
void RmsNorm<T>::members(Members<T>& m) {
    m(module_name)("weight", weight);
}

template <class T>
GroupNorm<T>::GroupNorm(const GroupNormOptions& options, Where where)
    : options(options), weight("weight", Tensor<T>::ones({options.channels})),
      bias("bias", Tensor<T>::zeros({options.channels})) {
    const Op op("GroupNorm", where);
    require_sizes(op, {{"groups", options.groups}, {"channels", options.channels}});
    if (options.channels % options.groups != 0)
        fail(op, "channels must be a multiple of groups, got " + std::to_string(options.channels) +
                     " and " + std::to_string(options.groups));
}

template <class T>
Variable<T> GroupNorm<T>::operator()(const Variable<T>& x, Where caller) const {
    const Scope scope(module_name, caller);
    return group_norm(x, options.groups, weight, bias, options.epsilon);
}

template <class T>
void GroupNorm<T>::members(Members<T>& m) {
    m(module_name)("weight", weight)("bias", bias);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template class RmsNorm<T>;                                                                     \
    template class GroupNorm<T>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
