#include <unroll/core/autograd/parameter.hpp>
#include <unroll/core/autograd/tape.hpp>
#include <unroll/core/base/numbers.hpp>

#include <algorithm>
#include <new>

namespace unroll {

thread_local constinit std::uint32_t detail::rule_run = 0;
thread_local constinit const void* detail::rule_tape = nullptr;

namespace {

// Free bodies of one thread, at most as many as the thread had in use at once, so that a thread
// which only releases bodies that others create keeps few.
template <class T>
struct Bodies {
    static constexpr std::ptrdiff_t few = 1024;

    ~Bodies() {
        while (free != nullptr) ::operator delete(take());
    }
    void* take() {
        --count;
        void* const body = std::exchange(free, *static_cast<void**>(free));
        __builtin_prefetch(free, 1);
        return body;
    }

    void* free = nullptr;
    std::ptrdiff_t count = 0, in_use = 0, most = few;
};

// Null during thread exit.
template <class T>
Bodies<T>* my_bodies() {
    thread_local constinit Bodies<T>* mine = nullptr;
    thread_local constinit bool has_ended = false;
    if (mine != nullptr) [[likely]]
        return mine;
    if (has_ended) return nullptr;
    struct Owner {
        Bodies<T> bodies;
        ~Owner() {
            mine = nullptr;
            has_ended = true;
        }
    };
    thread_local Owner owner;
    return mine = &owner.bodies;
}

} // namespace

static_assert(sizeof(Value<float>) == 56); // a block of malloc, whose header is the rest of 64

template <class T>
Value<T>::Value(Tensor<T> tensor) : generation(next_number()), tensor(std::move(tensor)) {}

template <class T>
Value<T>* Value<T>::make(Tensor<T> tensor) {
    Bodies<T>* const mine = my_bodies<T>();
    void* memory = nullptr;
    if (mine != nullptr) {
        mine->most = std::max(mine->most, ++mine->in_use);
        if (mine->free != nullptr) memory = mine->take();
    }
    if (memory == nullptr) memory = ::operator new(sizeof(Value));
    return new (memory) Value(std::move(tensor));
}

template <class T>
void Value<T>::destroy() {
    if (is_parameter) {
        delete static_cast<ParameterBody<T>*>(this);
        return;
    }
    this->~Value();
    Bodies<T>* const mine = my_bodies<T>();
    if (mine != nullptr) --mine->in_use;
#if !defined(__SANITIZE_ADDRESS__)
    if (mine != nullptr && mine->count < mine->most) {
        *reinterpret_cast<void**>(this) = std::exchange(mine->free, this);
        ++mine->count;
        return;
    }
#endif
    ::operator delete(static_cast<void*>(this));
}

template <class T>
void Variable<T>::missing(const Op& op) {
    fail(op, "a variable has no value: it was moved from, or created without one");
}

template <class T>
void Variable<T>::require_no_rule(Where where) const {
    if (is_recorded() && body_->slot == detail::rule_tape)
        fail(Op("item", where),
             "a number that is read in a recorded backward rule has no derivative. Compute "
             "with the variable; or read x.value().item() if the number only decides what "
             "is computed; or mark the rule by once()");
}

template <class T>
Tape<T>* Variable<T>::tape() const {
    if (!is_recorded()) return nullptr;
    Tape<T>* const tape = body_->slot->tape.load(std::memory_order_acquire);
    if (tape == nullptr || body_->slot->generation != body_->generation)
        fail("Variable", "the tape of a value of shape " + to_string(shape()) +
                             " was cleared or destroyed; detach() what is carried from one tape "
                             "to the next");
    return tape;
}

template class Variable<float>;
template class Variable<double>;
template struct Value<float>;
template struct Value<double>;

} // namespace unroll
