#pragma once

#include <unroll/core/tensor/tensor.hpp>

#include <string>

namespace unroll {

// A tensor that is learned: a name, a value, and the gradient that backward passes add to.
// Copies are independent of each other. Tapes that met it refer to it until they are cleared.
template <class T>
class Parameter {
public:
    using value_type = T;

    Parameter() = default;
    Parameter(std::string name, Tensor<T> value)
        : name_(std::move(name)), value_(std::move(value)) {}
    Parameter(const Parameter& other);
    Parameter& operator=(const Parameter& other);
    Parameter(Parameter&&) noexcept = default;
    Parameter& operator=(Parameter&&) noexcept = default;

    const std::string& name() const { return name_; }
    void rename(std::string name) { name_ = std::move(name); }
    const Shape& shape() const { return value_.shape(); }
    std::size_t size() const { return value_.size(); }

    const Tensor<T>& value() const { return value_; }
    // For optimisers and loaders: the elements, about to be changed. A tape that recorded the old
    // ones refuses to run backwards afterwards.
    Tensor<T>& change();
    // Replaces the elements; throws Error where the shape differs.
    void set(const Tensor<T>& value);

    // Zeros until a backward pass has been here. The gradient is no part of the value: passes add
    // to it through a parameter that they must not change.
    const Tensor<T>& gradient() const;
    bool has_gradient() const { return has_gradient_; }
    void clear_gradient() const { has_gradient_ = false; }
    // The buffer to be written by whoever calls mark_gradient() next.
    Tensor<T>& gradient_buffer() const;
    void mark_gradient() const { has_gradient_ = true; }

    // A frozen parameter is a constant to every tape.
    bool is_trainable() const { return trainable_; }
    void set_trainable(bool on) { trainable_ = on; }

private:
    std::string name_;
    Tensor<T> value_;
    mutable Tensor<T> gradient_;
    mutable bool has_gradient_ = false;
    bool trainable_ = true;
};

extern template class Parameter<float>;
extern template class Parameter<double>;

} // namespace unroll
