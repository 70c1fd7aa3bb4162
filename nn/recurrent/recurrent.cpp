#include <unroll/nn/recurrent/recurrent.hpp>
#include <unroll/ops/fuse/fuse.hpp>

namespace unroll::nn {

namespace detail {

template <class T>
Variable<T> choose_active(const Place<T>& place, const Variable<T>& active, const Variable<T>& x,
                          const Variable<T>& y) {
    return fuse_into(
        place, "active", [](auto a, auto x, auto y) { return where(a > 0, x, y); }, active, x, y);
}

template <class T>
Variable<T> copy_to(const Place<T>& place, const Variable<T>& x) {
    return fuse_into(
        place, "copy", [](auto x) { return x; }, x);
}

template <class T>
Variable<T> locked_dropout(const Variable<T>& x, double p) {
    if (p == 0) return x;
    Shape once = x.shape();
    if (once.size() == 3) once[0] = 1;
    return x * dropout(Variable<T>(Tensor<T>::ones(once)), p);
}

template <class T>
Variable<T> zone_out(const Place<T>& place, const Variable<T>& old, const Variable<T>& next,
                     double p) {
    Tape<T>* const tape = training_tape(next);
    if (tape == nullptr)
        return fuse_into(
            place, "zoneout", [p](auto old, auto next) { return p * old + (1 - p) * next; }, old,
            next);
    Tensor<T> draws(next.shape());
    tape->random().fill_uniform(draws.data(), draws.size(), T(0), T(1));
    return fuse_into(
        place, "zoneout",
        [p](auto old, auto next, auto draw) { return where(draw < p, old, next); }, old, next,
        draws);
}

template <class T>
Variable<T> highway(const Variable<T>& gate, const Variable<T>& in, const Variable<T>& out) {
    return fuse("highway",
                named("gate x f -> y",
                      [](auto gate, auto x, auto f) {
                          const auto t = sigmoid(gate);
                          return t * f + (1 - t) * x;
                      }),
                gate, in, out);
}

} // namespace detail

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> detail::choose_active(const Place<T>&, const Variable<T>&,                \
                                               const Variable<T>&, const Variable<T>&);            \
    template Variable<T> detail::copy_to(const Place<T>&, const Variable<T>&);                     \
    template Variable<T> detail::locked_dropout(const Variable<T>&, double);                       \
    template Variable<T> detail::zone_out(const Place<T>&, const Variable<T>&, const Variable<T>&, \
                                          double);                                                 \
    template Variable<T> detail::highway(const Variable<T>&, const Variable<T>&,                   \
                                         const Variable<T>&);                                      \
    template class Recurrent<RnnCell<T>>;                                                          \
    template class Recurrent<LstmCell<T>>;                                                         \
    template class Recurrent<GruCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
