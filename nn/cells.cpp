#include <unroll/nn/cells.hpp>
#include <unroll/nn/initialize.hpp>
#include <unroll/ops/fuse.hpp>
#include <unroll/ops/matrix.hpp>
#include <unroll/ops/pointwise.hpp>
#include <unroll/ops/views.hpp>

#include <cmath>

namespace unroll::nn {

template <class T, std::size_t gates>
CellParameters<T, gates>::CellParameters(std::size_t input, std::size_t hidden)
    : input(input), hidden(hidden) {
    if (input == 0 || hidden == 0)
        fail("recurrent cell", "input and hidden must be at least 1, got " + std::to_string(input) +
                                   " and " + std::to_string(hidden));
    const double bound = 1.0 / std::sqrt(static_cast<double>(hidden));
    const auto fresh = [&](const char* name, const Shape& shape) {
        return Parameter<T>(name, uniform<T>(shape, bound, next_stream()));
    };
    weight_ih = fresh("weight_ih", {gates * hidden, input});
    weight_hh = fresh("weight_hh", {gates * hidden, hidden});
    bias_ih = fresh("bias_ih", {gates * hidden});
    bias_hh = fresh("bias_hh", {gates * hidden});
}

template <class T>
Variable<T> RnnCell<T>::project(const Variable<T>& x) const {
    return linear(x, this->weight_ih, with_tape_of(x, this->bias_ih) + this->bias_hh);
}

template <class T>
State<T, 1> RnnCell<T>::step(const Variable<T>& z, const State<T, 1>& state,
                             const StepPlaces<T>& places) const {
    const Variable<T> sum = add_linear(z, state[0], this->weight_hh);
    if (options.relu)
        return {fuse_into(places.h, "rnn", named("a -> h", [](auto a) { return relu(a); }), sum)};
    return {fuse_into(places.h, "rnn", named("a -> h", [](auto a) { return tanh(a); }), sum)};
}

template <class T>
LstmCell<T>::LstmCell(std::size_t input, std::size_t hidden, Options options)
    : CellParameters<T, 4>(input, hidden) {
    for (std::size_t i = hidden; i < 2 * hidden; ++i)
        this->bias_ih.change().data()[i] += static_cast<T>(options.forget_bias);
}

template <class T>
Variable<T> LstmCell<T>::project(const Variable<T>& x) const {
    return linear(x, this->weight_ih, with_tape_of(x, this->bias_ih) + this->bias_hh);
}

template <class T>
State<T, 2> LstmCell<T>::step(const Variable<T>& z, const State<T, 2>& state,
                              const StepPlaces<T>& places) const {
    const Variable<T> gates = add_linear(z, state[0], this->weight_hh);
    return fuse_into(places.h, "lstm",
                     named("i f g o c -> h c'",
                           [](auto i, auto f, auto g, auto o, auto c) {
                               const auto next = sigmoid(f) * c + sigmoid(i) * tanh(g);
                               return outputs(sigmoid(o) * tanh(next), next);
                           }),
                     block(gates, 0, 4), block(gates, 1, 4), block(gates, 2, 4), block(gates, 3, 4),
                     state[1]);
}

template <class T>
Variable<T> GruCell<T>::project(const Variable<T>& x) const {
    return linear(x, this->weight_ih, this->bias_ih);
}

namespace {

template <class T, class Keeps>
Variable<T> gru_step(const GruCell<T>& cell, const Variable<T>& x, const Variable<T>& h,
                     const StepPlaces<T>& places, Keeps) {
    using Reset = GruOptions::Reset;
    const auto mixed = [](auto z, auto h, auto n) {
        if constexpr (Keeps::value)
            return z * h + (1 - z) * n;
        else
            return (1 - z) * h + z * n;
    };
    const Variable<T> xr = block(x, 0, 3), xz = block(x, 1, 3), xn = block(x, 2, 3);
    if (cell.options.reset != Reset::before) {
        const Variable<T> u = linear(h, cell.weight_hh, cell.bias_hh, places.recurrent);
        const Variable<T> ur = block(u, 0, 3), uz = block(u, 1, 3), un = block(u, 2, 3);
        if (cell.options.reset == Reset::after)
            return fuse_into(
                places.h, "gru",
                named("xr xz xn ur uz un h -> h'",
                      [mixed](auto xr, auto xz, auto xn, auto ur, auto uz, auto un, auto h) {
                          const auto n = tanh(xn + sigmoid(xr + ur) * un);
                          return mixed(sigmoid(xz + uz), h, n);
                      }),
                xr, xz, xn, ur, uz, un, h);
        return fuse_into(places.h, "gru",
                         named("xz xn uz un h -> h'",
                               [mixed](auto xz, auto xn, auto uz, auto un, auto h) {
                                   return mixed(sigmoid(xz + uz), h, tanh(xn + un));
                               }),
                         xz, xn, uz, un, h);
    }
    const std::size_t H = cell.hidden;
    const Variable<T> weight = with_tape_of(x, cell.weight_hh),
                      bias = with_tape_of(x, cell.bias_hh);
    const Variable<T> u = linear(h, slice(weight, 0, 0, 2 * H), slice(bias, 0, 0, 2 * H));
    const Variable<T> reset =
        fuse("gru",
             named("xr ur h -> r·h", [](auto xr, auto ur, auto h) { return sigmoid(xr + ur) * h; }),
             xr, block(u, 0, 2), h);
    const Variable<T> un =
        linear(reset, slice(weight, 0, 2 * H, 3 * H), slice(bias, 0, 2 * H, 3 * H));
    return fuse_into(places.h, "gru",
                     named("xz xn uz un h -> h'",
                           [mixed](auto xz, auto xn, auto uz, auto un, auto h) {
                               return mixed(sigmoid(xz + uz), h, tanh(xn + un));
                           }),
                     xz, xn, block(u, 1, 2), un, h);
}

} // namespace

template <class T>
State<T, 1> GruCell<T>::step(const Variable<T>& z, const State<T, 1>& state,
                             const StepPlaces<T>& places) const {
    if (options.update == GruOptions::Update::keeps_old)
        return {gru_step(*this, z, state[0], places, std::true_type())};
    return {gru_step(*this, z, state[0], places, std::false_type())};
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template struct CellParameters<T, 1>;                                                          \
    template struct CellParameters<T, 3>;                                                          \
    template struct CellParameters<T, 4>;                                                          \
    template struct RnnCell<T>;                                                                    \
    template struct LstmCell<T>;                                                                   \
    template struct GruCell<T>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
