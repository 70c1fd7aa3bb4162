#pragma once

#include <unroll/core/autograd/variable.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace unroll {

template <class T>
struct Gradient;

// What parameters, tapes and optimisers share: value, gradient, name.
template <class T>
struct ParameterBody : Value<T> {
    ParameterBody(std::string name, Tensor<T> value);

    const std::string& name() const { return label; }
    const Tensor<T>& value() const { return this->tensor; }
    const Shape& shape() const { return value().shape(); }
    std::size_t size() const { return value().size(); }

    std::string label;
    Tensor<T> gradient;
    bool has_gradient = false;
    // Set while a backward pass accumulates directly in `gradient`: a nested pass, which runs in
    // one of its rules, uses separate memory.
    const Gradient<T>* lent_to = nullptr;
    bool is_trainable = true;
    std::atomic<std::uint32_t> optimizers = 0; // that hold it
    std::uint64_t pass = 0;                    // the last backward pass that added to the gradient
};

// A handle to a parameter's body; copies refer to the same body, which lives as long as any of
// them. Tapes and optimisers hold these, so that a module may be moved, replaced or destroyed.
template <class T = float>
class ParameterRef : public Variable<T> {
public:
    ParameterRef() = default;
    explicit ParameterRef(ParameterBody<T>* body) : Variable<T>(body) { body->retain(); }

    const std::string& name() const { return parameter().name(); }
    void rename(std::string name) { parameter().label = std::move(name); }
    // Sets its name to its path in a model, unless it has a longer path that ends with this one.
    void set_path(std::string_view path) const;

    // The elements, for writing. A tape that recorded the old values then refuses to run backward.
    Tensor<T>& change();
    // Replaces the elements. Throws Error if the shape differs.
    void set(const Tensor<T>& value, Where where = Where::current());

    // Zeros until a backward pass has added to it.
    const Tensor<T>& gradient() const;
    bool has_gradient() const { return parameter().has_gradient; }
    void clear_gradient() const { parameter().has_gradient = false; }
    // For callers that write the gradient themselves and then call mark_gradient().
    Tensor<T>& gradient_buffer() const;
    void mark_gradient() const { parameter().has_gradient = true; }

    // A frozen parameter is a constant to every tape.
    bool is_trainable() const { return parameter().is_trainable; }
    void set_trainable(bool on) { parameter().is_trainable = on; }

    // Whether both are the same parameter.
    friend bool operator==(const ParameterRef& a, const ParameterRef& b) {
        return a.body_ == b.body_;
    }
    ParameterBody<T>& parameter() const {
        this->require_value(Op::unplaced("Parameter"));
        return static_cast<ParameterBody<T>&>(*this->body_);
    }
};

// A learned tensor, as a member of a module. A copy is a new parameter with the same value; a move
// keeps the identity, also for tapes and optimisers. Assigning a parameter of the same shape copies
// its value and keeps the identity of this one.
template <class T = float>
class Parameter : public ParameterRef<T> {
public:
    Parameter() = default;
    // Copies the elements if another tensor shares them.
    Parameter(std::string name, Tensor<T> value);
    Parameter(const Parameter& other);
    Parameter(Parameter&&) noexcept = default;
    Parameter& operator=(const Parameter& other);
    Parameter& operator=(Parameter&&) noexcept = default;
};

// A parameter and its path in a module: "decoder.out.weight".
template <class T = float>
struct NamedParameter : ParameterRef<T> {
    NamedParameter(std::string path, const ParameterRef<T>& parameter)
        : ParameterRef<T>(parameter), path(std::move(path)) {}

    std::string path;
};

// Each parameter once.
template <class T = float>
using Parameters = std::vector<NamedParameter<T>>;

extern template class ParameterRef<float>;
extern template class ParameterRef<double>;
extern template class Parameter<float>;
extern template class Parameter<double>;

} // namespace unroll
