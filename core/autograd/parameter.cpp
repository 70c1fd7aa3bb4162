#include <unroll/core/autograd/parameter.hpp>
#include <unroll/core/base/error.hpp>

namespace unroll {

template <class T>
Parameter<T>::Parameter(const Parameter& other)
    : name_(other.name_), value_(other.value_.copy()), trainable_(other.trainable_) {
    if (other.has_gradient_) {
        gradient_ = other.gradient_.copy();
        has_gradient_ = true;
    }
}

template <class T>
Parameter<T>& Parameter<T>::operator=(const Parameter& other) {
    if (this != &other) *this = Parameter(other);
    return *this;
}

template <class T>
Tensor<T>& Parameter<T>::change() {
    if (value_.storage()) value_.storage()->changed();
    return value_;
}

template <class T>
void Parameter<T>::set(const Tensor<T>& value) {
    if (value.shape() != value_.shape())
        fail("Parameter", "'" + name_ + "' has shape " + to_string(value_.shape()) + ", got " +
                              to_string(value.shape()));
    change().assign(value);
}

template <class T>
Tensor<T>& Parameter<T>::gradient_buffer() const {
    if (gradient_.shape() != value_.shape() || !gradient_.storage())
        gradient_ = Tensor<T>(value_.shape());
    return gradient_;
}

template <class T>
const Tensor<T>& Parameter<T>::gradient() const {
    if (!has_gradient_) gradient_ = Tensor<T>::zeros(value_.shape());
    return gradient_;
}

template class Parameter<float>;
template class Parameter<double>;

} // namespace unroll
