#include <unroll/ops/activation.hpp>
#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/views.hpp>

namespace unroll {

template <class T>
Variable<T> glu(const Variable<T>& x, std::ptrdiff_t axis, Op op) {
    const std::size_t a = normal_axis(op, axis, x.dimension()), n = x.shape(a);
    if (n % 2 != 0)
        fail(op, "axis " + std::to_string(axis) + " of x " + to_string(x.shape()) +
                     " has an odd extent; expected two halves of equal size");
    const Composite composite(op);
    const auto along = static_cast<std::ptrdiff_t>(a);
    return fuse(op, primitive([](auto value, auto gate) { return value * sigmoid(gate); }),
                slice(x, along, 0, n / 2), slice(x, along, n / 2, n));
}

template <class T>
Variable<T> prelu(const Variable<T>& x, const std::type_identity_t<Variable<T>>& slope, Op op) {
    const bool is_one = slope.dimension() <= 1 && slope.size() == 1;
    if (!is_one && (x.dimension() < 2 || slope.shape() != Shape{x.shape(1)}))
        fail(op, "x " + to_string(x.shape()) + " and slope " + to_string(slope.shape()) +
                     "; expected [batch, channels, ...] and [channels], or one slope");
    const Composite composite(op);
    Shape column(is_one ? 0 : x.dimension() - 1, 1);
    if (!is_one) column[0] = slope.size();
    return fuse(op, primitive([](auto x, auto slope) { return where(x > 0, x, slope * x); }), x,
                reshape(slope, column));
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> glu(const Variable<T>&, std::ptrdiff_t, Op);                              \
    template Variable<T> prelu(const Variable<T>&, const Variable<T>&, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
