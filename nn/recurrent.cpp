#include <unroll/nn/recurrent.hpp>
#include <unroll/ops/fuse.hpp>

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

} // namespace detail

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> detail::choose_active(const Place<T>&, const Variable<T>&,                \
                                               const Variable<T>&, const Variable<T>&);            \
    template Variable<T> detail::copy_to(const Place<T>&, const Variable<T>&);                     \
    template class Recurrent<RnnCell<T>>;                                                          \
    template class Recurrent<LstmCell<T>>;                                                         \
    template class Recurrent<GruCell<T>>;

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll::nn
