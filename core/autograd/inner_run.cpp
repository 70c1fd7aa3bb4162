#include <unroll/core/autograd/inner_run.hpp>

#include <algorithm>
#include <utility>

namespace unroll::detail {

template <class T>
thread_local constinit const InnerRun<T>* InnerRun<T>::current_ = nullptr;

template <class T>
InnerRun<T>::InnerRun(Tape<T>& tape, std::vector<Variable<T>>* reads)
    : tape_(tape), slot_(tape.handle(Tensor<T>(), no_node).body()->slot),
      lifetime_(slot_->lifetime), reads_(reads), outer_(std::exchange(current_, this)) {}

template <class T>
void InnerRun<T>::note(std::span<const Variable<T>* const> operands) const {
    for (const Variable<T>* x : operands) {
        const bool is_read =
            x->is_recorded()
                ? is_outside(*x->body())
                : x->is_parameter() && static_cast<ParameterBody<T>*>(x->body())->is_trainable;
        const auto is_same = [&](const Variable<T>& known) { return known.body() == x->body(); };
        if (is_read && std::none_of(reads_->begin(), reads_->end(), is_same)) reads_->push_back(*x);
    }
}

thread_local constinit bool SecondRun::is_on_ = false;
SecondRun::SecondRun() : outer_(std::exchange(is_on_, true)) {}
SecondRun::~SecondRun() { is_on_ = outer_; }

template class InnerRun<float>;
template class InnerRun<double>;

} // namespace unroll::detail
