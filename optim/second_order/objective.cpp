#include <unroll/core/autograd/backward/gradients.hpp>
#include <unroll/core/check/statistics.hpp>
#include <unroll/optim/flat.hpp>
#include <unroll/optim/second_order/objective.hpp>

#include <cmath>
#include <limits>

namespace unroll::optim {

template <class T>
Objective<T>::Objective(const Op& op, const Parameters<T>& parameters, const Closure& closure)
    : x(parameters_to_vector(parameters)), op_(op), parameters_(parameters), closure_(closure) {}

template <class T>
void Objective<T>::begin(bool allows_unlisted) {
    clear_gradients();
    Tape<T> tape;
    const Variable<T> y = call();
    loss = static_cast<double>(y.value().item());
    if (!std::isfinite(loss)) fail(op_, "the loss is not finite: " + std::to_string(loss));
    tape.backward(y, {}, op_.where);
    if (!allows_unlisted) require_listed(op_, parameters_);
    bool any = false;
    for (const auto& p : parameters_) {
        any = any || p.has_gradient();
        if (p.has_gradient() && !is_finite(p.gradient()))
            fail(op_, "the gradient of '" + p.path + "' is not finite");
    }
    if (!any) fail_without_gradient(op_, parameters_);
    gradient = gradients_to_vector(parameters_);
    clear_gradients();
}

template <class T>
void Objective<T>::clear_gradients() const {
    for (const auto& p : parameters_) p.clear_gradient();
}

template <class T>
Variable<T> Objective<T>::call() {
    ++evaluations_;
    Variable<T> y = closure_();
    if (y.size() != 1)
        fail(op_, "the closure must return the loss, a scalar, got shape " + to_string(y.shape()));
    for (const auto& p : parameters_)
        if (p.has_gradient())
            fail(op_, "the closure must not call backward, only return the loss; '" + p.path +
                          "' received a gradient");
    return y;
}

template <class T>
void Objective<T>::set(const Tensor<T>& point) {
    for_parts(point, parameters_, [](ParameterRef<T> p, const Tensor<T>& part) {
        if (p.is_trainable()) p.set(part);
    });
}

template <class T>
void Objective<T>::clear_frozen(Tensor<T>& direction) const {
    for_parts(direction, parameters_, [](const ParameterRef<T>& p, Tensor<T> part) {
        if (!p.is_trainable()) part.fill(0);
    });
}

template <class T>
typename Objective<T>::Evaluation Objective<T>::at(const Tensor<T>& point) {
    set(point);
    Tape<T> tape;
    const Variable<T> y = call();
    Evaluation value{static_cast<double>(y.value().item()), Tensor<T>::zeros(point.shape())};
    bool finite = std::isfinite(value.loss);
    if (finite) {
        tape.backward(y, {}, op_.where);
        value.gradient = gradients_to_vector(parameters_);
        finite = is_finite(value.gradient);
        clear_gradients();
    }
    if (!finite) value = {std::numeric_limits<double>::infinity(), Tensor<T>::zeros(point.shape())};
    return value;
}

template <class T>
void Objective<T>::record_gradient() {
    forget_gradient();
    for (const auto& p : parameters_)
        if (p.is_trainable()) trainable_.push_back(p);
    tape_ = std::make_unique<Tape<T>>();
    recorded_ = gradients(call(), trainable_, {.create_graph = true}, op_);
}

template <class T>
void Objective<T>::forget_gradient() {
    recorded_.clear();
    trainable_.clear();
    tape_.reset();
}

template <class T>
Tensor<T> Objective<T>::hessian_product(const Tensor<T>& v) {
    ++products_;
    std::vector<Variable<T>> seeds;
    for_parts(v, parameters_, [&](const ParameterRef<T>& p, const Tensor<T>& part) {
        if (p.is_trainable()) seeds.emplace_back(part);
    });
    const auto products = tape_->gradients(recorded_, seeds, trainable_, {.retain = true}, op_);
    Tensor<T> all = Tensor<T>::zeros(v.shape());
    std::size_t i = 0;
    for_parts(all, parameters_, [&](const ParameterRef<T>& p, Tensor<T> part) {
        if (p.is_trainable()) part.assign(products[i++].value());
    });
    return all;
}

template class Objective<float>;
template class Objective<double>;

} // namespace unroll::optim
