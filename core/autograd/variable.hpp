#pragma once

#include <unroll/core/tensor/slice.hpp>
#include <unroll/core/tensor/tensor.hpp>

#include <array>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <utility>
#include <vector>

namespace unroll {

template <class T = float>
class Tape;
template <class T = float>
class Variable;

// The address of a tape, or null if it is destroyed. Slots are never freed, so a variable that
// outlives its tape can detect it.
template <class T>
struct TapeSlot {
    std::atomic<Tape<T>*> tape = nullptr;
    std::atomic<std::uint64_t> generation = 0; // changes when the tape is cleared or destroyed
    std::atomic<std::uint64_t> lifetime = 0;   // changes when the tape is destroyed
};

using NodeId = std::uint32_t;
inline constexpr NodeId no_node = ~NodeId{0};

// Whether the gradient of a value that was not recorded is lost.
enum class Lost : std::uint8_t {
    nothing,
    // Computed in the scope of a NoRecording from a value that needs a gradient: operations treat
    // it as a constant, but a backward pass that begins with it is an error.
    where_paused,
    // An unrecorded gradient, a value within a checkpoint, or computed from one. A backward pass
    // that begins with it is an error, as is combining it with an operand that needs a gradient.
    in_gradient,
    // Computed from a parameter while no tape recorded: an error as soon as a tape records.
    without_tape,
};

// The body that variables refer to: a value, and where it was recorded. Fits in a cache line. A
// parameter's body is a ParameterBody.
template <class T>
struct Value {
    // Uses the thread's cache of bodies.
    static Value* make(Tensor<T> tensor);

    void retain() { references.fetch_add(1, std::memory_order_relaxed); }
    void release() {
        if (references.load(std::memory_order_acquire) == 1 ||
            references.fetch_sub(1, std::memory_order_acq_rel) == 1)
            destroy();
    }

    std::atomic<std::uint32_t> references{1};
    NodeId node = no_node;
    TapeSlot<T>* slot = nullptr;
    std::uint64_t generation; // of the tape; of a constant: a unique number, for pictures
    // For a tensor that became a variable inside a recorded backward rule, and for results computed
    // from it: the number of that run of the rule. Otherwise 0.
    std::uint32_t rule_run = 0;
    bool is_parameter = false;
    Lost lost = Lost::nothing;
    Tensor<T> tensor;

protected:
    explicit Value(Tensor<T> tensor);

private:
    void destroy();
};

namespace detail {
// The current invocation of a recorded backward rule on this thread, unless it is marked by once();
// 0: none. And the slot of the tape that is differentiated.
extern thread_local constinit std::uint32_t rule_run;
extern thread_local constinit const void* rule_tape;
} // namespace detail

// A variable, parameter or tensor of floating-point numbers of another type than T.
template <class X, class T>
concept OfOtherType = requires {
    typename X::value_type;
}
&&std::floating_point<typename X::value_type> && !std::same_as<typename X::value_type, T> &&
    (std::derived_from<X, Tensor<typename X::value_type>> ||
     std::derived_from<X, Variable<typename X::value_type>>);

// A value, and its node on a tape if it was recorded; otherwise it is a constant. A small handle:
// copies refer to the same value. Functions that take a variable accept parameters, which are
// variables, and convert tensors and numbers.
template <class T>
class Variable {
public:
    using value_type = T;

    Variable() = default;
    // Throws Error for a tensor that was moved from.
    Variable(Tensor<T> constant, Where where = Where::current()) {
        constant.require_not_moved(Op("Variable", where));
        body_ = Value<T>::make(std::move(constant));
        body_->rule_run = detail::rule_run;
    }
    Variable(T constant) : body_(Value<T>::make(Tensor<T>::scalar(constant))) {}
    template <OfOtherType<T> X>
    Variable(const X&) {
        static_assert(sizeof(X) == 0,
                      "float and double do not mix: tape, layers, optimiser and tensors are of one "
                      "type; for double write Tape<double>, nn::Linear<double>, Tensor<double>");
    }
    // Takes over one reference.
    explicit Variable(Value<T>* body) : body_(body) {}
    Variable(const Variable& other) : body_(other.body_) {
        if (body_) body_->retain();
    }
    Variable(Variable&& other) noexcept : body_(std::exchange(other.body_, nullptr)) {}
    Variable& operator=(const Variable& other) & {
        Variable copy(other);
        std::swap(body_, copy.body_);
        return *this;
    }
    Variable& operator=(Variable&& other) & noexcept {
        Variable taken(std::move(other));
        std::swap(body_, taken.body_);
        return *this;
    }
    template <class U>
    void operator=(const U&) && {
        static_assert(sizeof(U) == 0,
                      "an element or a view of a variable cannot be assigned: build "
                      "the whole value, for example with stack, concatenate or where");
    }
    ~Variable() {
        if (body_) body_->release();
    }

