#pragma once

#include <unroll/core/autograd/parameter.hpp>
#include <unroll/core/base/error.hpp>

#include <concepts>
#include <string>
#include <utility>
#include <vector>

namespace unroll::optim {

namespace detail {

// In place of the parameters of T, for which something else was given.
template <class T, class X>
const Parameters<T>& no_parameters(const X&) {
    static_assert(
        sizeof(X) == 0,
        "an optimiser takes the parameters of a model: optim::Adam adam(parameters(model)); "
        "optim::Adam<float> is for parameters of float, optim::Adam<double> for those of double");
    static const Parameters<T> none;
    return none;
}
template <class X, class T>
concept NoParameters = !std::convertible_to<const X&, const Parameters<T>&>;

} // namespace detail

// The list with each parameter once, by its first path.
template <class T>
Parameters<T> each_once(const Parameters<T>& parameters);

// Throws Error for two parameters with the same path.
template <class T>
void require_distinct_paths(const Op& operation, const Parameters<T>& parameters);

// Throws Error if parameters that no optimiser holds received gradients in this thread's last
// backward pass, which must have reached one of `held`.
template <class T>
void require_listed(const Op& operation, const Parameters<T>& held);

// Throws Error because none of the parameters has a gradient, with the likely reason.
template <class T>
[[noreturn]] void fail_without_gradient(const Op& operation, const Parameters<T>& parameters);

// A parameter that an optimiser holds, counted in ParameterBody::optimizers.
template <class T>
class HeldParameter : public ParameterRef<T> {
public:
    explicit HeldParameter(const ParameterRef<T>& parameter) : ParameterRef<T>(parameter) {
        ++this->parameter().optimizers;
    }
    HeldParameter(const HeldParameter& other) : ParameterRef<T>(other) {
        if (this->body_ != nullptr) ++this->parameter().optimizers;
    }
    HeldParameter(HeldParameter&&) noexcept = default;
    HeldParameter& operator=(HeldParameter other) noexcept {
        std::swap(this->body_, other.body_);
        return *this;
    }
    ~HeldParameter() {
        if (this->body_ != nullptr) --this->parameter().optimizers;
    }
};

// Calls f(parameter, its part of `vector`, in its shape). `vector` [n] has the elements of all
// parameters in order.
template <class T, class F>
void for_parts(const Tensor<T>& vector, const Parameters<T>& parameters, const F& f) {
    std::size_t begin = 0;
    for (const auto& p : parameters) {
        f(p, vector.slice(0, begin, begin + p.size()).reshape(p.shape()));
        begin += p.size();
    }
}

// For messages, sorted by name: "'bias' [2], 'weight' [2, 3]".
template <class T>
std::string names_of(const std::vector<ParameterRef<T>>& parameters);

} // namespace unroll::optim
