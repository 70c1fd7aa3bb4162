#include <unroll/nn/recurrent/gru.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/views.hpp>

namespace unroll::nn {

template <class T>
GruCell<T>::GruCell(std::size_t input, std::size_t hidden, Options options, Where where)
    : CellParameters<T>(Op("GruCell", where), input, hidden, 3, options.layer_norm),
      options(options) {
    if (options.layer_norm && options.reset == GruOptions::Reset::before)
        fail(Op("GruCell", where),
             "layer_norm normalises U h as a whole, which Reset::before does not compute; use "
             "Reset::after or none");
}

template <class T>
Variable<T> GruCell<T>::project(const Variable<T>& x, Where caller) const {
    const detail::CellScope scope(this->module_name, detail::CellScope::Part::project, caller);
    return this->inputs(x, this->bias_ih);
}

template <class T>
template <class Keeps>
Variable<T> GruCell<T>::mixed_step(const Variable<T>& x, const Variable<T>& h,
                                   const StepContext<T>& context, Keeps) const {
    using Reset = GruOptions::Reset;
    const auto mixed = [](auto z, auto h, auto n) {
        if constexpr (Keeps::value)
            return z * h + (1 - z) * n;
        else
            return (1 - z) * h + z * n;
    };
    const auto without_reset =
        named("xz xn uz un h -> h'", [mixed](auto xz, auto xn, auto uz, auto un, auto h) {
            return mixed(sigmoid(xz + uz), h, tanh(xn + un));
        });
    const Variable<T> xr = block(x, 0, 3), xz = block(x, 1, 3), xn = block(x, 2, 3);
    const Variable<T> masked_h = this->read(h, context), weight = this->recurrent_weight(context);
    if (options.reset != Reset::before) {
        const Variable<T> u = this->norm_hh
                                  ? (*this->norm_hh)(linear(masked_h, weight)) + this->bias_hh
                                  : linear(masked_h, weight, this->bias_hh, context.recurrent);
        const Variable<T> ur = block(u, 0, 3), uz = block(u, 1, 3), un = block(u, 2, 3);
        if (options.reset == Reset::none)
            return fuse_into(context.h, "gru", without_reset, xz, xn, uz, un, h);
        return fuse_into(
            context.h, "gru",
            named("xr xz xn ur uz un h -> h'",
                  [mixed](auto xr, auto xz, auto xn, auto ur, auto uz, auto un, auto h) {
                      const auto n = tanh(xn + sigmoid(xr + ur) * un);
                      return mixed(sigmoid(xz + uz), h, n);
                  }),
            xr, xz, xn, ur, uz, un, h);
    }
    const std::size_t H = this->hidden;
    const Variable<T> all = weight, bias = this->bias_hh;
    const Variable<T> u = linear(masked_h, slice(all, 0, 0, 2 * H), slice(bias, 0, 0, 2 * H));
    const Variable<T> reset =
        fuse("gru",
             named("xr ur h -> r·h", [](auto xr, auto ur, auto h) { return sigmoid(xr + ur) * h; }),
             xr, block(u, 0, 2), masked_h);
    const Variable<T> un = linear(reset, slice(all, 0, 2 * H, 3 * H), slice(bias, 0, 2 * H, 3 * H));
    return fuse_into(context.h, "gru", without_reset, xz, xn, block(u, 1, 2), un, h);
}

template <class T>
State<T, 1> GruCell<T>::step(const Variable<T>& z, const State<T, 1>& state,
                             const StepContext<T>& context, Where caller) const {
    const detail::CellScope scope(this->module_name, detail::CellScope::Part::step, caller);
    if (options.update == GruOptions::Update::keeps_old)
        return {mixed_step(z, state[0], context, std::true_type())};
    return {mixed_step(z, state[0], context, std::false_type())};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct GruCell<T>;                                                                    \
    template class Recurrent<GruCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
