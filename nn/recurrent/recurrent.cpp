#include <unroll/nn/recurrent/recurrent.hpp>
#include <unroll/ops/fuse/fuse.hpp>

namespace unroll::nn {

template <class T>
Variable<T> detail::highway(const Variable<T>& gate, const Variable<T>& in,
                            const Variable<T>& out) {
    return fuse("highway",
                named("gate x f -> y",
                      [](auto gate, auto x, auto f) {
                          const auto t = sigmoid(gate);
                          return t * f + (1 - t) * x;
                      }),
                gate, in, out);
}

template Variable<float> detail::highway(const Variable<float>&, const Variable<float>&,
                                         const Variable<float>&);
template Variable<double> detail::highway(const Variable<double>&, const Variable<double>&,
                                          const Variable<double>&);

} // namespace unroll::nn
