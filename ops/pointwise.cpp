#include <unroll/ops/fuse/fuse.hpp>
#include <unroll/ops/pointwise.hpp>

namespace unroll {

namespace {

template <class T>
Variable<T> as_numbers(const Mask& mask) {
    const Mask dense = mask.contiguous();
    Tensor<T> numbers(dense.shape());
    std::copy_n(dense.data(), dense.size(), numbers.data());
    return numbers;
}

// The positions where a comparison, given as a function that returns 1 or 0, holds.
template <class T, class F>
Mask compare(Op op, const Variable<T>& a, const Variable<T>& b, F f) {
    const Tensor<T> found = fuse(op, f, stop_gradient(a), stop_gradient(b)).value();
    Mask mask(found.shape());
    std::transform(found.data(), found.data() + found.size(), mask.data(),
                   [](T v) { return v != T(0); });
    return mask;
}

} // namespace

namespace detail {

template <class T>
Variable<T> Pointwise<T>::add(const V& a, const V& b, Op op) {
    return unroll::fuse(
        op, [](auto a, auto b) { return a + b; }, a, b);
}
template <class T>
Variable<T> Pointwise<T>::subtract(const V& a, const V& b, Op op) {
    return unroll::fuse(
        op, [](auto a, auto b) { return a - b; }, a, b);
}
template <class T>
Variable<T> Pointwise<T>::multiply(const V& a, const V& b, Op op) {
    return unroll::fuse(
        op, [](auto a, auto b) { return a * b; }, a, b);
}
template <class T>
Variable<T> Pointwise<T>::divide(const V& a, const V& b, Op op) {
    return unroll::fuse(
        op, [](auto a, auto b) { return a / b; }, a, b);
}
template <class T>
Variable<T> Pointwise<T>::pow(const V& a, const V& b, Op op) {
    return unroll::fuse(
        op, [](auto a, auto b) { return unroll::pow(a, b); }, a, b);
}
template <class T>
Variable<T> Pointwise<T>::minimum(const V& a, const V& b, Op op) {
    return unroll::fuse(
        op, [](auto a, auto b) { return unroll::minimum(a, b); }, a, b);
}
template <class T>
Variable<T> Pointwise<T>::maximum(const V& a, const V& b, Op op) {
    return unroll::fuse(
        op, [](auto a, auto b) { return unroll::maximum(a, b); }, a, b);
}
template <class T>
Variable<T> Pointwise<T>::where(const Mask& condition, const V& a, const V& b, Op op) {
    return unroll::fuse(
        op, [](auto c, auto a, auto b) { return unroll::where(c != 0, a, b); },
        as_numbers<T>(condition), a, b);
}
template <class T>
Mask Pointwise<T>::less(const V& a, const V& b, Op op) {
    return compare(op, a, b, [](auto a, auto b) { return unroll::where(a < b, 1, 0); });
}
template <class T>
Mask Pointwise<T>::less_equal(const V& a, const V& b, Op op) {
    return compare(op, a, b, [](auto a, auto b) { return unroll::where(a <= b, 1, 0); });
}
template <class T>
Mask Pointwise<T>::equal(const V& a, const V& b, Op op) {
    return compare(op, a, b, [](auto a, auto b) { return unroll::where(a == b, 1, 0); });
}

template struct Pointwise<float>;
template struct Pointwise<double>;

} // namespace detail

template <class T>
Variable<T> exp(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return exp(x); }, x);
}
template <class T>
Variable<T> log(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return log(x); }, x);
}
template <class T>
Variable<T> log1p(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return log1p(x); }, x);
}
template <class T>
Variable<T> expm1(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return expm1(x); }, x);
}
template <class T>
Variable<T> sqrt(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return sqrt(x); }, x);
}
template <class T>
Variable<T> square(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return square(x); }, x);
}
template <class T>
Variable<T> reciprocal(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return 1 / x; }, x);
}
template <class T>
Variable<T> sin(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return sin(x); }, x);
}
template <class T>
Variable<T> cos(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return cos(x); }, x);
}
template <class T>
Variable<T> erf(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return erf(x); }, x);
}
template <class T>
Variable<T> abs(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return abs(x); }, x);
}
template <class T>
Variable<T> sign(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return sign(x); }, x);
}
template <class T>
Variable<T> clip(const Variable<T>& x, double low, double high, Op op) {
    if (!(low <= high))
        fail(op, "the range is empty: " + std::to_string(low) + " to " + std::to_string(high));
    return fuse(
        op, [low, high](auto x) { return clamp(x, low, high); }, x);
}
template <class T>
Variable<T> tanh(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return tanh(x); }, x);
}
template <class T>
Variable<T> sigmoid(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return sigmoid(x); }, x);
}
template <class T>
Variable<T> relu(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return relu(x); }, x);
}
template <class T>
Variable<T> leaky_relu(const Variable<T>& x, double slope, Op op) {
    return fuse(
        op, [slope](auto x) { return leaky_relu(x, slope); }, x);
}
template <class T>
Variable<T> elu(const Variable<T>& x, double alpha, Op op) {
    return fuse(
        op, [alpha](auto x) { return elu(x, alpha); }, x);
}
template <class T>
Variable<T> gelu(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return gelu(x); }, x);
}
template <class T>
Variable<T> silu(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return silu(x); }, x);
}
template <class T>
Variable<T> softplus(const Variable<T>& x, Op op) {
    return fuse(
        op, [](auto x) { return softplus(x); }, x);
}

#define UNROLL_INSTANTIATE(T)                                                                      \
    template Variable<T> exp(const Variable<T>&, Op);                                              \
    template Variable<T> log(const Variable<T>&, Op);                                              \
    template Variable<T> log1p(const Variable<T>&, Op);                                            \
    template Variable<T> expm1(const Variable<T>&, Op);                                            \
    template Variable<T> sqrt(const Variable<T>&, Op);                                             \
    template Variable<T> square(const Variable<T>&, Op);                                           \
    template Variable<T> reciprocal(const Variable<T>&, Op);                                       \
    template Variable<T> sin(const Variable<T>&, Op);                                              \
    template Variable<T> cos(const Variable<T>&, Op);                                              \
    template Variable<T> erf(const Variable<T>&, Op);                                              \
    template Variable<T> abs(const Variable<T>&, Op);                                              \
    template Variable<T> sign(const Variable<T>&, Op);                                             \
    template Variable<T> clip(const Variable<T>&, double, double, Op);                             \
    template Variable<T> tanh(const Variable<T>&, Op);                                             \
    template Variable<T> sigmoid(const Variable<T>&, Op);                                          \
    template Variable<T> relu(const Variable<T>&, Op);                                             \
    template Variable<T> leaky_relu(const Variable<T>&, double, Op);                               \
    template Variable<T> elu(const Variable<T>&, double, Op);                                      \
    template Variable<T> gelu(const Variable<T>&, Op);                                             \
    template Variable<T> silu(const Variable<T>&, Op);                                             \
    template Variable<T> softplus(const Variable<T>&, Op);

UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)

} // namespace unroll
