#include <unroll/nn/initialize.hpp>
#include <unroll/nn/recurrent/cells.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/views.hpp>

#include <cmath>

namespace unroll::nn {

template <class T>
CellParameters<T>::CellParameters(std::size_t input, std::size_t hidden, std::size_t gates,
                                  bool layer_norm, std::size_t output)
    : input(input), hidden(hidden), gates(gates), output(output > 0 ? output : hidden) {
    if (input == 0 || hidden == 0)
        fail("recurrent cell", "input and hidden must be at least 1, got " + std::to_string(input) +
                                   " and " + std::to_string(hidden));
    const double bound = 1.0 / std::sqrt(static_cast<double>(hidden));
    const auto fresh = [&](const char* name, const Shape& shape) {
        return Parameter<T>(name, uniform<T>(shape, bound, next_stream()));
    };
    weight_ih = fresh("weight_ih", {gates * hidden, input});
    weight_hh = fresh("weight_hh", {gates * hidden, this->output});
    bias_ih = fresh("bias_ih", {gates * hidden});
    bias_hh = fresh("bias_hh", {gates * hidden});
    if (!layer_norm) return;
    norm_ih.emplace(gates * hidden);
    norm_hh.emplace(gates * hidden);
}

template <class T>
void CellParameters<T>::members(Members<T>& m) {
    m("weight_ih", weight_ih)("weight_hh", weight_hh)("bias_ih", bias_ih)("bias_hh", bias_hh);
    if (norm_ih) m("norm_ih", *norm_ih)("norm_hh", *norm_hh);
}

template <class T>
Variable<T> CellParameters<T>::inputs(const Variable<T>& x, const Variable<T>& bias) const {
    return norm_ih ? (*norm_ih)(linear(x, weight_ih)) + bias : linear(x, weight_ih, bias);
}

template <class T>
Variable<T> CellParameters<T>::read(const Variable<T>& h, const StepContext<T>& context) const {
    return context.mask ? h * *context.mask : h;
}

template <class T>
Variable<T> CellParameters<T>::recurrent_weight(const StepContext<T>& context) const {
    return context.weight_hh ? *context.weight_hh : Variable<T>(weight_hh);
}

template <class T>
Variable<T> CellParameters<T>::add_recurrent(const Variable<T>& z, const Variable<T>& h,
                                             const StepContext<T>& context) const {
    const Variable<T> seen = read(h, context), weight = recurrent_weight(context);
    return norm_hh ? z + (*norm_hh)(linear(seen, weight)) : add_linear(z, seen, weight);
}

template <class T>
Variable<T> RnnCell<T>::project(const Variable<T>& x) const {
    return this->inputs(x, this->bias_ih + this->bias_hh);
}

template <class T>
State<T, 1> RnnCell<T>::step(const Variable<T>& z, const State<T, 1>& state,
                             const StepContext<T>& context) const {
    const Variable<T> sum = this->add_recurrent(z, state[0], context);
    if (options.relu)
        return {fuse_into(context.h, "rnn", named("a -> h", [](auto a) { return relu(a); }), sum)};
    return {fuse_into(context.h, "rnn", named("a -> h", [](auto a) { return tanh(a); }), sum)};
}

template <class T>
LstmCell<T>::LstmCell(std::size_t input, std::size_t hidden, Options options)
    : CellParameters<T>(input, hidden, options.coupled ? 3 : 4, options.layer_norm,
                        options.projection),
      options(options) {
    const std::size_t forget = (this->gates - 3) * hidden;
    for (std::size_t i = forget; i < forget + hidden; ++i)
        this->bias_ih.change().data()[i] += static_cast<T>(options.forget_bias);
    const double bound = 1.0 / std::sqrt(static_cast<double>(hidden));
    if (options.peephole)
        peephole =
            Parameter<T>("peephole", uniform<T>({this->gates - 1, hidden}, bound, next_stream()));
    if (options.projection > 0)
        weight_hr = Parameter<T>("weight_hr",
                                 uniform<T>({options.projection, hidden}, bound, next_stream()));
    if (options.layer_norm) norm_c.emplace(hidden);
}

template <class T>
void LstmCell<T>::members(Members<T>& m) {
    CellParameters<T>::members(m);
    if (options.peephole) m("peephole", peephole);
    if (options.projection > 0) m("weight_hr", weight_hr);
    if (norm_c) m("norm_c", *norm_c);
}

template <class T>
Variable<T> LstmCell<T>::project(const Variable<T>& x) const {
    return this->inputs(x, this->bias_ih + this->bias_hh);
}

template <class T>
State<T, 2> LstmCell<T>::step(const Variable<T>& z, const State<T, 2>& state,
                              const StepContext<T>& context) const {
    const Variable<T> gates = this->add_recurrent(z, state[0], context);
    if (options.peephole || options.coupled || options.layer_norm || options.projection > 0)
        return step_with_options(gates, state[1], context);
    return fuse_into(context.h, "lstm",
                     named("i f g o c -> h c'",
                           [](auto i, auto f, auto g, auto o, auto c) {
                               const auto next = sigmoid(f) * c + sigmoid(i) * tanh(g);
                               return outputs(sigmoid(o) * tanh(next), next);
                           }),
                     block(gates, 0, 4), block(gates, 1, 4), block(gates, 2, 4), block(gates, 3, 4),
                     state[1]);
}

template <class T>
State<T, 2> LstmCell<T>::step_with_options(const Variable<T>& gates, const Variable<T>& c,
                                           const StepContext<T>& context) const {
    const std::size_t n = this->gates;
    // The gate so many before the last, with its peephole.
    const auto gate = [&](std::size_t back, std::ptrdiff_t row, const Variable<T>& seen) {
        const Variable<T> plain = block(gates, n - back, n);
        if (!options.peephole || row < 0) return plain;
        return plain + select(peephole, 0, static_cast<std::size_t>(row)) * seen;
    };
    const std::ptrdiff_t first = options.coupled ? -1 : 0;
    const Variable<T> f = gate(3, first + 1, c), g = gate(2, -1, c);
    const Variable<T> next =
        options.coupled ? fuse("lstm",
                               named("f g c -> c'",
                                     [](auto f, auto g, auto c) {
                                         return sigmoid(f) * c + (1 - sigmoid(f)) * tanh(g);
                                     }),
                               f, g, c)
                        : fuse("lstm",
                               named("i f g c -> c'",
                                     [](auto i, auto f, auto g, auto c) {
                                         return sigmoid(f) * c + sigmoid(i) * tanh(g);
                                     }),
                               gate(4, 0, c), f, g, c);
    const Variable<T> o = gate(1, first + 2, next);
    const bool projects = options.projection > 0;
    const Variable<T> h =
        fuse_into(projects ? Place<T>() : context.h, "lstm",
                  named("o c' -> h", [](auto o, auto c) { return sigmoid(o) * tanh(c); }), o,
                  norm_c ? (*norm_c)(next) : next);
    return {projects ? linear(h, weight_hr, Variable<T>(T(0)), context.h) : h, next};
}

template <class T>
GruCell<T>::GruCell(std::size_t input, std::size_t hidden, Options options)
    : CellParameters<T>(input, hidden, 3, options.layer_norm), options(options) {
    if (options.layer_norm && options.reset == GruOptions::Reset::before)
        fail("Gru", "layer normalisation is of U h as a whole, which Reset::before has not; use "
                    "Reset::after or none");
}

template <class T>
Variable<T> GruCell<T>::project(const Variable<T>& x) const {
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
    const Variable<T> seen = this->read(h, context), weight = this->recurrent_weight(context);
    if (options.reset != Reset::before) {
        const Variable<T> u = this->norm_hh
                                  ? (*this->norm_hh)(linear(seen, weight)) + this->bias_hh
                                  : linear(seen, weight, this->bias_hh, context.recurrent);
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
    const Variable<T> u = linear(seen, slice(all, 0, 0, 2 * H), slice(bias, 0, 0, 2 * H));
    const Variable<T> reset =
        fuse("gru",
             named("xr ur h -> r·h", [](auto xr, auto ur, auto h) { return sigmoid(xr + ur) * h; }),
             xr, block(u, 0, 2), seen);
    const Variable<T> un = linear(reset, slice(all, 0, 2 * H, 3 * H), slice(bias, 0, 2 * H, 3 * H));
    return fuse_into(context.h, "gru", without_reset, xz, xn, block(u, 1, 2), un, h);
}

template <class T>
State<T, 1> GruCell<T>::step(const Variable<T>& z, const State<T, 1>& state,
                             const StepContext<T>& context) const {
    if (options.update == GruOptions::Update::keeps_old)
        return {mixed_step(z, state[0], context, std::true_type())};
    return {mixed_step(z, state[0], context, std::false_type())};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct CellParameters<T>;                                                             \
    template struct RnnCell<T>;                                                                    \
    template struct LstmCell<T>;                                                                   \
    template struct GruCell<T>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
