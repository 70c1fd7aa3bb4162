#include <unroll/nn/recurrent/rnn.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/pointwise.hpp>

namespace unroll::nn {

template <class T>
Variable<T> RnnCell<T>::project(const Variable<T>& x, Where caller) const {
    const detail::CellScope scope(this->module_name, detail::CellScope::Part::project, caller);
    return this->inputs(x, this->bias_ih + this->bias_hh);
}

template <class T>
State<T, 1> RnnCell<T>::step(const Variable<T>& z, const State<T, 1>& state,
                             const StepContext<T>& context, Where caller) const {
    const detail::CellScope scope(this->module_name, detail::CellScope::Part::step, caller);
    const Variable<T> sum = this->add_recurrent(z, state[0], context);
    if (options.relu)
        return {fuse_into(context.h, "rnn", named("a -> h", [](auto a) { return relu(a); }), sum)};
    return {fuse_into(context.h, "rnn", named("a -> h", [](auto a) { return tanh(a); }), sum)};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct RnnCell<T>;                                                                    \
    template class Recurrent<RnnCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
