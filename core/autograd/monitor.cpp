#include <unroll/core/autograd/tape.hpp>

namespace unroll {

template <class T>
Monitor<T>::Monitor(Tape<T>& tape) : tape_(&tape), next_(tape.monitors_) {
    tape.monitors_ = this;
}

template <class T>
Monitor<T>::~Monitor() {
    if (tape_ == nullptr) return;
    Monitor** link = &tape_->monitors_;
    while (*link != this) link = &(*link)->next_;
    *link = next_;
}

template class Monitor<float>;
template class Monitor<double>;

} // namespace unroll
