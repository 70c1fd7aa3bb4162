#include <unroll/core/autograd/parameter.hpp>
#include <unroll/core/base/error.hpp>
#include <unroll/core/base/scope.hpp>
#include <unroll/core/kernels/weights.hpp>

namespace unroll {

template <class T>
ParameterBody<T>::ParameterBody(std::string name, Tensor<T> value)
    : Value<T>(std::move(value)), label(std::move(name)) {
    this->is_parameter = true;
    this->rule_run = detail::rule_run;
    weights::keep_packed(this->tensor);
}

// Compared first: another thread may be reading the same path.
template <class T>
void ParameterRef<T>::set_path(std::string_view path) const {
    if (!is_path_within(name(), path)) parameter().label = path;
}

template <class T>
Tensor<T>& ParameterRef<T>::change() {
    Tensor<T>& value = parameter().tensor;
    if (value.storage()) value.storage()->changed();
    return value;
}

template <class T>
void ParameterRef<T>::set(const Tensor<T>& value, Where where) {
    if (value.shape() != this->shape())
        fail(Op("Parameter", where), "'" + name() + "' has shape " + to_string(this->shape()) +
                                         ", got " + to_string(value.shape()));
    change().assign(value);
}

template <class T>
Tensor<T>& ParameterRef<T>::gradient_buffer() const {
    Tensor<T>& gradient = parameter().gradient;
    if (gradient.shape() != this->shape() || !gradient.storage())
        gradient = Tensor<T>(this->shape());
    return gradient;
}

template <class T>
const Tensor<T>& ParameterRef<T>::gradient() const {
    if (!has_gradient()) parameter().gradient = Tensor<T>::zeros(this->shape());
    return parameter().gradient;
}

namespace {

// x, or a copy, in separate memory and in row-major order.
template <class T>
Tensor<T> owned(Tensor<T> x) {
    const bool is_own = x.storage() && x.storage()->references() == 1 && x.is_contiguous();
    return is_own || x.size() == 0 ? std::move(x) : x.copy();
}

} // namespace

template <class T>
Parameter<T>::Parameter(std::string name, Tensor<T> value) {
    value.require_not_moved(Op::unplaced("Parameter"));
    this->body_ = new ParameterBody<T>(std::move(name), owned(std::move(value)));
}

template <class T>
Parameter<T>::Parameter(const Parameter& other) : ParameterRef<T>() {
    if (other.body_ == nullptr) return;
    const ParameterBody<T>& from = other.parameter();
    // A copy is a member of no model yet.
    auto* const own =
        new ParameterBody<T>(from.name().substr(from.name().rfind('.') + 1), from.tensor.copy());
    this->body_ = own;
    own->is_trainable = from.is_trainable;
    own->has_gradient = from.has_gradient;
    if (from.has_gradient) own->gradient = from.gradient.copy();
}

template <class T>
Parameter<T>& Parameter<T>::operator=(const Parameter& other) {
    if (this == &other || this->body_ == other.body_) return *this;
    if (this->body_ == nullptr || other.body_ == nullptr || this->shape() != other.shape())
        return *this = Parameter(other);
    ParameterBody<T>& own = this->parameter();
    const ParameterBody<T>& from = other.parameter();
    this->set(other.value());
    own.is_trainable = from.is_trainable;
    own.has_gradient = from.has_gradient;
    if (from.has_gradient) this->gradient_buffer().assign(from.gradient);
    return *this;
}

template class ParameterRef<float>;
template class ParameterRef<double>;
template class Parameter<float>;
template class Parameter<double>;
template struct ParameterBody<float>;
template struct ParameterBody<double>;

} // namespace unroll
