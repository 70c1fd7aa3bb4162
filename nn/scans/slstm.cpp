#include <unroll/nn/scans/slstm.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/pointwise.hpp>

namespace unroll::nn {

template <class T>
SLstmCell<T>::SLstmCell(std::size_t input, std::size_t hidden, Options options, Where where)
    : CellParameters<T>(Op("SLstmCell", where), input, hidden, 4, options.layer_norm),
      options(options) {
    for (std::size_t i = hidden; i < 2 * hidden; ++i)
        this->bias_ih.change().data()[i] += static_cast<T>(options.forget_bias);
}

template <class T>
Variable<T> SLstmCell<T>::project(const Variable<T>& x, Where caller) const {
    const detail::CellScope scope(this->module_name, detail::CellScope::Part::project, caller);
    return this->inputs(x, this->bias_ih + this->bias_hh);
}

template <class T>
State<T, 4> SLstmCell<T>::step(const Variable<T>& z, const State<T, 4>& state,
                               const StepContext<T>& context, Where caller) const {
    const detail::CellScope scope(this->module_name, detail::CellScope::Part::step, caller);
    const Variable<T> gates = this->add_recurrent(z, state[0], context);
    // After a first step n >= 1, as either i' or f' is 1. In the first step only the input counts,
    // however small: m' is i, and f', which multiplies zeros, must not overflow.
    return fuse_into(context.h, "slstm",
                     named("i f z o c n m -> h c' n' m'",
                           [](auto i, auto f, auto z, auto o, auto c, auto n, auto m) {
                               const auto decay = log_sigmoid(f) + m;
                               const auto most = where(abs(c) + abs(n) > 0, maximum(decay, i), i);
                               const auto write = exp(i - most);
                               const auto growth = decay - most;
                               const auto keep = exp(where(growth > 80, 80, growth));
                               const auto cell = keep * c + write * tanh(z);
                               const auto sum = keep * n + write;
                               return outputs(sigmoid(o) * cell / sum, cell, sum, most);
                           }),
                     block(gates, 0, 4), block(gates, 1, 4), block(gates, 2, 4), block(gates, 3, 4),
                     state[1], state[2], state[3]);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct SLstmCell<T>;                                                                  \
    template class Recurrent<SLstmCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