    // Whether there are elements: not if it was default-constructed or moved from.
    bool has_value() const { return body_ && body_->tensor.storage(); }
    // Throws Error if it was default-constructed or moved from; its shape is then [0], which
    // messages print as "no value".
    const Tensor<T>& value(Where where = Where::current()) const& {
        require_value(Op("value", where));
        return body_->tensor;
    }
    Tensor<T> value(Where where = Where::current()) && { return std::as_const(*this).value(where); }
    const Shape& shape() const {
        return body_ ? body_->tensor.shape() : LayoutRef::moved_from()->shape;
    }
    std::size_t shape(std::size_t axis) const { return shape()[axis]; }
    std::size_t dimension() const { return shape().size(); }
    std::size_t size() const { return body_ ? body_->tensor.size() : 0; }
    // The only element, as a number without a gradient. Throws Error unless there is exactly one,
    // and in a recorded backward rule for a variable of its tape, whose derivative would be lost.
    T item(Where where = Where::current()) const {
        if (detail::rule_run != 0) [[unlikely]]
            require_no_rule(where);
        require_value(Op("item", where));
        return body_->tensor.item(where);
    }
    // The element at x(i, j, ...) as a scalar variable; of a scalar, x() is x itself. Throws Error
    // unless there is an index for each axis, and for an index out of range.
    Variable operator()(ElementIndex a = {}, ElementIndex b = {}, ElementIndex c = {},
                        ElementIndex d = {}, ElementIndex e = {}, ElementIndex f = {},
                        ElementIndex g = {}, ElementIndex h = {},
                        Where where = Where::current()) const;

    // Whether an operation or Tape::variable recorded it.
    bool is_recorded() const { return body_ && body_->node != no_node; }
    // Whether it refers to a parameter; a frozen one is a constant.
    bool is_parameter() const { return body_ && body_->is_parameter; }
    NodeId node() const { return body_ ? body_->node : no_node; }
    // Its tape, or null if it was not recorded. Throws Error if the tape was cleared or destroyed.
    Tape<T>* tape() const;

    Value<T>* body() const { return body_; }
    // Throws Error, naming the operation, if it was default-constructed or moved from.
    void require_value(const Op& op) const {
        if (!body_) [[unlikely]]
            missing(op);
    }

protected:
    [[noreturn]] static void missing(const Op& op);
    void require_no_rule(Where where) const;

    Value<T>* body_ = nullptr;
};

template <class T>
std::ostream& operator<<(std::ostream& out, const Variable<T>& x) {
    return out << (x.body() != nullptr ? x.value() : Tensor<T>());
}

// The value without its history: no gradient flows back through it.
template <class T>
Variable<T> stop_gradient(const Variable<T>& x) {
    return Variable<T>(x.value());
}

// The same for a state carried from one tape to the next, as in truncated back-propagation through
// time. Empty values remain empty.
template <class T>
Variable<T> detach(const Variable<T>& x) {
    return x.body() != nullptr ? stop_gradient(x) : x;
}
template <class T, std::size_t N>
std::array<Variable<T>, N> detach(std::array<Variable<T>, N> state) {
    for (auto& x : state) x = detach(x);
    return state;
}
template <class T>
std::vector<Variable<T>> detach(std::vector<Variable<T>> state) {
    for (auto& x : state) x = detach(x);
    return state;
}

extern template class Variable<float>;
extern template class Variable<double>;
extern template struct Value<float>;
extern template struct Value<double>;

} // namespace unroll
